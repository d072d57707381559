"""Matching against OHLCV bars, pessimistic wherever a bar hides the order of events.

Inside one bar: requests that have arrived meet the open; what the open already reached or gapped through is
executed there; then come stops and the loss-cut, the one nearest to the open first; only then targets and resting
limits; last, positions opened inside the bar are tested for the loss-cut at the bar's extremes.
"""

from crypto_kedro.exchange.execution import UNLIMITED, Execution
from crypto_kedro.exchange.ledger import NEVER_ABOVE, NEVER_BELOW
from crypto_kedro.exchange.margin_clock import MarginClock
from crypto_kedro.exchange.order_desk import OrderDesk
from crypto_kedro.exchange.working_order import WorkingOrder
from crypto_kedro.trading.money import PPM
from crypto_kedro.trading.orders import OrderStatus, OrderType
from crypto_kedro.trading.quotes import BarRow


class BarMatcher:
    """Executes orders against bars, and knows which bars cannot matter.

    Args:
        desk: orders and ledger of the account.
        execution: fills its orders.
        clock: charges interest and judges the margin.

    Attributes:
        down, up, moment: no order, loss-cut or date can act in a bar with low > ``down`` and high < ``up`` that
            opens before ``moment``; valid after :meth:`refresh` as long as ``revision`` is the desk's.
    """

    __slots__ = ("_clock", "_desk", "_execution", "_volume_ppm", "down", "moment", "revision", "up")

    def __init__(self, desk: OrderDesk, execution: Execution, clock: MarginClock) -> None:
        self._desk = desk
        self._execution = execution
        self._clock = clock
        share = desk.settings.volume_share
        self._volume_ppm = None if share is None else share.ppm
        self.down, self.up, self.moment = NEVER_BELOW, NEVER_ABOVE, NEVER_ABOVE
        self.revision = -1

    def refresh(self) -> None:
        """Work out anew from where on a bar matters."""
        desk = self._desk
        down, up = desk.losscut_bounds()
        for order in desk.open_orders.values():
            level = order.level
            if order.rises_to_level:
                if level < up:
                    up = level
            elif level > down:
                down = level
        moment = self._clock.next_moment()
        for order in desk.arriving:
            if order.arrives_at < moment:
                moment = order.arrives_at
        for _, arrives_at in desk.late_cancels:
            moment = min(moment, arrives_at)
        self.down, self.up, self.moment = down, up, moment
        self.revision = desk.revision

    def match(self, bar: BarRow) -> None:
        """Let one bar act on the account and its orders."""
        desk, execution, opened = self._desk, self._execution, bar.open_time_ms
        self._clock.accrue(opened)
        if desk.late_cancels:
            desk.carry_out_cancels(opened)
        if bar.is_halted:
            self._reject_market_orders(opened)
            return
        share = self._volume_ppm
        execution.budget = UNLIMITED if share is None else bar.volume_lots * share // PPM
        self._clock.judge(opened, bar.open_ticks, bar.open_ticks, bar.open_ticks)
        if desk.arriving:
            self._arrive(bar)
        if self._reaches(bar.open_ticks, bar.open_ticks):
            self._at_the_open(bar)
        if self._reaches(bar.low_ticks, bar.high_ticks):
            targets = self._targets_in_reach(bar)
            self._stops_first(bar)
            if targets:
                self._then_targets(bar, targets)
                self._losscut_at_extremes(bar)

    def _reaches(self, low: int, high: int) -> bool:
        if self.revision != self._desk.revision:
            self.refresh()
        return low <= self.down or high >= self.up

    def _reject_market_orders(self, at: int) -> None:
        desk = self._desk
        for order in list(desk.arriving):
            if order.type is OrderType.MARKET and order.arrives_at <= at:
                desk.finish(order, OrderStatus.REJECTED, at)

    def _arrive(self, bar: BarRow) -> None:
        """Let requests that have reached the exchange meet the open."""
        desk, execution, price, at = self._desk, self._execution, bar.open_ticks, bar.open_time_ms
        for order in desk.due_arrivals(at):
            if order.type is OrderType.MARKET:
                execution.take(order, price, at)
            elif order.type is OrderType.LIMIT and execution.is_marketable(order, price):
                if order.request.post_only:
                    desk.cancel(order, at)
                else:
                    execution.take_limit(order, price, at)

    def _at_the_open(self, bar: BarRow) -> None:
        """Execute what the open has reached: triggers at the open, resting limits at their own price."""
        desk, execution, price, at = self._desk, self._execution, bar.open_ticks, bar.open_time_ms
        for order in list(desk.open_orders.values()):
            if not order.has_arrived or not order.status.is_open:
                continue
            if price < order.level if order.rises_to_level else price > order.level:
                continue
            if order.status is OrderStatus.INACTIVE:
                execution.trigger(order, price, at)
            else:
                # A gap past the limit: the worst price of the bar, where the bar never traded at the limit itself.
                worst = min(order.price, bar.high_ticks) if order.is_buy else max(order.price, bar.low_ticks)
                execution.make(order, worst, at)

    def _stops_first(self, bar: BarRow) -> None:
        """Fire stops and the loss-cut, always the one nearest to the open, until none is within the bar."""
        desk, execution, opened, at = self._desk, self._execution, bar.open_ticks, bar.close_time_ms - 1
        fall, rise = opened - bar.low_ticks, bar.high_ticks - opened
        while True:
            nearest: WorkingOrder | None = None
            distance = NEVER_ABOVE
            for order in desk.open_orders.values():
                if order.sleeps_as_stop and order.has_arrived:
                    away = order.trigger - opened if order.fires_up else opened - order.trigger
                    if away < distance and away <= (rise if order.fires_up else fall):
                        nearest, distance = order, away
            down, up = desk.losscut_bounds()
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

    def _targets_in_reach(self, bar: BarRow) -> list[tuple[int, int, WorkingOrder]]:
        """Targets and resting limits that the bar reaches, as (distance from the open, id, order), nearest first."""
        reached: list[tuple[int, int, WorkingOrder]] = []
        for order in self._desk.open_orders.values():
            if order.sleeps_as_stop or not order.has_arrived:
                continue
            if bar.high_ticks >= order.level if order.rises_to_level else bar.low_ticks <= order.level:
                reached.append((abs(order.level - bar.open_ticks), order.order_id, order))
        reached.sort()
        return reached

    def _then_targets(self, bar: BarRow, targets: list[tuple[int, int, WorkingOrder]]) -> None:
        """Execute what the bar reached and the stops have left open."""
        execution, at = self._execution, bar.close_time_ms - 1
        for _, _, order in targets:
            if order.status is OrderStatus.INACTIVE:
                execution.trigger(order, order.trigger, at)
            elif order.status.is_open:
                execution.make(order, order.price, at)

    def _losscut_at_extremes(self, bar: BarRow) -> None:
        """Liquidate at the worst price of the bar when a position opened inside it is already past the loss-cut."""
        desk, execution = self._desk, self._execution
        down, up = desk.losscut_bounds()
        if bar.low_ticks <= down:
            execution.liquidate(bar.low_ticks, bar.low_ticks, bar.close_time_ms - 1)
        elif bar.high_ticks >= up:
            execution.liquidate(bar.high_ticks, bar.high_ticks, bar.close_time_ms - 1)
