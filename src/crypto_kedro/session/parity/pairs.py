"""Which order of a session belongs to which of the backtest, and what became of both."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest

from crypto_kedro.session.journal.records import Outcome
from crypto_kedro.session.parity.expected import Expected
from crypto_kedro.session.parity.live import LivePeriod
from crypto_kedro.session.records import LOSSCUT, Purpose, Sending, Trade, round_trips
from crypto_kedro.trading.money import PRODUCT_UNITS, Btc, Jpy, Price
from crypto_kedro.trading.orders import Fill, Liquidity, OrderRequest, OrderType, PositionSide

OF_UNKNOWN_ORIGIN = "unknown"
"""Purpose of an order that the journal's period did not send."""


@dataclass(frozen=True, slots=True)
class Execution:
    """All fills of one order together.

    Args:
        fills: oldest first, at least one.
    """

    fills: tuple[Fill, ...]

    @property
    def amount(self) -> Btc:
        """BTC filled."""
        return Btc(sum(fill.amount.lots for fill in self.fills))

    @property
    def price(self) -> float:
        """Average price in JPY."""
        return sum(fill.price.ticks * fill.amount.lots for fill in self.fills) / self.amount.lots

    @property
    def product(self) -> Jpy:
        """Price times amount of all fills."""
        return Jpy(sum(fill.price.ticks * fill.amount.lots for fill in self.fills) * PRODUCT_UNITS)

    @property
    def at_ms(self) -> int:
        """First fill, Unix milliseconds UTC."""
        return self.fills[0].executed_at_ms

    @property
    def is_buy(self) -> bool:
        """Whether BTC was bought."""
        return self.fills[0].side.value == "buy"

    @property
    def liquidity(self) -> frozenset[Liquidity]:
        """Whether it gave or took liquidity, or both."""
        return frozenset(fill.liquidity for fill in self.fills)


@dataclass(frozen=True, slots=True)
class Placed:
    """An order that an exchange accepted, or placed by itself.

    Args:
        order_id: at that exchange.
        sent_at_ms: Unix milliseconds UTC.
        purpose: in a word; ``losscut`` for the exchange's own.
        reason: of the decision.
        request: what was asked for, None for the exchange's own.
        position_side: of the order.
        execution: what became of it, None for nothing.
    """

    order_id: int
    sent_at_ms: int
    purpose: str
    reason: str
    request: OrderRequest | None
    position_side: PositionSide
    execution: Execution | None

    @property
    def terms(self) -> str:
        """What was asked for, in words."""
        request = self.request
        if request is None:
            return f"{self.purpose}, {self.position_side}"
        amount = "whole position" if request.amount is None else f"{request.amount} BTC"
        prices = (("at", request.price), ("trigger", request.trigger_price))
        more = "".join(f" {word} {price}" for word, price in prices if price is not None)
        return f"{self.purpose}: {request.type} {request.side} {amount}{more}, {self.position_side}"


@dataclass(frozen=True, slots=True)
class OrderPair:
    """Orders for the same purpose and side, sent in the same decision bar; at least one is there."""

    live: Placed | None
    backtest: Placed | None

    @property
    def sent_at_ms(self) -> int:
        """When the first of them was sent, Unix milliseconds UTC."""
        return min(order.sent_at_ms for order in (self.live, self.backtest) if order)

    @property
    def executed_at_ms(self) -> int | None:
        """When the first of them was executed, Unix milliseconds UTC; None for never."""
        moments = [order.execution.at_ms for order in (self.live, self.backtest) if order and order.execution]
        return min(moments, default=None)

    @property
    def some(self) -> Placed:
        """One of them."""
        order = self.live or self.backtest
        assert order is not None  # a pair is made of at least one
        return order


def order_pairs(live: LivePeriod, expected: Expected) -> tuple[OrderPair, ...]:
    """Pair the orders of both, in the order in which they were sent."""
    end_ms = int(expected.feed.bars.close_time[-1])
    pairs: list[OrderPair] = []
    sent = {side: _by_key(orders, expected.bar_ms) for side, orders in
            (("live", _live_orders(live, end_ms)), ("backtest", _backtest_orders(expected)))}  # fmt: skip
    for key in sent["live"].keys() | sent["backtest"].keys():
        pairs += [OrderPair(one, other) for one, other in zip_longest(sent["live"][key], sent["backtest"][key])]
    return tuple(sorted(pairs, key=lambda pair: (pair.sent_at_ms, pair.some.purpose, pair.some.order_id)))


def opening_bar(pairs: tuple[OrderPair, ...], side: PositionSide, at_ms: int, bar_ms: int) -> int | None:
    """Return the decision bar in which the position that is open at a moment was entered; None before the period."""
    entries = (
        pair.sent_at_ms
        for pair in pairs
        if pair.some.purpose == Purpose.ENTRY.value and pair.some.position_side is side and pair.sent_at_ms <= at_ms
    )
    newest = max(entries, default=None)
    return None if newest is None else newest // bar_ms * bar_ms


