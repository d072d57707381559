"""A fault of the program, of the exchange inside the process or of a time limit, and what a session leaves then."""

import asyncio
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from desks import FLAT, LONG, KnownOpinion, Told, at_work, desk_at, market, until, written

from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.exchange.bitbank.connector import BitbankExchange
from crypto_kedro.exchange.simulator.running import RunningExchange
from crypto_kedro.pipelines.trading.performance import _ask_after
from crypto_kedro.session.clock import SessionClock, wall_clock_ms
from crypto_kedro.session.embedded import EmbeddedMarket, embedded_exchange
from crypto_kedro.session.ending import EndReason, EndRequest
from crypto_kedro.session.journal.records import Answered, Halted, Incident, Outcome, SessionEnded
from crypto_kedro.session.notice import Exposure, SessionFailed, Severity
from crypto_kedro.trading.money import Jpy
from crypto_kedro.trading.orders import OrderType
from crypto_kedro.trading.signal import SignalFacts

CASES = Path(__file__).parents[1] / "cases"


class FaultyFacts(KnownOpinion):
    """Enters once, and fails from then on in a way that nobody thought of."""

    is_faulty = False

    async def latest(self) -> SignalFacts[float]:
        if self.is_faulty:
            raise ZeroDivisionError("float division by zero")
        return await super().latest()


def stops(folder: Path) -> list[Answered]:
    return [
        entry.record
        for entry in written(folder, Answered)
        if entry.record.outcome is Outcome.PLACED
        and entry.record.order is not None
        and entry.record.order.request.type is OrderType.STOP_LOSS
    ]


def test_given_a_fault_in_the_decision_then_the_session_goes_on_halted_and_protects(tmp_path: Path) -> None:
    told = Told()

    async def run() -> None:
        with market() as exchange:
            opinion = LONG
            async with desk_at(exchange.url, tmp_path, opinion=opinion, notifier=told) as desk:
                outfit = desk._outfit
                facts = FaultyFacts(outfit.exchange, wall_clock_ms, opinion)
                object.__setattr__(outfit, "facts", facts)
                async with at_work(desk) as asked:
                    await until(lambda: stops(tmp_path))
                    facts.is_faulty = True
                    account = outfit.exchange
                    assert isinstance(account, BitbankExchange)
                    (stop,) = [
                        o for o in (await account.account()).open_orders if o.request.type is OrderType.STOP_LOSS
                    ]
                    await account.cancel(stop.order_id)
                    with pytest.raises(CryptoKedroError, match="ZeroDivisionError"):
                        await desk.tick()
                    await until(lambda: len(stops(tmp_path)) == 2)
                    assert not asked.is_set()

    asyncio.run(run())

    faults = [entry.record for entry in written(tmp_path, Incident) if entry.record.code == "cycle_fault"]
    assert [(fault.severity, fault.text) for fault in faults] == [
        (Severity.CRITICAL, "ZeroDivisionError: float division by zero")
    ]
    assert [entry.record.by for entry in written(tmp_path, Halted)] == ["trader"]
    assert any(notice.severity is Severity.CRITICAL for notice in told.notices)


def test_given_a_fault_of_the_loop_then_the_end_is_written_and_notified_as_critical(tmp_path: Path) -> None:
    told = Told()

    async def run() -> None:
        with market() as exchange:
            async with desk_at(exchange.url, tmp_path, opinion=FLAT, notifier=told) as desk:

                def fail() -> None:
                    raise RuntimeError("nobody thought of it")

                desk._days.look = fail  # type: ignore[method-assign]
                with pytest.raises(RuntimeError):
                    await desk.work(EndRequest())

    asyncio.run(run())

    assert written(tmp_path, SessionEnded)[-1].record.reason == EndReason.FAULT
    assert "RuntimeError: nobody thought of it" in [entry.record.text for entry in written(tmp_path, Incident)]
    (failed,) = told.of(SessionFailed)
    assert isinstance(failed, SessionFailed)
    assert (failed.severity, failed.exposure) == (Severity.CRITICAL, Exposure.FLAT)


