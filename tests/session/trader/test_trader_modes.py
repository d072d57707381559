"""How a trader works in each mode: in a loop, tick by tick, or once."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from desks import CAPITAL, LEASE, LONG, SETTINGS, KnownOpinion, Market, Told, at_work, desk_at, market, until, written

from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.exchange.bitbank import BitbankMarketData, BitbankSettings
from crypto_kedro.exchange.port import StopTradingError
from crypto_kedro.exchange.simulator.commands import Place
from crypto_kedro.market.bars import MINUTE_MS
from crypto_kedro.serving.face import FaceSettings
from crypto_kedro.serving.face.readiness import checks
from crypto_kedro.session.clock import wall_clock_ms
from crypto_kedro.session.cycle import CycleTerms
from crypto_kedro.session.ending import EndReason, EndRequest
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.journal import JournalError
from crypto_kedro.session.journal.records import (
    CycleStarted,
    Decided,
    Intended,
    Record,
    SessionEnded,
    SessionStarted,
    Trigger,
)
from crypto_kedro.session.lease import LeaseLostError, SqliteLease
from crypto_kedro.session.modes import Desk
from crypto_kedro.session.notice import IncidentSeen, SessionBegan, SessionOver, Severity
from crypto_kedro.session.ownership import ForeignOrders
from crypto_kedro.session.records import Purpose
from crypto_kedro.session.status import HaltState
from crypto_kedro.session.stop import StopError, StopOrder, resume_session, standing_halt, stop_session
from crypto_kedro.session.waking import Mode
from crypto_kedro.trading.money import Btc
from crypto_kedro.trading.orders import OrderRequest, OrderType, PositionSide, Side
from crypto_kedro.trading.signal import SignalFacts

BUY = Place(OrderRequest(side=Side.BUY, type=OrderType.MARKET, amount=Btc.of("0.01"), position_side=PositionSide.LONG))


@pytest.fixture
def exchange() -> Iterator[Market]:
    with market() as serving:
        yield serving


def lacking(desk: Desk) -> set[str]:
    """The checks of readiness that fail."""
    return {name for name, holds in checks(desk.status(), FaceSettings()).items() if not holds}


def kinds(folder: Path) -> list[type[Record]]:
    return [type(entry.record) for entry in written(folder, SessionStarted, Decided, SessionEnded)]


def let_nothing_be_written(folder: Path) -> None:
    """Refuse every entry from now on, as a full disk does."""
    with closing(sqlite3.connect(SessionFolder(folder).journal)) as database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )


async def is_free(folder: Path) -> bool:
    """Whether another process could trade."""
    other = SqliteLease(SessionFolder(folder).lease, LEASE)
    fence = await other.acquire()
    await other.release()
    return fence is not None


def test_given_one_cycle_when_it_is_over_then_the_session_has_ended_and_the_lease_is_free(
    exchange: Market, tmp_path: Path
) -> None:
    async def story() -> None:
        async with desk_at(exchange.url, tmp_path, Mode.ONCE) as desk:
            await desk.work(EndRequest())
            assert desk.status().counts.cycles == 1
            assert await is_free(tmp_path)

    asyncio.run(story())
    assert kinds(tmp_path) == [SessionStarted, Decided, SessionEnded]


def test_given_one_cycle_that_the_exchange_breaks_off_then_its_sentence_comes_out_and_the_session_has_ended(
    exchange: Market, tmp_path: Path
) -> None:
    class Riddle:
        async def latest(self) -> None:
            raise StopTradingError("the answer is a riddle")

    async def story() -> None:
        async with desk_at(exchange.url, tmp_path, Mode.ONCE, facts=Riddle()) as desk:
            with pytest.raises(CryptoKedroError, match="the answer is a riddle"):
                await desk.work(EndRequest())

    asyncio.run(story())
    assert kinds(tmp_path) == [SessionStarted, SessionEnded]


@pytest.mark.parametrize("mode", Mode)
def test_given_another_who_trades_when_a_session_cannot_begin_then_that_is_told(
    exchange: Market, tmp_path: Path, mode: Mode
) -> None:
    told = Told()

    async def story() -> None:
        other = SqliteLease(SessionFolder(tmp_path).lease, LEASE)
        assert await other.acquire()
        async with desk_at(exchange.url, tmp_path, mode, notifier=told) as desk:
            with pytest.raises(LeaseLostError):
                await (desk.tick() if mode is Mode.TICK else desk.work(EndRequest()))
        await other.release()

    asyncio.run(story())
    (notice,) = told.notices
    assert isinstance(notice.news, IncidentSeen)
    assert (notice.severity, notice.news.incident) == (Severity.CRITICAL, "session_not_begun")
    assert "stop that trader first" in notice.news.text


def test_given_ticks_then_each_takes_the_lease_and_gives_it_back(exchange: Market, tmp_path: Path) -> None:
    async def story() -> None:
        async with desk_at(exchange.url, tmp_path, Mode.TICK, opinion=LONG) as desk, at_work(desk):
            first = await desk.tick()
            assert first["action"] == "open"
            assert not desk.status().lease_held
            assert await is_free(tmp_path)
            second, third = await asyncio.gather(desk.tick(), desk.tick())
            assert second["sent"] == third["sent"] == 0
            account = desk.status().account
            assert account is not None
            assert [held.stop is not None for held in account.positions] == [True]
            assert desk.status().next_wake_ms is None

    asyncio.run(story())
    started = written(tmp_path, SessionStarted)
    assert [entry.fence for entry in started] == [1, 3, 4]
    assert len({entry.session_id for entry in started}) == 3
    assert [entry.record.reason for entry in written(tmp_path, SessionEnded)] == ["the tick is over"] * 3


def test_given_ticks_then_beginning_and_end_of_each_are_no_news(exchange: Market, tmp_path: Path) -> None:
    told = Told()

    async def story() -> None:
        async with desk_at(exchange.url, tmp_path, Mode.TICK, notifier=told) as desk, at_work(desk):
            await desk.tick()

    asyncio.run(story())
    assert not told.of(SessionBegan)
    assert not told.of(SessionOver)


def test_given_another_trader_when_ticked_then_it_is_refused_and_not_ready_until_a_tick_goes_well(
    exchange: Market, tmp_path: Path
) -> None:
    async def story() -> None:
        other = SqliteLease(SessionFolder(tmp_path).lease, LEASE)
        async with desk_at(exchange.url, tmp_path, Mode.TICK) as desk, at_work(desk):
            assert not lacking(desk)
            await other.acquire()
            with pytest.raises(LeaseLostError, match="stop that trader first"):
                await desk.tick()
            assert lacking(desk) == {"data", "cycle"}
            await other.release()
            await desk.tick()
            assert not lacking(desk)

    asyncio.run(story())


def test_given_no_tick_for_long_then_it_is_not_ready(exchange: Market, tmp_path: Path) -> None:
    ahead_ms = 0

    async def story() -> None:
        nonlocal ahead_ms
        async with (
            desk_at(exchange.url, tmp_path, Mode.TICK, now_ms=lambda: wall_clock_ms() + ahead_ms) as desk,
            at_work(desk),
        ):
            await desk.tick()
            ahead_ms = 9 * MINUTE_MS
            assert not lacking(desk)
            ahead_ms = 11 * MINUTE_MS
            assert lacking(desk) == {"pace"}

    asyncio.run(story())


def test_given_a_tick_under_way_when_asked_to_end_then_it_is_finished_and_no_other_begins(
    exchange: Market, tmp_path: Path
) -> None:
    async def story() -> None:
        async with desk_at(exchange.url, tmp_path, Mode.TICK) as desk, at_work(desk) as asked:
            ticking = asyncio.create_task(desk.tick())
            await until(lambda: written(tmp_path, SessionStarted))
            asked.set()
            assert (await ticking)["sent"] == 0
            with pytest.raises(CryptoKedroError, match="about to end"):
                await desk.tick()

    asyncio.run(story())
    assert kinds(tmp_path) == [SessionStarted, Decided, SessionEnded]


def test_given_a_tick_that_hangs_when_broken_off_then_its_session_has_ended_and_the_lease_is_free(
    exchange: Market, tmp_path: Path
) -> None:
    class NeverTold:
        def __init__(self) -> None:
            self.asked = asyncio.Event()

        async def latest(self) -> None:
            self.asked.set()
            await asyncio.Event().wait()

    async def story() -> None:
        facts = NeverTold()
        async with desk_at(exchange.url, tmp_path, Mode.TICK, facts=facts) as desk:
            working = asyncio.create_task(desk.work(EndRequest()))
            ticking = asyncio.create_task(desk.tick())
            await facts.asked.wait()
            working.cancel()
            await asyncio.wait({working, ticking})
            assert ticking.cancelled()
            assert await is_free(tmp_path)

    asyncio.run(story())
    assert written(tmp_path, SessionEnded)[-1].record.reason == EndReason.BROKEN_OFF


def test_given_a_position_without_a_stop_when_ticked_then_the_tick_lasts_until_it_is_protected_or_closed(
    exchange: Market, tmp_path: Path
) -> None:
    class NoBar:
        async def latest(self) -> None:
            return None

    terms = CycleTerms(settings=SETTINGS, funding_stage=1, kelly=2.0, foreign_orders=ForeignOrders.ADOPT, bare_ms=1_000)

    async def story() -> None:
        async with desk_at(exchange.url, tmp_path, Mode.TICK, facts=NoBar(), cycle_terms=terms) as desk, at_work(desk):
            await desk.tick()
            exchange.tell(BUY)
            await desk.tick()
            account = desk.status().account
            assert account is not None
            assert not account.positions

    asyncio.run(story())
    (exit_,) = [entry.record for entry in written(tmp_path, Intended)]
    assert (exit_.purpose, exit_.reason) == (Purpose.EXIT, "no_protection")


def test_given_a_stop_before_any_session_then_it_stands_and_the_first_cycle_obeys_it(
    exchange: Market, tmp_path: Path
) -> None:
    async def story() -> None:
        async with desk_at(exchange.url, tmp_path, opinion=LONG) as desk:
            assert desk.status().halt_state is None
            await desk.stop(by="a test", reason="the news", flatten=False)
            assert desk.status().halt_state is HaltState.REQUESTED
            with pytest.raises(CryptoKedroError, match="has not begun"):
                await desk.tick()
            async with at_work(desk):
                await until(lambda: desk.status().counts.cycles)
                assert desk.status().halt_state is HaltState.IN_FORCE

    asyncio.run(story())
    assert not written(tmp_path, Intended)


def test_given_a_tick_desk_when_stopped_and_resumed_from_outside_then_it_shows_that_before_the_next_tick(
    exchange: Market, tmp_path: Path
) -> None:
    folder = SessionFolder(tmp_path)

    async def story() -> None:
        async with desk_at(exchange.url, tmp_path, Mode.TICK) as desk, at_work(desk):
            await desk.tick()
            stop_session(folder, StopOrder("a test", "the news"), wall_clock_ms())
            assert desk.status().halt_state is HaltState.REQUESTED
            await desk.tick()
            assert desk.status().halt_state is HaltState.IN_FORCE
            resume_session(folder, "a test", "it is over", wall_clock_ms())
            assert desk.status().halt_state is None

    asyncio.run(story())


def test_given_a_position_when_stopped_and_flattened_then_each_step_shows_and_it_is_closed(
    exchange: Market, tmp_path: Path
) -> None:
    async def story() -> None:
        async with desk_at(exchange.url, tmp_path, opinion=LONG) as desk, at_work(desk):
            await until(lambda: (account := desk.status().account) and account.positions)
            await desk.stop(by="a test", reason="leaving", flatten=True)
            told = desk.status()
            assert told.halted is not None
            assert (told.halted.reason, told.halt_state) == ("leaving", HaltState.REQUESTED)
            await until(lambda: desk.status().halt_state is HaltState.IN_FORCE)
            account = desk.status().account
            assert account is not None
            assert (account.positions, account.open_orders) == ((), 0)
            assert account.equity < CAPITAL

    asyncio.run(story())
    assert Trigger.STOP in [entry.record.trigger for entry in written(tmp_path, CycleStarted)]


def test_given_a_journal_that_cannot_be_written_when_stopped_before_any_session_then_the_flag_halts_and_it_is_told(
    exchange: Market, tmp_path: Path
) -> None:
    told = Told()

    async def story() -> None:
        async with desk_at(exchange.url, tmp_path, Mode.TICK, notifier=told) as desk:
            let_nothing_be_written(tmp_path)
            await desk.stop(by="a test", reason="the disk", flatten=True)
            halted = desk.status().halted
            assert halted is not None
            assert (halted.reason, halted.flatten) == ("the disk", True)
            assert desk.status().halted == halted

    asyncio.run(story())
    assert standing_halt(SessionFolder(tmp_path)) == StopOrder("a test", "the disk", flatten=True)
    (incident,) = told.of(IncidentSeen)
    assert "trading is halted, yet journal " in str(incident)


def test_given_a_journal_that_cannot_be_written_when_a_trader_at_work_is_stopped_then_the_flag_halts_and_it_ends(
    exchange: Market, tmp_path: Path
) -> None:
    async def story() -> None:
        async with desk_at(exchange.url, tmp_path) as desk, at_work(desk):
            await until(lambda: desk.status().counts.cycles)
            let_nothing_be_written(tmp_path)
            await desk.stop(by="a test", reason="the disk", flatten=False)

    with pytest.raises(JournalError, match="nothing was written"):
        asyncio.run(story())
    assert standing_halt(SessionFolder(tmp_path)) == StopOrder("a test", "the disk")


def test_given_a_flag_that_cannot_be_written_when_stopped_then_the_journal_halts(
    exchange: Market, tmp_path: Path
) -> None:
    SessionFolder(tmp_path).stop_flag.with_name("STOP.new").mkdir()

    async def story() -> None:
        async with desk_at(exchange.url, tmp_path, Mode.TICK) as desk:
            await desk.stop(by="a test", reason="the flag", flatten=False)
            assert desk.status().halted is not None

    asyncio.run(story())


def test_given_neither_can_be_written_when_stopped_then_it_is_refused(exchange: Market, tmp_path: Path) -> None:
    SessionFolder(tmp_path).stop_flag.with_name("STOP.new").mkdir()

    async def story() -> None:
        async with desk_at(exchange.url, tmp_path, Mode.TICK) as desk:
            let_nothing_be_written(tmp_path)
            await desk.stop(by="a test", reason="both", flatten=False)

    with pytest.raises(StopError, match="STOP: cannot be written"):
        asyncio.run(story())


def test_given_a_stop_amid_a_cycle_then_another_cycle_obeys_it_at_once(exchange: Market, tmp_path: Path) -> None:
    class AskedAmid(KnownOpinion):
        """Facts that are asked for right when somebody stops the trader."""

        desk: Desk | None = None

        async def latest(self) -> SignalFacts[float]:
            if self.desk is not None:
                desk, self.desk = self.desk, None
                await desk.stop(by="a test", reason="amid a cycle", flatten=True)
            return await super().latest()

    async def story() -> None:
        market_data = BitbankMarketData(BitbankSettings(public_url=exchange.url))
        async with market_data:
            facts = AskedAmid(market_data, wall_clock_ms, LONG)
            async with desk_at(exchange.url, tmp_path, facts=facts, listens=False) as desk:
                facts.desk = desk
                async with at_work(desk):
                    await until(lambda: desk.status().halt_state is HaltState.IN_FORCE)
                    assert desk.status().last_cycle is not None
                    assert desk.status().last_cycle.trigger is Trigger.STOP

    asyncio.run(story())
