"""Matching against OHLCV bars, pessimistic wherever a bar hides the order of events.

Inside one bar: requests that have arrived meet the open; what the open already reached or gapped through is
executed there; then come stops and the loss-cut, the one nearest to the open first; only then targets and resting
limits; last, positions opened inside the bar are tested for the loss-cut at the bar's extremes.
"""

from crypto_kedro.exchange.execution import UNLIMITED, Execution
from crypto_kedro.exchange.ledger import NEVER_ABOVE, NEVER_BELOW
from crypto_kedro.exchange.margin_clock import MarginClock
from crypto_kedro.exchange.working_order import WorkingOrder
from crypto_kedro.trading.money import PPM
from crypto_kedro.trading.orders import OrderStatus, OrderType
from crypto_kedro.trading.quotes import BarRow


class BarMatcher:
    """Executes orders against bars.

    Args:
        execution: the desk whose orders are matched.
        clock: charges interest and judges the margin.
    """

    __slots__ = ("_clock", "_execution", "_past_touch", "_volume_ppm")

    def __init__(self, execution: Execution, clock: MarginClock) -> None:
        self._execution = execution
        self._clock = clock
        share = execution.settings.volume_share
        self._volume_ppm = None if share is None else share.ppm
        self._past_touch = 0 if execution.settings.fill_at_touch else 1

    def bounds(self) -> tuple[int, int]:
        """Return (down, up): no open order and no loss-cut can act in a bar with low > down and high < up."""
        down, up = self._execution.ledger.losscut_bounds(self._execution.rules)
        for order in self._execution.open_orders.values():
            level, upward = self._level(order)
            if upward:
                up = min(up, level)
            else:
                down = max(down, level)
        return down, up

    def _level(self, order: WorkingOrder) -> tuple[int, bool]:
        """Price that makes an order act, and whether it is reached from below."""
        if order.status is OrderStatus.INACTIVE:
            return order.trigger, order.fires_up
        if not order.price:
            return (NEVER_BELOW, False)
        if order.is_buy:
            return order.price - self._past_touch, False
        return order.price + self._past_touch, True

    def match(self, bar: BarRow) -> None:
        """Let one bar act on the account and its orders."""
        execution, opened = self._execution, bar.open_time_ms
        self._clock.accrue(opened)
        for order in list(execution.open_orders.values()):
            if order.cancel_arrives_at is not None and order.cancel_arrives_at <= opened:
                execution.cancel(order, order.cancel_arrives_at)
        if bar.is_halted:
            self._reject_market_orders(opened)
            return
        share = self._volume_ppm
        execution.budget = UNLIMITED if share is None else bar.volume_lots * share // PPM
        self._clock.judge(opened, bar.open_ticks, bar.open_ticks, bar.open_ticks)
        self._arrive(bar)
        self._at_the_open(bar)
        waiting = [
            order for order in execution.open_orders.values() if order.has_arrived and not _sleeps_as_stop(order)
        ]
        self._stops_first(bar)
        if waiting:
            self._then_targets(bar, waiting)
        self._losscut_at_extremes(bar)

    def _reject_market_orders(self, at: int) -> None:
        execution = self._execution
        for order in list(execution.open_orders.values()):
            if order.type is OrderType.MARKET and order.arrives_at <= at:
                execution.finish(order, OrderStatus.REJECTED, at)

    def _arrive(self, bar: BarRow) -> None:
        """Let requests that have reached the exchange meet the open."""
        execution, price, at = self._execution, bar.open_ticks, bar.open_time_ms
        for order in list(execution.open_orders.values()):
            if order.has_arrived or order.arrives_at > at or order.order_id not in execution.open_orders:
                continue
            order.has_arrived = True
            execution.revision += 1
            if order.type is OrderType.MARKET:
                execution.take(order, price, at)
            elif order.type is OrderType.LIMIT and execution.is_marketable(order, price):
                if order.request.post_only:
                    execution.cancel(order, at)
                else:
                    execution.take_limit(order, price, at)

    def _at_the_open(self, bar: BarRow) -> None:
        """Execute what the open has reached: triggers at the open, resting limits at their own price."""
        execution, price, at = self._execution, bar.open_ticks, bar.open_time_ms
        for order in list(execution.open_orders.values()):
            if not order.has_arrived or order.order_id not in execution.open_orders:
                continue
            level, upward = self._level(order)
            if price < level if upward else price > level:
                continue
            if order.status is OrderStatus.INACTIVE:
                execution.trigger(order, price, at)
            else:
                # A gap past the limit: the worst price of the bar, where the bar never traded at the limit itself.
                worst = min(order.price, bar.high_ticks) if order.is_buy else max(order.price, bar.low_ticks)
                execution.make(order, worst, at)

    def _stops_first(self, bar: BarRow) -> None:
        """Fire stops and the loss-cut, always the one nearest to the open, until none is within the bar."""
        execution, opened, at = self._execution, bar.open_ticks, bar.close_time_ms - 1
        while True:
            nearest: WorkingOrder | None = None
            distance = NEVER_ABOVE
            for order in execution.open_orders.values():
                if not order.has_arrived or not _sleeps_as_stop(order):
                    continue
                away = order.trigger - opened if order.fires_up else opened - order.trigger
                reach = bar.high_ticks - opened if order.fires_up else opened - bar.low_ticks
                if away <= reach and away < distance:
                    nearest, distance = order, away
            down, up = execution.ledger.losscut_bounds(execution.rules)
            if bar.low_ticks <= down and max(opened - down, 0) < distance:
                reference = min(opened, down)
                execution.liquidate(reference, reference, at)
            elif bar.high_ticks >= up and max(up - opened, 0) < distance:
                reference = max(opened, up)
                execution.liquidate(reference, reference, at)
            elif nearest is not None:
                execution.trigger(nearest, nearest.trigger, at)
            else:
                return

    def _then_targets(self, bar: BarRow, waiting: list[WorkingOrder]) -> None:
        """Execute targets and resting limits that the bar reached, the nearest to the open first."""
        execution, at = self._execution, bar.close_time_ms - 1
        reached: list[tuple[int, int, WorkingOrder]] = []
        for order in waiting:
            level, upward = self._level(order)
            if bar.high_ticks >= level if upward else bar.low_ticks <= level:
                reached.append((abs(level - bar.open_ticks), order.order_id, order))
        for _, order_id, order in sorted(reached):
            if order_id not in execution.open_orders:
                continue
            if order.status is OrderStatus.INACTIVE:
                execution.trigger(order, order.trigger, at)
            else:
                execution.make(order, order.price, at)

    def _losscut_at_extremes(self, bar: BarRow) -> None:
        """Liquidate at the worst price of the bar when a position opened inside it is already past the loss-cut."""
        execution = self._execution
        down, up = execution.ledger.losscut_bounds(execution.rules)
        if bar.low_ticks <= down:
            execution.liquidate(bar.low_ticks, bar.low_ticks, bar.close_time_ms - 1)
        elif bar.high_ticks >= up:
            execution.liquidate(bar.high_ticks, bar.high_ticks, bar.close_time_ms - 1)


def _sleeps_as_stop(order: WorkingOrder) -> bool:
    return order.is_stop and order.status is OrderStatus.INACTIVE
