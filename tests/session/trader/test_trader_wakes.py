"""A trader hears of fills at once, and misses none where nothing tells it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from desks import Market, at_work, desk_at, market, until, written

from crypto_kedro.exchange.port import StopTradingError
from crypto_kedro.exchange.simulator.commands import Place
from crypto_kedro.session.clock import SessionClock
from crypto_kedro.session.journal.records import FillSeen, Trigger
from crypto_kedro.session.modes import Desk
from crypto_kedro.session.waking import TraderTerms, Waking
from crypto_kedro.trading.money import Btc
from crypto_kedro.trading.orders import OrderRequest, OrderType, PositionSide, Side

BUY = Place(OrderRequest(side=Side.BUY, type=OrderType.MARKET, amount=Btc.of("0.01"), position_side=PositionSide.LONG))


@pytest.fixture
def exchange() -> Iterator[Market]:
    with market() as serving:
        yield serving


def trigger(desk: Desk) -> Trigger | None:
    cycle = desk.status().last_cycle
    return None if cycle is None else cycle.trigger


def test_given_a_fill_when_the_stream_tells_it_then_it_is_written_down_within_a_second(
    exchange: Market, tmp_path: Path
) -> None:
    async def story() -> None:
        async with desk_at(exchange.url, tmp_path) as desk, at_work(desk):
            # The first news of a stream is that it is there; then the trader has nothing to do for half a minute.
            await until(lambda: trigger(desk) is Trigger.STREAM and desk.status().next_wake_ms)
            await asyncio.to_thread(exchange.tell, BUY)
            await until(lambda: written(tmp_path, FillSeen))
            await until(lambda: (account := desk.status().account) and account.positions)
            assert trigger(desk) is Trigger.STREAM

    asyncio.run(story())
    (entry,) = written(tmp_path, FillSeen)
    assert entry.at_ms - entry.record.fill.executed_at_ms < 1_000


async def mute() -> AsyncIterator[frozenset[str]]:
    """A stream that never says anything."""
    await asyncio.Event().wait()
    yield frozenset()


async def refused() -> AsyncIterator[frozenset[str]]:
    """A stream whose exchange gives no token."""
    raise StopTradingError("no token")
    yield frozenset()


async def broken() -> AsyncIterator[frozenset[str]]:
    """A stream with a bug."""
    yield frozenset()
    raise RuntimeError("a bug of the stream")


@pytest.mark.parametrize("news", [None, mute, refused, broken])
def test_given_a_stream_that_is_silent_or_fails_then_a_fill_is_found_by_looking(
    exchange: Market, tmp_path: Path, news: object
) -> None:
    terms = TraderTerms(environment="paper", protect_every_ms=1_000)

    async def story() -> None:
        async with desk_at(exchange.url, tmp_path, news=news, trader_terms=terms) as desk, at_work(desk):
            await until(lambda: desk.status().counts.cycles)
            await asyncio.to_thread(exchange.tell, BUY)
            await until(lambda: written(tmp_path, FillSeen))
            await until(lambda: trigger(desk) is Trigger.PROTECTION)

    asyncio.run(story())


def test_given_a_stream_that_never_stops_talking_then_cycles_keep_their_pause(exchange: Market, tmp_path: Path) -> None:
    said = 0

    async def chatter() -> AsyncIterator[frozenset[str]]:
        nonlocal said
        while True:
            said += 1
            yield frozenset({"spot_order"})
            await asyncio.sleep(0)

    async def story() -> tuple[int, float]:
        terms = TraderTerms(environment="paper", stream_pause_ms=500)
        async with desk_at(exchange.url, tmp_path, news=chatter, trader_terms=terms) as desk, at_work(desk):
            await until(lambda: desk.status().counts.cycles)
            before, began = desk.status().counts.cycles, time.monotonic()
            await until(lambda: desk.status().counts.cycles >= before + 4)
            return said, time.monotonic() - began

    heard, took_s = asyncio.run(story())
    assert heard > 1_000
    assert took_s >= 4 * 0.5


class Clock:
    """Milliseconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_ms = 1_790_000_100_000

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def waking(clock: Clock) -> Waking:
    """After a cycle that has observed the newest bar."""
    made = Waking(TraderTerms(environment="paper"), 900_000, SessionClock(clock))
    made.begin()
    made.end(clock.now_ms // 900_000 * 900_000, is_settled=True)
    return made


def test_given_nothing_then_protections_are_looked_after_in_time(waking: Waking, clock: Clock) -> None:
    assert waking.due() is None
    assert waking.next_wake_ms == clock.now_ms + 30_000
    clock.now_ms += 30_000
    assert waking.due() is Trigger.PROTECTION


def test_given_a_bar_that_closes_then_it_comes_before_all_else(waking: Waking, clock: Clock) -> None:
    clock.now_ms = (clock.now_ms // 900_000 + 1) * 900_000 + 500
    waking.hear()
    assert waking.due() is Trigger.BAR


def test_given_news_during_a_cycle_then_another_follows_after_the_pause(waking: Waking, clock: Clock) -> None:
    bar = clock.now_ms // 900_000 * 900_000
    waking.begin()
    waking.hear()
    waking.end(bar, is_settled=True)
    assert waking.due() is None
    clock.now_ms += 250
    assert waking.due() is Trigger.STREAM
    waking.begin()
    waking.end(bar, is_settled=True)
    clock.now_ms += 250
    assert waking.due() is None


def test_given_an_exchange_that_breaks_cycles_off_then_it_is_asked_ever_more_rarely_and_no_rarer_than_protections(
    clock: Clock,
) -> None:
    waking = Waking(TraderTerms(environment="paper"), 900_000, SessionClock(clock))
    pauses = []
    for _ in range(8):
        waking.begin()
        waking.end(None, is_settled=False)
        waking.due()
        assert waking.next_wake_ms is not None
        pauses.append(waking.next_wake_ms - clock.now_ms)
        clock.now_ms = waking.next_wake_ms
    assert pauses == [2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000]


def test_given_a_cycle_that_is_not_settled_then_another_follows_soon_although_the_bar_was_observed(
    waking: Waking, clock: Clock
) -> None:
    waking.begin()
    waking.end(clock.now_ms // 900_000 * 900_000, is_settled=False)
    assert waking.due() is None
    clock.now_ms += 2_000
    assert waking.due() is Trigger.PROTECTION


def test_given_a_clock_that_was_set_back_then_the_pauses_count_from_its_new_time(waking: Waking, clock: Clock) -> None:
    clock.now_ms -= 3_000
    waking.hear()
    assert waking.due() is None
    clock.now_ms += 250
    assert waking.due() is Trigger.STREAM
    clock.now_ms -= 3_600_000
    waking.due()
    assert waking.next_wake_ms is not None
    assert waking.next_wake_ms <= clock.now_ms + 30_000
