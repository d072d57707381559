"""A disk that fails while a position is being opened, and what becomes of the position."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from desks import LONG, KnownOpinion, Told, at_work, desk_at, market, until, written

from crypto_kedro.exchange.bitbank.connector import BitbankExchange
from crypto_kedro.exchange.port import Exchange, Placement
from crypto_kedro.serving.face.readiness import checks
from crypto_kedro.serving.face.settings import FaceSettings
from crypto_kedro.session.clock import wall_clock_ms
from crypto_kedro.session.cycle import JOURNAL_UNWRITABLE
from crypto_kedro.session.ending import EndRequest
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.journal import Journal
from crypto_kedro.session.journal.halt import HUMAN
from crypto_kedro.session.journal.records import FillSeen, Incident, Intended, SessionStarted
from crypto_kedro.session.modes import Desk
from crypto_kedro.session.notice import IncidentSeen, SessionFailed, Severity
from crypto_kedro.session.records import Purpose
from crypto_kedro.trading.orders import OrderRequest, OrderType


class WatchedExchange:
    """An exchange at which something happens right after an entry was accepted; everything else is its own."""

    def __init__(self, exchange: Exchange, then: Callable[[], None]) -> None:
        self._exchange = exchange
        self._then = then
        self.entries = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exchange, name)

    async def place(self, request: OrderRequest) -> Placement:
        placement = await self._exchange.place(request)
        if request.opens:
            self.entries += 1
            if self.entries == 1:
                self._then()
        return placement


@contextmanager
def other_process(path: Path) -> Iterator[sqlite3.Connection]:
    """Another connection to a database, as of a browser that holds an edit open."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        yield other


def lock(other: sqlite3.Connection) -> None:
    other.execute("BEGIN IMMEDIATE")


def fill(database: sqlite3.Connection) -> None:
    """Let a database not grow any more, as on a full disk."""
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages}")


def lacking(desk: Desk) -> set[str]:
    return {name for name, holds in checks(desk.status(), FaceSettings()).items() if not holds}


async def stop_rests(desk: Desk) -> bool:
    account = await desk._outfit.exchange.account()
    return any(order.request.type is OrderType.STOP_LOSS for order in account.open_orders)


def purposes(folder: Path) -> list[Purpose]:
    return [entry.record.purpose for entry in written(folder, Intended)]


def watch(desk: Desk, then: Callable[[], None]) -> None:
    """Let something happen right after the desk's entry was accepted."""
    outfit = desk._outfit
    assert isinstance(outfit.exchange, BitbankExchange)
    facts = KnownOpinion(outfit.exchange, wall_clock_ms, LONG)
    object.__setattr__(outfit, "facts", facts)
    object.__setattr__(outfit, "exchange", WatchedExchange(outfit.exchange, then))


def test_given_a_lock_between_entry_and_stop_then_the_stop_is_sent_and_written_down_later(tmp_path: Path) -> None:
    told = Told()

    async def run() -> None:
        with market() as exchange:
            async with desk_at(exchange.url, tmp_path, opinion=LONG, notifier=told) as desk:
                with other_process(SessionFolder(tmp_path).journal) as other:
                    watch(desk, lambda: lock(other))
                    async with at_work(desk):
                        await until(lambda: stop_rests(desk))
                        await until(lambda: "journal" in lacking(desk))
                        assert Purpose.STOP not in purposes(tmp_path)
                        assert [news for news in told.of(IncidentSeen) if news.severity is Severity.CRITICAL]
                        other.rollback()
                        await until(lambda: Purpose.STOP in purposes(tmp_path) and not lacking(desk))

    asyncio.run(run())

    with Journal.open(SessionFolder(tmp_path).journal, read_only=True) as journal:
        journal.verify()
        assert journal.unanswered() == ()
        assert len(list(journal.entries(FillSeen))) == 1
        assert JOURNAL_UNWRITABLE in [entry.record.code for entry in journal.entries(Incident)]
    assert purposes(tmp_path).count(Purpose.ENTRY) == 1


