"""Matching against the market's trades with the top of the book."""

from collections.abc import Callable

from crypto_kedro.exchange.execution import UNLIMITED, Execution
from crypto_kedro.exchange.margin_clock import MarginClock
from crypto_kedro.exchange.order_desk import OrderDesk
from crypto_kedro.exchange.working_order import WorkingOrder
from crypto_kedro.trading.money import PPM
from crypto_kedro.trading.orders import OrderStatus, OrderType, Side
from crypto_kedro.trading.quotes import BookTop, TradePrint


class PrintMatcher:
    """Executes orders against trades and the best bid and ask.

    A taker gets the touch, worsened by slippage; before a top of the book is known it gets the last price. A
    resting limit fills only on a trade through it whose taker stood on the other side, by the trade's amount at most.

    Args:
        desk: orders and ledger of the account.
        execution: fills its orders.
        clock: charges interest and judges the margin.
    """

    __slots__ = ("_clock", "_desk", "_execution", "_left", "_top", "_volume_ppm")

    def __init__(self, desk: OrderDesk, execution: Execution, clock: MarginClock) -> None:
        self._desk = desk
        self._execution = execution
        self._clock = clock
        self._top: BookTop | None = None
        self._left = {True: UNLIMITED, False: UNLIMITED}
        share = desk.settings.volume_share
        self._volume_ppm = PPM if share is None else share.ppm

    def show_book(self, top: BookTop, last: int) -> None:
        """Take note of the top of the book, then let arrived requests meet it."""
        self._top = top
        if self._desk.settings.touch_limits_takers:
            self._left = {True: top.ask_lots, False: top.bid_lots}
        self._move_to(top.at_ms, last)

    def match(self, trade: TradePrint) -> None:
        """Let one trade act on the account and its orders."""
        desk, execution, at, price = self._desk, self._execution, trade.executed_at_ms, trade.price_ticks
        self._move_to(at, price)
        for order in list(desk.open_orders.values()):
            if order.status is not OrderStatus.INACTIVE or not order.has_arrived:
                continue
            if _fires(order, price):
                self._at_touch(execution.trigger, order, at, price)
        execution.budget = trade.amount_lots * self._volume_ppm // PPM
        for order in list(desk.open_orders.values()):
            if order.has_arrived and order.price and order.status.is_open:
                self._make(order, trade)
        if self._is_past_losscut(price):
            execution.liquidate(self._touch(False, price), self._touch(True, price), at)

    def _make(self, order: WorkingOrder, trade: TradePrint) -> None:
        if order.status is OrderStatus.INACTIVE or order.is_buy is (trade.taker_side is Side.BUY):
            return
        beyond = order.price - trade.price_ticks if order.is_buy else trade.price_ticks - order.price
        if beyond > 0 or (beyond == 0 and self._desk.settings.fill_at_touch):
            self._execution.make(order, order.price, trade.executed_at_ms)

    def _move_to(self, now: int, last: int) -> None:
        desk = self._desk
        self._clock.accrue(now)
        self._clock.judge(now, self._touch(False, last), self._touch(True, last), last)
        if desk.late_cancels:
            desk.carry_out_cancels(now)
        for order in desk.due_arrivals(now):
            self._arrive(order, now, last)

    def _arrive(self, order: WorkingOrder, now: int, last: int) -> None:
        if order.type is OrderType.MARKET:
            self._at_touch(self._execution.take, order, now, last)
        elif order.type is OrderType.LIMIT and self._crosses(order, self._touch(order.is_buy, last)):
            if order.request.post_only:
                self._desk.cancel(order, now)
            else:
                self._at_touch(self._execution.take_limit, order, now, last)

    def _at_touch(
        self, act: Callable[[WorkingOrder, int, int], None], order: WorkingOrder, now: int, last: int
    ) -> None:
        """Execute at the touch, by no more than our earlier orders have left there since the book was shown."""
        self._execution.budget = self._left[order.is_buy]
        act(order, self._touch(order.is_buy, last), now)
        self._left[order.is_buy] = self._execution.budget

    def _crosses(self, order: WorkingOrder, touch: int) -> bool:
        if self._top is not None and touch == order.price:
            return True
        return self._execution.is_marketable(order, touch)

    def _touch(self, is_buy: bool, last: int) -> int:
        if self._top is None:
            return last
        return self._top.ask_ticks if is_buy else self._top.bid_ticks

    def _is_past_losscut(self, price: int) -> bool:
        down, up = self._desk.losscut_bounds()
        return price <= down or price >= up


def _fires(order: WorkingOrder, price: int) -> bool:
    return price >= order.trigger if order.fires_up else price <= order.trigger
