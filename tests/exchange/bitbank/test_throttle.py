"""The connector keeps below bitbank's limits by itself: ten queries and six updates within any second."""

import asyncio
import importlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from rows import assets, order_row
from wire_server import WireServer, data

from crypto_kedro.exchange.bitbank import BitbankExchange, BitbankSettings, Credentials

SECOND_MS = 1_000


def sent_at_ms(server: WireServer, ask: Callable[[BitbankExchange], Awaitable[Any]], times: int) -> list[int]:
    """Ask so often at once, and return the moments at which the requests were signed."""

    async def all_at_once() -> None:
        settings = BitbankSettings(public_url=server.url, private_url=server.url)
        async with BitbankExchange(settings, Credentials("key", "secret")) as exchange:
            await asyncio.gather(*(ask(exchange) for _ in range(times)))

    asyncio.run(all_at_once())
    return sorted(int(sent.headers["ACCESS-REQUEST-TIME"]) for sent in server.sent)


@pytest.mark.parametrize(
    ("target", "answer", "ask", "limit"),
    [
        ("GET /v1/user/assets", data(**assets()), lambda exchange: exchange.balances(), 10),
        ("POST /v1/user/spot/cancel_order", data(**order_row(order_id=1)), lambda exchange: exchange.cancel(1), 6),
    ],
)
def test_given_more_requests_than_a_second_allows_when_asked_at_once_then_it_sends_what_one_allows_and_waits(
    server: WireServer,
    target: str,
    answer: Any,
    ask: Callable[[BitbankExchange], Awaitable[Any]],
    limit: int,
) -> None:
    server.on(target, answer)

    moments = sent_at_ms(server, ask, 2 * limit)

    assert len(moments) == 2 * limit
    assert moments[limit - 1] - moments[0] < SECOND_MS
    assert all(later - earlier > SECOND_MS for earlier, later in zip(moments, moments[limit:], strict=False))


def test_given_a_wall_clock_that_is_set_back_when_requests_wait_for_their_turn_then_they_go_on(
    server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, wall_s = time.monotonic(), time.time

    def set_back() -> float:
        """Tell the time of a clock that somebody sets back by an hour while requests wait."""
        return wall_s() - 3_600 * (time.monotonic() - began > 0.3)

    monkeypatch.setattr(importlib.import_module("ccxt.async_support.base.throttler"), "time", set_back)
    monkeypatch.setattr(time, "time", set_back)
    server.on("GET /v1/user/assets", data(**assets()))

    async def story() -> None:
        settings = BitbankSettings(public_url=server.url, private_url=server.url)
        async with BitbankExchange(settings, Credentials("key", "secret")) as exchange, asyncio.timeout(30):
            await asyncio.gather(*(exchange.balances() for _ in range(12)))

    asyncio.run(story())
    assert len(server.sent) == 12
