"""The private stream wakes a reader, outlives tokens and networks, and keeps its token to itself."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Clock
from wire_server import CUT, Step, WireServer, data, error

from crypto_kedro.exchange.bitbank import BitbankExchange, BitbankSettings
from crypto_kedro.exchange.bitbank.private_stream import PrivateStream
from crypto_kedro.exchange.port import BadCredentialsError

Run = Callable[..., Any]

PASS = "GET /v1/user/subscribe"
POLL = "GET /v2/subscribe/sub-c-ecebae8e-dd60-11e6-b6b1-02ee2ddab7fe/channel-1/0"
EXPIRED = 403, '{"status":403,"service":"Access Manager","error":true,"message":"Token is expired."}'
START = frozenset[str]()
HOUR_MS = 3_600_000


def events(cursor: int, *methods: str) -> Step:
    said = [{"a": "4", "c": "channel-1", "d": {"method": method, "params": []}} for method in methods]
    return 200, json.dumps({"t": {"t": f"{cursor:017d}", "r": 1}, "m": said})


@pytest.fixture
def hear(bitbank: BitbankExchange, server: WireServer, clock: Clock, run: Run) -> Callable[[int], list[frozenset[str]]]:
    """Listen until so many times there was news."""
    server.on(PASS, data(pubnub_channel="channel-1", pubnub_token="token-77"))
    stream = PrivateStream(bitbank, BitbankSettings(private_stream_url=server.url), clock, clock.sleep)

    async def listen(times: int) -> list[frozenset[str]]:
        heard: list[frozenset[str]] = []
        news = stream.news()
        async for names in news:
            heard.append(names)
            if len(heard) == times:
                await news.aclose()
        return heard

    return lambda times: run(listen(times))


Hear = Callable[[int], list[frozenset[str]]]


def test_given_a_new_connection_when_listening_then_the_account_is_to_be_read_before_any_event(
    server: WireServer, hear: Hear
) -> None:
    server.on(POLL, events(1), events(2), events(3, "spot_order", "spot_trade", "spot_order"), events(4, "dealer"))

    assert hear(3) == [START, {"spot_order", "spot_trade"}, {"dealer"}]


def test_given_an_answer_when_polling_on_then_its_cursor_is_passed_back(server: WireServer, hear: Hear) -> None:
    server.on(POLL, events(1), events(25, "spot_trade"), events(26, "spot_trade"))

    hear(3)

    queries = [sent.path.partition("?")[2] for sent in server.sent if sent.target == POLL]
    assert queries == [
        "uuid=channel-1&auth=token-77&tt=0",
        "uuid=channel-1&auth=token-77&tt=00000000000000001&tr=1",
        "uuid=channel-1&auth=token-77&tt=00000000000000025&tr=1",
    ]


@pytest.mark.parametrize(
    "failure",
    [EXPIRED, CUT, (502, "bad gateway"), (200, "<html>"), (200, "{}"), (200, '{"t":{"t":"1","r":1},"m":[{}]}')],
)
def test_given_a_poll_that_fails_when_listening_then_a_new_token_is_taken_and_the_account_is_to_be_read(
    server: WireServer, clock: Clock, hear: Hear, failure: Step
) -> None:
    # The client library repeats a GET whose kept connection was cut, so the failure stands twice.
    server.on(POLL, events(1), failure, failure, events(2), events(3, "spot_trade"))

    heard = hear(3)

    assert heard == [START, START, {"spot_trade"}]
    assert server.targets().count(PASS) >= 2
    assert clock.waits[0] == pytest.approx(1.0, rel=0.2)


def test_given_an_exchange_in_maintenance_when_listening_then_the_pauses_grow(
    server: WireServer, clock: Clock, hear: Hear
) -> None:
    server.on(POLL, events(1))
    server.on(PASS, error(10007), error(10007), error(10007), data(pubnub_channel="channel-1", pubnub_token="t"))

    assert hear(1) == [START]
    assert clock.waits == pytest.approx([1.0, 2.0, 4.0], rel=0.2)


def test_given_a_token_of_eleven_hours_when_listening_then_it_is_renewed_before_it_expires(
    bitbank: BitbankExchange, server: WireServer, clock: Clock, run: Run, hear: Hear
) -> None:
    server.on(POLL, events(1), events(2, "spot_trade"))
    stream = PrivateStream(bitbank, BitbankSettings(private_stream_url=server.url), clock, clock.sleep)

    async def listen() -> list[frozenset[str]]:
        news = stream.news()
        heard = [await anext(news)]
        clock.now_ms += 11 * HOUR_MS
        heard.append(await anext(news))
        await news.aclose()
        return heard

    run(listen())

    assert server.targets() == [PASS, POLL, PASS, POLL]


def test_given_a_key_that_is_refused_when_listening_then_it_is_raised(server: WireServer, hear: Hear) -> None:
    server.on(PASS, error(20003))

    with pytest.raises(BadCredentialsError):
        hear(1)


def test_given_a_stream_that_fails_when_all_logs_are_open_then_the_token_does_not_show(
    server: WireServer, hear: Hear, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.on(POLL, events(1), EXPIRED, CUT, CUT, (200, "<html>"), events(2))

    hear(2)

    assert "lost (HTTP 403)" in caplog.text
    assert "token-77" not in caplog.text
