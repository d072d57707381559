"""Each day is told once: at its midnight, or by the next session after it."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from desks import CAPITAL, LONG, Market, Told, at_work, desk_at, market, until, written

from crypto_kedro.session.clock import wall_clock_ms
from crypto_kedro.session.journal.records import DayTold, Decided, FillSeen
from crypto_kedro.session.notice import DayClosed
from crypto_kedro.session.waking import Mode, TraderTerms
from crypto_kedro.trading.ledger import jst_day, jst_day_start_ms

HOUR_MS = 3_600_000
DAY = jst_day(wall_clock_ms()) + 1
"""A day that has not begun for this machine, so that clocks are only set ahead."""


class Clock:
    """The machine's clock, set ahead.

    Attributes:
        ahead_ms: by so much.
    """

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:
        return wall_clock_ms() + self.ahead_ms

    def set_to(self, at_ms: int) -> None:
        """Set the clock."""
        self.ahead_ms = at_ms - wall_clock_ms()


@pytest.fixture
def clock() -> Clock:
    """Set to some minutes before the end of `DAY`."""
    made = Clock()
    made.set_to(jst_day_start_ms(DAY + 1) - 5 * 60_000)
    return made


@pytest.fixture
def exchange(clock: Clock) -> Iterator[Market]:
    with market(clock) as serving:
        yield serving


TERMS = TraderTerms(environment="paper", protect_every_ms=1_000)


def session(
    exchange: Market, folder: Path, clock: Clock, told: Told, wait_for: Callable[[], object], mode: Mode = Mode.LOOP
) -> None:
    """Run a session until something has happened."""

    async def story() -> None:
        async with (
            desk_at(
                exchange.url, folder, mode, now_ms=clock, opinion=LONG, notifier=told, trader_terms=TERMS, listens=False
            ) as desk,
            at_work(desk),
        ):
            if mode is Mode.TICK:
                await desk.tick()
            await until(wait_for)

    asyncio.run(story())


def test_given_a_session_over_midnight_then_the_day_is_told_once_with_what_the_journal_has_of_it(
    exchange: Market, tmp_path: Path, clock: Clock
) -> None:
    told = Told()

    async def story() -> None:
        async with (
            desk_at(
                exchange.url, tmp_path, now_ms=clock, opinion=LONG, notifier=told, trader_terms=TERMS, listens=False
            ) as desk,
            at_work(desk),
        ):
            await until(lambda: desk.status().counts.cycles and written(tmp_path, FillSeen))
            assert not told.of(DayClosed)
            clock.set_to(jst_day_start_ms(DAY + 1) + 1_000)
            await until(lambda: told.of(DayClosed))
            cycles = desk.status().counts.cycles
            await until(lambda: desk.status().counts.cycles >= cycles + 2)

    asyncio.run(story())
    (day,) = told.of(DayClosed)
    assert isinstance(day, DayClosed)
    assert (day.day, day.opened, day.bars, day.incidents) == (DAY, 1, 1, 0)
    assert day.equity == CAPITAL
    assert [entry.record.day for entry in written(tmp_path, DayTold)] == [DAY]


@pytest.mark.parametrize("mode", [Mode.LOOP, Mode.TICK])
def test_given_a_day_that_ended_between_two_sessions_then_the_next_tells_it_and_the_one_after_does_not(
    exchange: Market, tmp_path: Path, clock: Clock, mode: Mode
) -> None:
    told = Told()
    session(exchange, tmp_path, clock, told, lambda: written(tmp_path, Decided), mode)
    assert not told.of(DayClosed)
    clock.set_to(jst_day_start_ms(DAY + 1) + HOUR_MS)
    session(exchange, tmp_path, clock, told, lambda: written(tmp_path, DayTold), mode)
    assert [news.day for news in told.of(DayClosed) if isinstance(news, DayClosed)] == [DAY]
    decided = len(written(tmp_path, Decided))
    clock.set_to(jst_day_start_ms(DAY + 1) + 2 * HOUR_MS)
    session(exchange, tmp_path, clock, told, lambda: len(written(tmp_path, Decided)) > decided, mode)
    assert len(told.of(DayClosed)) == 1


def test_given_a_day_without_a_session_then_it_is_not_told(exchange: Market, tmp_path: Path, clock: Clock) -> None:
    told = Told()
    session(exchange, tmp_path, clock, told, lambda: written(tmp_path, Decided))
    clock.set_to(jst_day_start_ms(DAY + 3) + HOUR_MS)
    session(exchange, tmp_path, clock, told, lambda: written(tmp_path, DayTold))
    assert [entry.record.day for entry in written(tmp_path, DayTold)] == [DAY]