def _by_key(orders: Iterable[Placed], bar_ms: int) -> dict[tuple[int, str, PositionSide], list[Placed]]:
    keyed: dict[tuple[int, str, PositionSide], list[Placed]] = defaultdict(list)
    for order in orders:
        keyed[order.sent_at_ms // bar_ms, order.purpose, order.position_side].append(order)
    return keyed


def _live_orders(live: LivePeriod, end_ms: int) -> Iterator[Placed]:
    executions = _executions(fill for fill in live.fills if fill.executed_at_ms < end_ms)
    for order in live.orders:
        side = order.request.position_side
        if order.outcome is Outcome.PLACED and order.order_id is not None and side is not None:
            yield Placed(
                order.order_id, order.sent_at_ms, order.purpose.value, order.reason, order.request, side,
                executions.pop(order.order_id, None),
            )  # fmt: skip
    # What is left was sent before the period, by the exchange itself, or by somebody else and adopted.
    for order_id, execution in executions.items():
        fill = execution.fills[0]
        if fill.position_side is not None:
            purpose = LOSSCUT if fill.order_type is OrderType.LOSSCUT else OF_UNKNOWN_ORIGIN
            yield Placed(order_id, fill.executed_at_ms, purpose, purpose, None, fill.position_side, execution)


def _backtest_orders(expected: Expected) -> Iterator[Placed]:
    result = expected.result
    executions = _executions(result.fills)
    for order in result.orders:
        side = order.request.position_side
        if side is None:
            continue
        sending: Sending | None = result.sendings.get(order.order_id)
        if sending is None:
            yield Placed(
                order.order_id, order.ordered_at_ms, LOSSCUT, LOSSCUT, None, side, executions.get(order.order_id)
            )
        else:
            yield Placed(
                order.order_id, sending.at_ms, sending.purpose.value, sending.reason, order.request, side,
                executions.get(order.order_id),
            )  # fmt: skip


def _executions(fills: Iterable[Fill]) -> dict[int, Execution]:
    by_order: dict[int, list[Fill]] = defaultdict(list)
    for fill in fills:
        by_order[fill.order_id].append(fill)
    return {order_id: Execution(tuple(own)) for order_id, own in by_order.items()}


@dataclass(frozen=True, slots=True)
class TradePair:
    """Round trips of both that were opened in the same decision bar, on the same side; at least one is there."""

    live: Trade | None
    backtest: Trade | None

    @property
    def opened_at_ms(self) -> int:
        """When the first of them was opened, Unix milliseconds UTC."""
        return min(trade.opened_at_ms for trade in (self.live, self.backtest) if trade)

    @property
    def closed_at_ms(self) -> int:
        """When the last of them was closed, Unix milliseconds UTC."""
        return max(trade.closed_at_ms for trade in (self.live, self.backtest) if trade)


def trade_pairs(live: LivePeriod, expected: Expected) -> tuple[TradePair, ...]:
    """Pair the closed round trips of both, in the order in which they were opened."""
    end_ms, bar_ms = int(expected.feed.bars.close_time[-1]), expected.bar_ms
    sendings = {
        order.order_id: Sending(order.purpose, order.reason, order.sent_at_ms)
        for order in live.orders
        if order.order_id is not None
    }
    sides = (
        round_trips(_whole_trips(fill for fill in live.fills if fill.executed_at_ms < end_ms), sendings),
        expected.result.trades,
    )
    keyed: list[dict[tuple[int, PositionSide], list[Trade]]] = [defaultdict(list), defaultdict(list)]
    for trades, table in zip(sides, keyed, strict=True):
        for trade in trades:
            table[trade.opened_at_ms // bar_ms, trade.side].append(trade)
    pairs: list[TradePair] = []
    for key in keyed[0].keys() | keyed[1].keys():
        pairs += [TradePair(one, other) for one, other in zip_longest(keyed[0][key], keyed[1][key])]
    return tuple(sorted(pairs, key=lambda pair: (pair.opened_at_ms, pair.closed_at_ms)))


def _whole_trips(fills: Iterable[Fill]) -> Iterator[Fill]:
    """Yield the fills of positions that were opened among them; one carried into the period has no beginning here."""
    held = dict.fromkeys(PositionSide, 0)
    for fill in fills:
        side = fill.position_side
        if side is None:
            continue
        lots = held[side] + (fill.amount.lots if fill.is_opening else -fill.amount.lots)
        if lots >= 0:
            held[side] = lots
            yield fill


def adverse_ppm(live: Execution, backtest: Execution) -> float:
    """Return how much worse the session's price was, in parts per million of the backtest's; negative is better."""
    worse = live.price - backtest.price if live.is_buy else backtest.price - live.price
    return 1e6 * worse / backtest.price


def is_in_range(price: Price, low_ticks: int, high_ticks: int, tolerance: float) -> bool:
    """Whether a price lies in a range that is widened by a fraction of itself."""
    return low_ticks * (1.0 - tolerance) <= price.ticks <= high_ticks * (1.0 + tolerance)
