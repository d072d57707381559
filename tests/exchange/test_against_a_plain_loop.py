"""One protected position at a time, against the loop that a careful person would write over the same bars."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from random_markets import BARS, FEEDS, SCHEDULE

from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.exchange.matching import MatchingEngine
from crypto_kedro.exchange.settings import EngineSettings
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.orders import Order, OrderRequest, OrderType, PositionSide
from crypto_kedro.trading.quotes import BarRow

AMOUNT = Btc.of("0.1")
PLENTY = Jpy.of(10**9)


@dataclass(frozen=True)
class Plan:
    """A position to enter at the open after a bar, with the distances of its stop and target in ticks."""

    signal: int
    side: PositionSide
    stop: int
    target: int


PLANS = st.builds(
    Plan,
    signal=st.integers(0, BARS - 3),
    side=st.sampled_from(PositionSide),
    stop=st.integers(15_000, 120_000),
    target=st.integers(15_000, 120_000),
)


def exit_of(bar: BarRow, is_long: bool, stop: int, target: int) -> int | None:
    """Price at which a bar ends the position, None when it does not: the open if that is beyond, the stop first."""
    if bar.is_halted:
        return None
    if not is_long:
        mirrored = BarRow(0, 0, -bar.open_ticks, -bar.low_ticks, -bar.high_ticks, 0, bar.volume_lots)
        ended = exit_of(mirrored, True, -stop, -target)
        return None if ended is None else -ended
    if bar.open_ticks <= stop or bar.open_ticks >= target:
        return bar.open_ticks
    if bar.low_ticks <= stop:
        return stop
    return target if bar.high_ticks >= target else None


def plain_loop(feed: BarFeed, plan: Plan) -> list[int] | None:
    """Entry and exit prices, as far as the bars go; protection stands from the close of the entry bar on.

    None when it cannot be placed: the close is already at the stop or the target, or one of them is no price.
    """
    entry = feed.row(plan.signal + 1)
    if entry.is_halted:
        return []
    sign = 1 if plan.side is PositionSide.LONG else -1
    stop, target = entry.open_ticks - sign * plan.stop, entry.open_ticks + sign * plan.target
    low, high = min(stop, target), max(stop, target)
    if not 0 < low < entry.close_ticks < high:
        return None
    for index in range(plan.signal + 2, BARS):
        ended = exit_of(feed.row(index), sign > 0, stop, target)
        if ended is not None:
            return [entry.open_ticks, ended]
    return [entry.open_ticks]


def through_the_engine(feed: BarFeed, plan: Plan) -> list[int] | None:
    """The same through orders; None when the exchange refuses the protection."""
    engine = MatchingEngine(SCHEDULE, EngineSettings(), cash=PLENTY)
    engine.advance(feed.row(plan.signal))
    side = plan.side
    engine.place(OrderRequest(side=side.opening_side, type=OrderType.MARKET, amount=AMOUNT, position_side=side))
    for fill in engine.advance(feed.row(plan.signal + 1)):
        sign = 1 if side is PositionSide.LONG else -1
        for kind, distance in ((OrderType.STOP, -plan.stop), (OrderType.TAKE_PROFIT, plan.target)):
            trigger = Price(fill.price.ticks + sign * distance)
            request = OrderRequest(
                side=side.closing_side, type=kind, amount=AMOUNT, trigger_price=trigger, position_side=side
            )
            if not isinstance(engine.place(request), Order):
                return None
    index = engine.next_event(feed, plan.signal + 2)
    while index < BARS:
        engine.advance(feed.row(index))
        index = engine.next_event(feed, index + 1)
    return [fill.price.ticks for fill in engine.fills]


@given(FEEDS, PLANS)
@settings(max_examples=400, deadline=None)
def test_a_protected_position_enters_and_ends_where_a_plain_loop_says(feed: BarFeed, plan: Plan) -> None:
    assert through_the_engine(feed, plan) == plain_loop(feed, plan)