def test_given_a_disk_that_is_full_between_entry_and_stop_then_the_stop_is_sent(tmp_path: Path) -> None:
    async def run() -> None:
        with market() as exchange:
            async with desk_at(exchange.url, tmp_path, opinion=LONG) as desk:
                database = desk._journal._database
                watch(desk, lambda: fill(database))
                async with at_work(desk):
                    await until(lambda: stop_rests(desk))
                    await until(lambda: "journal" in lacking(desk))
                    database.execute("PRAGMA max_page_count = 1000000")
                    await until(lambda: Purpose.STOP in purposes(tmp_path) and not lacking(desk))

    asyncio.run(run())

    with Journal.open(SessionFolder(tmp_path).journal, read_only=True) as journal:
        journal.verify()
        assert journal.unanswered() == ()


def test_given_no_room_for_the_life_of_a_position_then_nothing_is_opened_until_there_is(tmp_path: Path) -> None:
    told = Told()
    blocked = SessionFolder(tmp_path).journal.with_name("journal.db-ballast.part")
    blocked.mkdir()

    async def run() -> None:
        with market() as exchange:
            async with desk_at(exchange.url, tmp_path, opinion=LONG, notifier=told) as desk, at_work(desk):
                await until(lambda: desk.status().counts.cycles)
                assert lacking(desk) == {"journal"}
                assert not written(tmp_path, Intended)
                blocked.rmdir()
                await until(lambda: not lacking(desk))

    asyncio.run(run())

    codes = [entry.record.code for entry in written(tmp_path, Incident)]
    assert codes.count(JOURNAL_UNWRITABLE) == 1
    assert [news for news in told.of(IncidentSeen) if news.severity is Severity.CRITICAL]


def test_given_a_locked_journal_at_the_start_then_the_session_waits_and_begins_by_itself(tmp_path: Path) -> None:
    async def run() -> None:
        with market() as exchange:
            async with desk_at(exchange.url, tmp_path) as desk:
                with other_process(SessionFolder(tmp_path).journal) as other:
                    lock(other)
                    async with at_work(desk):
                        await until(lambda: desk.status().counts.failed)
                        assert not written(tmp_path, SessionStarted)
                        other.rollback()
                        await until(lambda: desk.status().counts.cycles)

    asyncio.run(run())

    assert len(written(tmp_path, SessionStarted)) == 1


@pytest.mark.parametrize("is_answered", [True, False])
def test_given_kept_records_when_the_process_dies_then_the_next_one_goes_on_with_the_position(
    tmp_path: Path, is_answered: bool
) -> None:
    async def die() -> None:
        async with desk_at(exchange.url, tmp_path, opinion=LONG) as desk:
            watch(desk, lambda: fill(desk._journal._database))
            working = asyncio.create_task(desk.work(EndRequest()))
            await until(lambda: stop_rests(desk))
            if is_answered:
                await until(lambda: "journal" in lacking(desk))
            # Nothing is tidied up: what is kept is gone, as with SIGKILL.
            desk._journal._kept.clear()
            desk._journal.is_lost = True
            working.cancel()
            await asyncio.wait({working})

    async def go_on() -> None:
        async with desk_at(exchange.url, tmp_path) as desk, at_work(desk):
            await until(lambda: desk.status().counts.cycles)
            await until(lambda: not lacking(desk))
            assert await stop_rests(desk)
            account = desk.status().account
            assert account is not None
            (held,) = account.positions
            assert held.covered == held.amount
            resting = (await desk._outfit.exchange.account()).open_orders
            assert sorted(order.request.type for order in resting) == [OrderType.STOP_LOSS, OrderType.TAKE_PROFIT]

    with market() as exchange:
        asyncio.run(die())
        assert Purpose.STOP not in purposes(tmp_path)
        asyncio.run(go_on())


def test_given_a_full_disk_when_a_session_is_broken_off_then_its_end_is_notified_as_critical(tmp_path: Path) -> None:
    told = Told()

    async def run() -> None:
        with market() as exchange:
            async with desk_at(exchange.url, tmp_path, notifier=told) as desk:
                working = asyncio.create_task(desk.work(EndRequest()))
                await until(lambda: desk.status().counts.cycles)
                fill(desk._journal._database)
                desk._journal.append_or_keep(HUMAN, 0, *[Incident(Severity.INFO, "filler", "x" * 4_000)] * 20)
                working.cancel()
                await asyncio.wait({working})

    asyncio.run(run())

    assert [notice.severity for notice in told.notices if isinstance(notice.news, SessionFailed)] == [Severity.CRITICAL]
