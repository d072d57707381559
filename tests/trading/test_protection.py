"""Stops and targets in ticks: rounded to the safe side, read back from the exchange, and never loosened."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from observations import BARRIERS, jst, position, resting

from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.orders import OrderRequest, OrderType, PositionSide, Side
from crypto_kedro.trading.protection import (
    Barriers,
    Protection,
    barriers_of,
    entry_price,
    is_passed,
    protect,
    resting_protection,
    trailing_stop,
)
from crypto_kedro.trading.settings import BarrierRule

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
TICK = Price(1)
RULE = replace(BARRIERS, trailing_atr=1.0)


@pytest.mark.parametrize(
    ("atr", "step", "stop", "take_profit"),
    [
        (100.0, 1, 200, 300),
        (100.4, 1, 200, 302),  # 200.8 rounds down, 301.2 up
        (100.4, 50, 200, 350),
        (0.1, 1, 1, 1),  # 0.2 would be no distance at all
        (7.0, 10, 10, 30),
    ],
)
def test_given_an_atr_when_measured_then_the_stop_rounds_down_and_the_target_up(
    atr: float, step: int, stop: int, take_profit: int
) -> None:
    assert barriers_of(BARRIERS, atr, 10_000.0, Price(step)) == Barriers(Price(stop), Price(take_profit))


@pytest.mark.parametrize("atr", [math.nan, math.inf, 0.0, -1.0, 5_000.0])
def test_given_no_usable_atr_when_measured_then_there_are_no_barriers(atr: float) -> None:
    assert barriers_of(BARRIERS, atr, 10_000.0, TICK) is None


def test_given_an_entry_when_protected_then_stop_and_target_lie_on_their_sides() -> None:
    barriers = Barriers(Price(200), Price(300))
    assert protect(LONG, Price(10_000), barriers, 7, TICK) == Protection(Price(9_800), Price(10_300), 7)
    assert protect(SHORT, Price(10_000), barriers, 7, TICK) == Protection(Price(10_200), Price(9_700), 7)


def test_given_barriers_wider_than_the_price_when_protected_then_prices_stay_at_one_step() -> None:
    barriers = Barriers(Price(900), Price(1_200))
    assert protect(SHORT, Price(1_000), barriers, 7, Price(5)).take_profit == Price(5)
    assert protect(LONG, Price(800), barriers, 7, Price(5)).stop == Price(5)


@pytest.mark.parametrize(
    ("side", "step", "price"), [(LONG, 1, 1001), (SHORT, 1, 1000), (LONG, 10, 1010), (SHORT, 10, 1000)]
)
def test_given_an_average_price_between_ticks_when_read_then_it_rounds_towards_safety(
    side: PositionSide, step: int, price: int
) -> None:
    # 2 lots at 1,000 and 1 lot at 1,001: 1,000.33 on average
    product = Price(1000) * Btc(2) + Price(1001) * Btc(1)
    held = structs.replace(position(side), amount=Btc(3), product=product)
    assert entry_price(held, Price(step)) == Price(price)


@given(
    ticks=st.integers(2_000, 10**8),
    lots=st.integers(1, 10**5),
    more=st.integers(0, 10**5),
    atr=st.floats(1, 900),
    side=st.sampled_from(PositionSide),
)
def test_given_any_position_when_protected_then_it_risks_no_more_and_wants_no_less_than_measured(
    ticks: int, lots: int, more: int, atr: float, side: PositionSide
) -> None:
    product = Jpy(ticks * lots * 10**6 + more % lots * 10**6)
    barriers = barriers_of(BARRIERS, atr, float(ticks), TICK)
    assert barriers is not None
    held = structs.replace(position(side), amount=Btc(lots), product=product)
    protection = protect(side, entry_price(held, TICK), barriers, 0, TICK)
    assert protection.take_profit is not None
    average = held.average_price
    assert average is not None
    mirror = 1 if side is LONG else -1
    assert float(average - protection.stop.ticks) * mirror <= 2 * atr or barriers.stop == TICK
    assert float(protection.take_profit.ticks - average) * mirror >= min(3 * atr, float(average) - 1) - 1e-6


def test_given_resting_orders_when_read_back_then_only_closing_ones_of_the_side_protect_it() -> None:
    opening = OrderRequest(side=Side.BUY, type=OrderType.LIMIT, amount=Btc(1), price=Price(900), position_side=LONG)
    spot = OrderRequest(side=Side.SELL, type=OrderType.STOP, amount=Btc(1), trigger_price=Price(950))
    orders = (
        resting(LONG, OrderType.STOP, 980),
        resting(LONG, OrderType.LIMIT, 1_030),
        resting(LONG, OrderType.MARKET, 0),
        resting(SHORT, OrderType.STOP, 1_020),
        resting(SHORT, OrderType.TAKE_PROFIT, 970),
        structs.replace(resting(LONG, OrderType.LIMIT, 900), request=opening),
        structs.replace(resting(LONG, OrderType.STOP, 950), request=spot),
    )
    assert resting_protection(orders, LONG) == (Price(980), Price(1_030))
    assert resting_protection(orders, SHORT) == (Price(1_020), Price(970))
    assert resting_protection((), LONG) == (None, None)


def test_given_several_stops_and_targets_when_read_back_then_the_nearest_count() -> None:
    kinds = (OrderType.STOP, OrderType.STOP_LOSS, OrderType.LIMIT, OrderType.TAKE_PROFIT)
    longs = tuple(resting(LONG, kind, price) for kind, price in zip(kinds, (970, 980, 1_050, 1_040), strict=True))
    shorts = tuple(resting(SHORT, kind, price) for kind, price in zip(kinds, (1_030, 1_020, 950, 960), strict=True))
    assert resting_protection(longs, LONG) == (Price(980), Price(1_040))
    assert resting_protection(shorts, SHORT) == (Price(1_020), Price(960))


@pytest.mark.parametrize(
    ("side", "stop", "close", "moved"),
    [
        (LONG, 980, 1_010.0, 990),  # 20 of ATR behind the close
        (LONG, 980, 1_000.0, 980),
        (LONG, 980, 990.0, 980),
        (LONG, 980, 1_010.5, 991),  # 990.5 rounds up
        (SHORT, 1_020, 990.0, 1_010),
        (SHORT, 1_020, 1_000.0, 1_020),
        (SHORT, 1_020, 1_015.0, 1_020),
        (SHORT, 1_020, 989.5, 1_009),  # 1,009.5 rounds down
    ],
)
def test_given_a_trailing_rule_when_a_bar_closes_then_the_stop_follows_profit_only(
    side: PositionSide, stop: int, close: float, moved: int
) -> None:
    assert trailing_stop(side, Price(stop), RULE, 20.0, close, TICK) == Price(moved)


@pytest.mark.parametrize("rule", [BARRIERS, RULE])
def test_given_no_rule_or_no_atr_when_a_bar_closes_then_the_stop_stays(rule: BarrierRule) -> None:
    atr = 20.0 if rule.trailing_atr is None else math.nan
    assert trailing_stop(LONG, Price(980), rule, atr, 5_000.0, TICK) == Price(980)


@pytest.mark.parametrize(
    ("side", "close", "passed"),
    [(LONG, 999.0, True), (LONG, 1_000.0, True), (LONG, 1_001.0, False),
     (SHORT, 999.0, False), (SHORT, 1_000.0, True), (SHORT, 1_001.0, True)],
)  # fmt: skip
def test_given_a_price_around_a_stop_when_compared_then_touching_it_is_passing_it(
    side: PositionSide, close: float, passed: bool
) -> None:
    assert is_passed(side, Price(1_000), close) is passed


@pytest.mark.parametrize(
    ("opened", "expires"),
    [
        ("2018-03-07 10:15", "2018-03-07 14:15"),
        ("2018-03-07 10:15:03", "2018-03-07 14:15"),
        ("2018-03-07 10:29:59.999", "2018-03-07 14:15"),
        ("2018-03-07 10:30", "2018-03-07 14:30"),
    ],
)
def test_given_a_fill_within_a_bar_when_its_time_limit_is_set_then_that_bar_is_the_first_of_sixteen(
    opened: str, expires: str
) -> None:
    assert BARRIERS.expires_at_ms(jst(opened)) == jst(expires)
