"""Where a position ends: distances from the bar, prices in ticks, and a stop that only moves towards profit.

Rounding never adds risk and never takes planned profit: the stop's distance rounds down and the target's up, the prices
of a long position round up and those of a short one down.
"""

import math

from msgspec import Struct

from crypto_kedro.trading.account import Position
from crypto_kedro.trading.money import PRODUCT_UNITS, Btc, Price
from crypto_kedro.trading.orders import Order, OrderType, PositionSide
from crypto_kedro.trading.settings import BarrierRule

_STOP_TYPES = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.STOP_LOSS)


class Barriers(Struct, frozen=True):
    """Distances of stop and take-profit from the entry price."""

    stop: Price
    take_profit: Price


class Protection(Struct, frozen=True):
    """What ends a position.

    Args:
        stop: price at which it is closed at a loss, or at the profit a trailing stop has secured.
        take_profit: price at which it is closed at a profit; None when it cannot be known.
        expires_at_ms: when it is closed whatever the price, Unix milliseconds UTC.
    """

    stop: Price
    take_profit: Price | None
    expires_at_ms: int


def barriers_of(rule: BarrierRule, atr_jpy: float, close_jpy: float, step: Price) -> Barriers | None:
    """Return the distances for one bar, in multiples of the price step and at least one; None when it has no ATR.

    None as well when the stop would lie at or below a price of zero.
    """
    stop_jpy = rule.stop_loss_atr * atr_jpy
    if not 0 < stop_jpy < close_jpy:
        return None
    ticks = step.ticks
    stop = max(math.floor(stop_jpy) // ticks, 1) * ticks
    take_profit = -(-math.ceil(rule.take_profit_atr * atr_jpy) // ticks) * ticks
    return Barriers(Price(stop), Price(take_profit))


def protect(side: PositionSide, entry: Price, barriers: Barriers, expires_at_ms: int, step: Price) -> Protection:
    """Return the protection of a trade entered at a price; no price lies below one step."""
    stop, target = barriers.stop.ticks, barriers.take_profit.ticks
    if side.is_long:
        return Protection(Price(max(entry.ticks - stop, step.ticks)), Price(entry.ticks + target), expires_at_ms)
    return Protection(Price(entry.ticks + stop), Price(max(entry.ticks - target, step.ticks)), expires_at_ms)


def entry_price(position: Position, step: Price) -> Price:
    """Return a position's average price in steps, rounded up for a long position and down for a short one.

    The position must not be empty.
    """
    per_step = position.amount.lots * PRODUCT_UNITS * step.ticks
    if position.side.is_long:
        return Price(-(-position.product.units // per_step) * step.ticks)
    return Price(position.product.units // per_step * step.ticks)


def nearer_profit(side: PositionSide, stop: Price, other: Price | None) -> Price:
    """Return the one of two stops that secures more; ``other`` may be missing."""
    if other is None:
        return stop
    return max(stop, other) if side.is_long else min(stop, other)


def resting_protection(orders: tuple[Order, ...], side: PositionSide) -> tuple[Price | None, Price | None]:
    """Return the prices of stop and take-profit that rest at the exchange for a side; of several the nearest ones."""
    stop: Price | None = None
    target: Price | None = None
    nearest_above = min if side.is_long else max
    for order in orders:
        request = order.request
        price = request.price if request.type is OrderType.LIMIT else request.trigger_price
        if request.position_side is not side or not request.closes or price is None:
            continue
        if request.type in _STOP_TYPES:
            stop = nearer_profit(side, price, stop)
        else:
            target = price if target is None else nearest_above(target, price)
    return stop, target


def covered_amount(orders: tuple[Order, ...], side: PositionSide, amount: Btc) -> Btc:
    """Return how much of a position of that amount the stops that rest for its side close."""
    covered = Btc(0)
    for order in orders:
        request = order.request
        if request.position_side is not side or not request.closes or request.type not in _STOP_TYPES:
            continue
        covered += order.remaining_amount or amount
    return min(covered, amount)


def trailing_stop(
    side: PositionSide, stop: Price, rule: BarrierRule, atr_jpy: float, close_jpy: float, step: Price
) -> Price:
    """Return the stop after a bar's close: moved towards profit by the trailing rule, or where it was."""
    if rule.trailing_atr is None:
        return stop
    distance = rule.trailing_atr * atr_jpy
    if not 0 < distance < close_jpy:
        return stop
    ticks = step.ticks
    if side.is_long:
        return max(stop, Price(math.ceil((close_jpy - distance) / ticks) * ticks))
    return min(stop, Price(math.floor((close_jpy + distance) / ticks) * ticks))


def is_passed(side: PositionSide, stop: Price, close_jpy: float) -> bool:
    """Return whether the price has already gone through a stop, which the exchange would then refuse."""
    return close_jpy <= stop.ticks if side.is_long else close_jpy >= stop.ticks