def test_given_a_fault_at_the_start_then_it_is_notified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told()

    async def run() -> None:
        with market() as exchange:
            async with desk_at(exchange.url, tmp_path, notifier=told) as desk:

                async def account(_: Any) -> Any:
                    raise KeyError("assets")

                monkeypatch.setattr(BitbankExchange, "account", account)
                with pytest.raises(KeyError):
                    await desk.work(EndRequest())

    asyncio.run(run())

    assert [notice.severity for notice in told.notices] == [Severity.CRITICAL]


def test_given_a_time_limit_when_asked_to_end_then_the_event_loop_stays_free() -> None:
    async def run() -> EndReason:
        asked = EndRequest()
        limit = asyncio.create_task(_ask_after(asked, SessionClock(), 3_600_000))
        await asyncio.sleep(0)
        asked.set()
        await asyncio.wait_for(limit, 5.0)
        return asked.reason

    assert asyncio.run(run()) is EndReason.ASKED


def test_given_a_time_limit_when_it_is_over_then_the_end_gives_it_as_the_reason(tmp_path: Path) -> None:
    async def run() -> None:
        with market() as exchange:
            async with desk_at(exchange.url, tmp_path) as desk, at_work(desk) as asked:
                await until(lambda: written(tmp_path, Incident, SessionEnded) == [] and desk.status().counts.cycles)
                await _ask_after(asked, SessionClock(), 1)

    asyncio.run(run())

    assert [entry.record.reason for entry in written(tmp_path, SessionEnded)] == ["session.minutes are over"]


def test_given_an_event_that_is_set_when_waited_for_in_a_loop_then_others_still_run() -> None:
    async def run() -> int:
        clock, event, turns = SessionClock(), asyncio.Event(), 0
        event.set()
        other = asyncio.create_task(asyncio.sleep(0))
        while not other.done():
            await clock.wait(clock.now_ms() + 60_000, event, 1.0)
            turns += 1
        return turns

    assert asyncio.run(run()) < 10


def played(data: str, seed: int = 1) -> EmbeddedMarket:
    return EmbeddedMarket(data=data, start=None, seed=seed, speed=1.0, cash=Jpy.of(100_000))


@pytest.mark.parametrize(("data", "seed"), [("synthetic", -5), ("candles-microseconds.csv", 1)])
def test_given_a_market_that_cannot_be_played_then_the_session_gets_one_sentence_at_once(
    tmp_path: Path, data: str, seed: int
) -> None:
    if data.endswith(".csv"):
        shutil.copy(CASES / data, tmp_path / data)
        data = str(tmp_path / data)

    async def run() -> None:
        async with embedded_exchange(played(data, seed), tmp_path / "state.db"):
            raise AssertionError("it cannot start")

    began = time.monotonic()
    with pytest.raises(CryptoKedroError) as raised:
        asyncio.run(asyncio.wait_for(run(), 60))
    assert time.monotonic() - began < 60
    assert "\n" not in str(raised.value)


def test_given_a_state_that_is_no_database_then_the_session_gets_one_sentence_at_once(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"not a database" * 100)

    async def run() -> None:
        async with embedded_exchange(played("synthetic"), tmp_path / "state.db"):
            raise AssertionError("it cannot start")

    with pytest.raises(CryptoKedroError):
        asyncio.run(asyncio.wait_for(run(), 60))


def test_given_an_exchange_that_fails_while_it_is_traded_at_then_the_session_hears_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: RunningExchange) -> None:
        await asyncio.sleep(0.2)
        raise OverflowError("no more candles")

    monkeypatch.setattr(RunningExchange, "run", fail)

    async def run() -> None:
        async with embedded_exchange(played("synthetic"), tmp_path / "state.db") as opened:
            assert opened.failure is not None
            await asyncio.wait_for(opened.failure, 60)

    with pytest.raises(CryptoKedroError, match=r"the embedded exchange failed \(OverflowError: no more candles\)"):
        asyncio.run(run())
