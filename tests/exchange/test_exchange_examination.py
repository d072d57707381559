"""The part of ``kedro doctor`` that looks at bitbank, against the simulator."""

import asyncio
import socket
import time

import pytest
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from venues import CASH, QUIET, HandClock, simulator

from crypto_kedro.exchange.bitbank import BitbankSettings, Credentials
from crypto_kedro.exchange_examination import examine_exchange
from crypto_kedro.finding import Finding
from crypto_kedro.trading.money import Jpy


class Answers:
    """Answers one path with an error code of bitbank, whatever the exchange would say."""

    def __init__(self, app: ASGIApp, path: str, code: int) -> None:
        self._app, self._path, self._code = app, path, code

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = JSONResponse({"success": 0, "data": {"code": self._code}})
        await (error if scope["path"] == self._path else self._app)(scope, receive, send)


class RealClock(HandClock):
    """The machine's clock, which the examination signs with."""

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000


def examined(
    credentials: Credentials | None = None, *middleware: Middleware, cash: Jpy = CASH, ahead_s: int = 0
) -> dict[str, Finding]:
    async def whole() -> list[Finding]:
        async with simulator(QUIET, RealClock(), middleware, cash) as url:
            settings = BitbankSettings(public_url=url, private_url=url, throttle=False)
            return await examine_exchange(settings, credentials, lambda: RealClock()() + ahead_s * 1000)

    return {finding.subject: finding for finding in asyncio.run(whole())}


def test_given_no_key_when_examined_then_reach_clock_and_rules_are_told() -> None:
    found = examined()

    assert [(subject, finding.status) for subject, finding in found.items()] == [
        ("bitbank", "ok"),
        ("clock", "ok"),
        ("bitbank rules", "ok"),
        ("bitbank key", "ok"),
    ]
    assert found["bitbank"].detail == "reachable, last price 5,000,000 JPY, status NORMAL"
    assert found["bitbank rules"].detail == (
        "minimum 0.0001 BTC in steps of 0.0001; margin fees: open 0% maker, 0.1% taker; close 0% maker, 0.1% taker; "
        "interest a day: 0.04% long, 0.04% short; leverage 2"
    )
    assert "none set" in found["bitbank key"].detail


def test_given_a_key_that_may_trade_when_examined_then_the_margin_account_is_told() -> None:
    found = examined(Credentials("key", "secret"))

    assert found["bitbank key"].status == "ok"
    assert found["margin account"].detail == "state NORMAL, balance 1,000,000 JPY, 2,000,000 JPY may be opened"


def test_given_a_wrong_secret_when_examined_then_the_key_fails_and_the_secret_is_not_told() -> None:
    found = examined(Credentials("key", "mistyped-secret"))

    assert found["bitbank key"].status == "fail"
    assert "20001" in found["bitbank key"].detail
    assert "mistyped-secret" not in str(found)


def test_given_a_key_that_bitbank_does_not_know_when_examined_then_the_key_fails() -> None:
    key = examined(Credentials("nobody", "secret"))["bitbank key"]

    assert key.status == "fail"
    assert "20002" in key.detail


def test_given_a_key_that_may_only_read_when_examined_then_it_fails() -> None:
    reads_only = Middleware(Answers, path="/v1/user/spot/cancel_order", code=20001)

    assert examined(Credentials("key", "secret"), reads_only)["bitbank key"].status == "fail"


def test_given_an_account_that_is_locked_when_examined_then_the_key_fails_and_a_human_is_sent_to_the_site() -> None:
    locked = Middleware(Answers, path="/v1/user/assets", code=50005)

    key = examined(Credentials("key", "secret"), locked)["bitbank key"]

    assert key.status == "fail"
    assert "bitbank's site" in key.remedy


def test_given_a_margin_account_that_is_closed_when_examined_then_it_fails_and_the_key_is_still_told() -> None:
    closed = Middleware(Answers, path="/v1/user/margin/status", code=50058)

    found = examined(Credentials("key", "secret"), closed)

    assert found["bitbank key"].status == "ok"
    assert found["margin account"].status == "fail"
    assert "margin trading is not approved" in found["margin account"].detail


def test_given_a_busy_margin_account_when_examined_then_it_is_to_be_asked_again() -> None:
    busy = Middleware(Answers, path="/v1/user/margin/status", code=10008)

    margin = examined(Credentials("key", "secret"), busy)["margin account"]

    assert margin.status == "warn"
    assert "again later" in margin.remedy


def test_given_an_account_without_money_when_examined_then_it_is_a_warning() -> None:
    found = examined(Credentials("key", "secret"), cash=Jpy(0))

    assert found["margin account"].status == "warn"
    assert "deposit" in found["margin account"].remedy


def test_given_a_clock_that_is_wrong_when_examined_then_the_offset_is_told() -> None:
    behind, ahead = examined(ahead_s=-60)["clock"], examined(ahead_s=60)["clock"]

    assert behind.status == ahead.status == "warn"
    assert "behind bitbank's" in behind.detail
    assert "ahead of bitbank's" in ahead.detail
    assert "NTP" in ahead.remedy


@pytest.mark.parametrize("ahead_s", [-60, 60])
def test_given_a_wrong_clock_and_a_key_when_examined_then_the_key_fails_for_the_clock(ahead_s: int) -> None:
    key = examined(Credentials("key", "secret"), ahead_s=ahead_s)["bitbank key"]

    assert key.status == "fail"
    assert "NTP" in key.remedy


def test_given_maintenance_when_examined_then_it_is_a_warning() -> None:
    found = examined(None, Middleware(Answers, path="/btc_jpy/ticker", code=10007))

    assert list(found) == ["bitbank"]
    assert found["bitbank"].status == "warn"
    assert "maintenance" in found["bitbank"].detail


def test_given_an_exchange_that_takes_requests_and_answers_none_when_examined_then_patience_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        settings = BitbankSettings(public_url=url, private_url=url, timeout_s=0.2)

        (finding,) = asyncio.run(examine_exchange(settings, Credentials("key", "secret")))

    assert finding.status == "warn"
    assert "no answer" in finding.detail


def test_given_no_network_when_examined_then_research_is_told_to_go_on() -> None:
    nowhere = BitbankSettings(public_url="http://127.0.0.1:1", private_url="http://127.0.0.1:1", timeout_s=3.0)

    (finding,) = asyncio.run(examine_exchange(nowhere, Credentials("key", "secret")))

    assert finding.status == "warn"
    assert "candles on disk" in finding.remedy
