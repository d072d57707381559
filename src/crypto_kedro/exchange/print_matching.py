"""Matching against the market's trades with the top of the book."""

from crypto_kedro.exchange.execution import UNLIMITED, Execution
from crypto_kedro.exchange.margin_clock import MarginClock
from crypto_kedro.exchange.working_order import WorkingOrder
from crypto_kedro.trading.money import PPM
from crypto_kedro.trading.orders import OrderStatus, OrderType, Side
from crypto_kedro.trading.quotes import BookTop, TradePrint


class PrintMatcher:
    """Executes orders against trades and the best bid and ask.

    A taker gets the touch, worsened by slippage; before a top of the book is known it gets the last price. A
    resting limit fills only on a trade through it whose taker stood on the other side, by the trade's amount at most.

    Args:
        execution: the desk whose orders are matched.
        clock: charges interest and judges the margin.
    """

    __slots__ = ("_clock", "_execution", "_top", "_volume_ppm")

    def __init__(self, execution: Execution, clock: MarginClock) -> None:
        self._execution = execution
        self._clock = clock
        self._top: BookTop | None = None
        share = execution.settings.volume_share
        self._volume_ppm = PPM if share is None else share.ppm

    def show_book(self, top: BookTop, last: int) -> None:
        """Take note of the top of the book, then let arrived requests meet it."""
        self._top = top
        self._move_to(top.at_ms, last)

    def match(self, trade: TradePrint) -> None:
        """Let one trade act on the account and its orders."""
        execution, at, price = self._execution, trade.executed_at_ms, trade.price_ticks
        self._move_to(at, price)
        for order in list(execution.open_orders.values()):
            if order.status is not OrderStatus.INACTIVE or not order.has_arrived:
                continue
            if order.order_id in execution.open_orders and _fires(order, price):
                touch = self._touch(order.is_buy, price)
                self._allow_touch(order.is_buy)
                execution.trigger(order, touch, at)
        execution.budget = trade.amount_lots * self._volume_ppm // PPM
        for order in list(execution.open_orders.values()):
            if order.has_arrived and order.price and order.order_id in execution.open_orders:
                self._make(order, trade)
        if self._is_past_losscut(price):
            execution.liquidate(self._touch(False, price), self._touch(True, price), at)

    def _make(self, order: WorkingOrder, trade: TradePrint) -> None:
        if order.status is OrderStatus.INACTIVE or order.is_buy is (trade.taker_side is Side.BUY):
            return
        beyond = order.price - trade.price_ticks if order.is_buy else trade.price_ticks - order.price
        if beyond > 0 or (beyond == 0 and self._execution.settings.fill_at_touch):
            self._execution.make(order, order.price, trade.executed_at_ms)

    def _move_to(self, now: int, last: int) -> None:
        execution = self._execution
        self._clock.accrue(now)
        self._clock.judge(now, self._touch(False, last), self._touch(True, last), last)
        if execution.late_cancels:
            execution.carry_out_cancels(now)
        for order in execution.due_arrivals(now):
            self._arrive(order, now, last)

    def _arrive(self, order: WorkingOrder, now: int, last: int) -> None:
        execution, touch = self._execution, self._touch(order.is_buy, last)
        self._allow_touch(order.is_buy)
        if order.type is OrderType.MARKET:
            execution.take(order, touch, now)
        elif order.type is OrderType.LIMIT and self._crosses(order, touch):
            if order.request.post_only:
                execution.cancel(order, now)
            else:
                execution.take_limit(order, touch, now)

    def _crosses(self, order: WorkingOrder, touch: int) -> bool:
        if self._top is not None and touch == order.price:
            return True
        return self._execution.is_marketable(order, touch)

    def _touch(self, is_buy: bool, last: int) -> int:
        if self._top is None:
            return last
        return self._top.ask_ticks if is_buy else self._top.bid_ticks

    def _allow_touch(self, is_buy: bool) -> None:
        execution = self._execution
        if self._top is None or not execution.settings.touch_limits_takers:
            execution.budget = UNLIMITED
        else:
            execution.budget = self._top.ask_lots if is_buy else self._top.bid_lots

    def _is_past_losscut(self, price: int) -> bool:
        down, up = self._execution.losscut_bounds()
        return price <= down or price >= up


def _fires(order: WorkingOrder, price: int) -> bool:
    return price >= order.trigger if order.fires_up else price <= order.trigger
