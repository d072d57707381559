"""What both feeds share: executing, triggering and liquidating orders, and the record of fills."""

from crypto_kedro.exchange.ledger import NEVER_ABOVE
from crypto_kedro.exchange.order_desk import OrderDesk
from crypto_kedro.exchange.working_order import NO_JPY, WorkingOrder
from crypto_kedro.trading.money import PPM, PRODUCT_UNITS, Btc, Jpy, Price
from crypto_kedro.trading.orders import Fill, Liquidity, OrderRequest, OrderStatus, OrderType

# Python 3.11 searches an enum for its member each time, which every order would do dozens of times.
_TAKER = Liquidity.TAKER
UNLIMITED = NEVER_ABOVE


class Execution:
    """Turns orders into fills.

    Args:
        desk: the account's orders and ledger.

    Attributes:
        fills: every fill so far, oldest first.
        budget: lots that our orders may still take from the current bar or trade.
    """

    __slots__ = ("_desk", "_slippage_ppm", "_slippage_ticks", "budget", "fills")

    def __init__(self, desk: OrderDesk) -> None:
        self._desk = desk
        self._slippage_ppm = desk.settings.slippage.ppm
        self._slippage_ticks = desk.settings.slippage_ticks.ticks
        self.fills: list[Fill] = []
        self.budget = UNLIMITED

    def slipped(self, reference: int, is_buy: bool) -> int:
        """Price that a taker gets where the market shows a reference price."""
        slip = self._slippage_ticks - (-reference * self._slippage_ppm // PPM)
        return reference + slip if is_buy else max(reference - slip, 1)

    def is_marketable(self, order: WorkingOrder, reference: int) -> bool:
        """Whether a limit order would trade at once; meeting the last price exactly is joining, not crossing."""
        return reference < order.price if order.is_buy else reference > order.price

    def take(self, order: WorkingOrder, reference: int, at: int) -> None:
        """Execute an order at the market, whole or not at all."""
        lots = order.remaining
        price = self.slipped(reference, order.is_buy)
        if lots > self.budget or not self._can_pay(order, price, lots, _TAKER):
            self._desk.finish(order, OrderStatus.REJECTED, at)
        else:
            self.budget -= lots
            self._fill(order, price, lots, _TAKER, at)

    def take_limit(self, order: WorkingOrder, reference: int, at: int) -> None:
        """Execute a limit order that the market already meets, at its limit or better, as far as volume goes."""
        price = self.slipped(reference, order.is_buy)
        price = min(price, order.price) if order.is_buy else max(price, order.price)
        self._fill_available(order, price, _TAKER, at)

    def make(self, order: WorkingOrder, price: int, at: int) -> None:
        """Execute a resting limit order, as far as volume goes."""
        self._fill_available(order, price, Liquidity.MAKER, at)

    def trigger(self, order: WorkingOrder, reference: int, at: int) -> None:
        """Wake a sleeping order at a reference price and execute it, or let a stop-limit rest."""
        if not self._desk.wake(order, reference, at):
            return
        if order.type is not OrderType.STOP_LIMIT:
            self.take(order, reference, at)
        elif self.is_marketable(order, reference):
            self.take_limit(order, reference, at)

    def liquidate(self, bid: int, ask: int, at: int) -> None:
        """Cancel every margin order and close both positions at the market, as the exchange does by itself."""
        desk = self._desk
        for order in list(desk.open_orders.values()):
            if order.position is not None:
                desk.cancel(order, at)
        for position in (desk.ledger.long, desk.ledger.short):
            if position.lots:
                side = position.side
                request = OrderRequest(
                    side=side.closing_side, type=OrderType.LOSSCUT, amount=Btc(position.lots), position_side=side
                )
                order = desk.new_order(request, at, at)
                desk.register(order, bid, at)
                price = self.slipped(ask if order.is_buy else bid, order.is_buy)
                self._fill(order, price, position.lots, _TAKER, at)

    def _fill_available(self, order: WorkingOrder, price: int, liquidity: Liquidity, at: int) -> None:
        lots = min(order.remaining, self.budget)
        if lots <= 0:
            return
        if self._can_pay(order, price, lots, liquidity):
            self.budget -= lots
            self._fill(order, price, lots, liquidity, at)
        else:
            self._desk.cancel(order, at)

    def _can_pay(self, order: WorkingOrder, price: int, lots: int, liquidity: Liquidity) -> bool:
        """Whether the cash that a spot buy holds, and what is free besides, covers an execution."""
        if order.position is not None or not order.is_buy:
            return True
        ledger = self._desk.ledger
        cost = price * lots * PRODUCT_UNITS + self._fee(order, price, lots, liquidity)
        return cost <= ledger.cash - (ledger.cash_held - order.held)

    def _fee(self, order: WorkingOrder, price: int, lots: int, liquidity: Liquidity) -> int:
        """Fee in units of JPY, rounded half up to 0.0001 JPY as the exchange reports it."""
        rate = self._desk.rules.fee(order.request.position_side, order.opens, liquidity)
        return (price * lots * rate.ppm + PPM // 2) // PPM * PRODUCT_UNITS

    def _fill(self, order: WorkingOrder, price: int, lots: int, liquidity: Liquidity, at: int) -> None:
        ledger, position, request = self._desk.ledger, order.position, order.request
        product = price * lots * PRODUCT_UNITS
        fee = charged = self._fee(order, price, lots, liquidity)
        interest = profit = 0
        if position is None:
            ledger.trade_spot(lots if order.is_buy else -lots, product if order.is_buy else -product, fee)
        elif order.opens:
            position.open(lots, product, fee)
            charged = 0
        else:
            charged, interest, profit = ledger.close(position, lots, product, fee)
        self.fills.append(
            Fill(
                len(self.fills) + 1,
                order.order_id,
                at,
                request.side,
                request.position_side,
                order.type,
                liquidity,
                Price(price),
                Btc(lots),
                Jpy(fee),
                Jpy(charged) if charged else NO_JPY,
                Jpy(interest) if interest else NO_JPY,
                Jpy(profit) if profit else NO_JPY,
            )
        )
        self._desk.note_execution(order, lots, product, at)
