"""What both feeds share: executing, triggering, cancelling and liquidating orders against the ledger."""

from collections.abc import Iterator

from crypto_kedro.exchange.ledger import NEVER_ABOVE, NEVER_BELOW, Ledger, PositionBook
from crypto_kedro.exchange.settings import EngineSettings, StopConflict
from crypto_kedro.exchange.working_order import NO_JPY, WorkingOrder
from crypto_kedro.trading.money import PPM, PRODUCT_UNITS, Btc, Jpy, Price
from crypto_kedro.trading.orders import Fill, Liquidity, OrderRequest, OrderStatus, OrderType
from crypto_kedro.trading.rules import MarketRules

UNLIMITED = NEVER_ABOVE


class Execution:
    """The order desk of one account: open orders, their holds, and every fill so far.

    Args:
        ledger: books that fills are settled in.
        rules: rules in force; replaced when they change.
        settings: market impact and the unknowns.

    Attributes:
        budget: lots that our orders may still take from the current bar or trade.
        revision: grows with every change of an order or of the ledger.
    """

    __slots__ = (
        "arriving",
        "budget",
        "fills",
        "late_cancels",
        "ledger",
        "ledger_changed",
        "losscut",
        "next_order_id",
        "next_trade_id",
        "open_orders",
        "orders",
        "past_touch",
        "revision",
        "rules",
        "settings",
        "slippage_ppm",
        "slippage_ticks",
    )

    def __init__(self, ledger: Ledger, rules: MarketRules, settings: EngineSettings) -> None:
        self.ledger = ledger
        self.rules = rules
        self.settings = settings
        self.slippage_ppm = settings.slippage.ppm
        self.slippage_ticks = settings.slippage_ticks.ticks
        self.orders: dict[int, WorkingOrder] = {}
        self.open_orders: dict[int, WorkingOrder] = {}
        self.arriving: list[WorkingOrder] = []
        self.late_cancels: list[tuple[WorkingOrder, int]] = []
        self.fills: list[Fill] = []
        self.budget = UNLIMITED
        self.revision = 0
        self.next_order_id = 1
        self.next_trade_id = 1
        self.past_touch = 0 if settings.fill_at_touch else 1
        self.losscut = NEVER_BELOW, NEVER_ABOVE
        self.ledger_changed = False

    def new_order(self, request: OrderRequest, ordered_at: int, arrives_at: int) -> WorkingOrder:
        """Prepare an order under the next id; it counts for nothing until it is registered."""
        return WorkingOrder(self.next_order_id, request, self.ledger, ordered_at, arrives_at)

    def register(self, order: WorkingOrder, reference: int, now: int) -> None:
        """Put a new order among the open ones; unless it sleeps it locks what it needs at its price or a reference.

        A sleeping order whose request has arrived ``now`` has nothing to do before the market moves.
        """
        self.next_order_id += 1
        self.orders[order.order_id] = order
        self.open_orders[order.order_id] = order
        order.watch(self.past_touch)
        if order.status is OrderStatus.INACTIVE and order.arrives_at <= now:
            order.has_arrived = True
        else:
            self.arriving.append(order)
        if order.status is not OrderStatus.INACTIVE:
            self.hold(order, self.quantity_to_hold(order, order.price or reference))
        self.revision += 1

    def hold(self, order: WorkingOrder, quantity: int) -> None:
        """Let an order lock a quantity: units of JPY for a spot buy or an opening, lots for anything else."""
        change = quantity - order.held
        if not change:
            return
        order.held = quantity
        if order.position is None:
            if order.is_buy:
                self.ledger.cash_held += change
            else:
                self.ledger.btc_held += change
        elif order.opens:
            self.ledger.opening_held += change
        else:
            order.position.held += change

    def quantity_to_hold(self, order: WorkingOrder, price: int) -> int:
        """What an order locks while it rests at a price.

        A spot buy locks product and taker fee, rounded up to 0.0001 JPY so that its fill is always paid; a spot
        market buy locks the allowance for price moves on top.
        """
        lots = order.remaining
        if order.position is not None:
            return price * lots * PRODUCT_UNITS if order.opens else lots
        if not order.is_buy:
            return lots
        with_fee = -(-price * lots * (PPM + self.rules.spot_taker_fee.ppm) // PPM)
        if order.type is OrderType.MARKET:
            with_fee = -(-with_fee * (PPM + self.rules.market_buy_allowance.ppm) // PPM)
        return with_fee * PRODUCT_UNITS

    def finish(self, order: WorkingOrder, status: OrderStatus, at: int) -> None:
        """Give an order its final status and free what it held."""
        if order.held:
            self.hold(order, 0)
        order.status = status
        if status is not OrderStatus.FULLY_FILLED:
            order.canceled_at = at
        if not order.has_arrived:
            self.arriving.remove(order)
        order.reported = None
        del self.open_orders[order.order_id]
        self.revision += 1

    def due_arrivals(self, now: int) -> Iterator[WorkingOrder]:
        """Let each order whose request has reached the exchange arrive, one after the other."""
        for order in list(self.arriving):
            if order.arrives_at <= now and order.status.is_open:
                order.has_arrived = True
                self.arriving.remove(order)
                self.revision += 1
                yield order

    def carry_out_cancels(self, now: int) -> None:
        """Cancel what the cancel requests that have reached the exchange still find open."""
        for order, arrives_at in self.late_cancels:
            if arrives_at <= now and order.status.is_open:
                self.cancel(order, arrives_at)
        self.late_cancels = [late for late in self.late_cancels if late[1] > now]
        self.revision += 1

    def cancel(self, order: WorkingOrder, at: int) -> None:
        """Cancel what is left of an order."""
        canceled = OrderStatus.CANCELED_PARTIALLY_FILLED if order.executed else OrderStatus.CANCELED_UNFILLED
        self.finish(order, canceled, at)

    def note_ledger_change(self) -> None:
        """Take note that balances, positions or rules are no longer what they were."""
        self.ledger_changed = True
        self.revision += 1

    def losscut_bounds(self) -> tuple[int, int]:
        """Return (down, up): the exchange liquidates at a price <= ``down`` or >= ``up``."""
        if self.ledger_changed:
            self.losscut = self.ledger.losscut_bounds(self.rules)
            self.ledger_changed = False
        return self.losscut

    def slipped(self, reference: int, is_buy: bool) -> int:
        """Price that a taker gets where the market shows a reference price."""
        slip = self.slippage_ticks - (-reference * self.slippage_ppm // PPM)
        return reference + slip if is_buy else max(reference - slip, 1)

    def take(self, order: WorkingOrder, reference: int, at: int) -> None:
        """Execute an order at the market, whole or not at all."""
        lots = order.remaining
        if lots > self.budget:
            self.finish(order, OrderStatus.REJECTED, at)
            return
        price = self.slipped(reference, order.is_buy)
        if order.position is None and order.is_buy and not self._can_pay(order, price, lots, Liquidity.TAKER):
            self.finish(order, OrderStatus.REJECTED, at)
            return
        self.budget -= lots
        self._fill(order, price, lots, Liquidity.TAKER, at)

    def take_limit(self, order: WorkingOrder, reference: int, at: int) -> None:
        """Execute a limit order that the market already meets, at its limit or better, as far as volume goes."""
        price = self.slipped(reference, order.is_buy)
        price = min(price, order.price) if order.is_buy else max(price, order.price)
        self._fill_available(order, price, Liquidity.TAKER, at)

    def make(self, order: WorkingOrder, price: int, at: int) -> None:
        """Execute a resting limit order, as far as volume goes."""
        self._fill_available(order, price, Liquidity.MAKER, at)

    def _fill_available(self, order: WorkingOrder, price: int, liquidity: Liquidity, at: int) -> None:
        lots = min(order.remaining, self.budget)
        if lots <= 0:
            return
        if order.position is None and order.is_buy and not self._can_pay(order, price, lots, liquidity):
            self.cancel(order, at)
            return
        self.budget -= lots
        self._fill(order, price, lots, liquidity, at)

    def is_marketable(self, order: WorkingOrder, reference: int) -> bool:
        """Whether a limit order would trade at once; meeting the last price exactly is joining, not crossing."""
        return reference < order.price if order.is_buy else reference > order.price

    def trigger(self, order: WorkingOrder, reference: int, at: int) -> None:
        """Wake a sleeping order at a reference price and execute it, or let a stop-limit rest."""
        order.triggered_at = at
        order.status = OrderStatus.UNFILLED
        order.sleeps_as_stop = False
        order.watch(self.past_touch)
        order.reported = None
        self.revision += 1
        if not self._claim(order, reference, at):
            self.cancel(order, at)
        elif order.type is not OrderType.STOP_LIMIT:
            self.take(order, reference, at)
        elif self.is_marketable(order, reference):
            self.take_limit(order, reference, at)

    def _claim(self, order: WorkingOrder, reference: int, at: int) -> bool:
        """Lock what a woken order needs; sleeping orders lock nothing, so it may be gone."""
        if order.position is not None:
            if not self._claim_position(order, order.position, at):
                return False
            self.hold(order, order.remaining)
            return True
        needed = self.quantity_to_hold(order, order.price or reference)
        ledger = self.ledger
        free = ledger.cash - ledger.cash_held if order.is_buy else ledger.btc_lots - ledger.btc_held
        if needed > free:
            return False
        self.hold(order, needed)
        return True

    def _claim_position(self, order: WorkingOrder, position: PositionBook, at: int) -> bool:
        wanted = position.lots if order.start is None else order.remaining
        if wanted > position.lots - position.held and self.settings.stop_conflict is StopConflict.YIELD:
            self._release_position(position, wanted, at)
            wanted = min(wanted, position.lots - position.held)
        if not 0 < wanted <= position.lots - position.held:
            return False
        if order.start is None or wanted < order.start.lots:
            order.start = Btc(wanted)
        return True

    def _release_position(self, position: PositionBook, wanted: int, at: int) -> None:
        for other in reversed(list(self.open_orders.values())):
            if wanted <= position.lots - position.held:
                return
            if other.position is position and not other.opens and other.held:
                self.cancel(other, at)

    def _can_pay(self, order: WorkingOrder, price: int, lots: int, liquidity: Liquidity) -> bool:
        ledger = self.ledger
        cost = price * lots * PRODUCT_UNITS + self._fee(order, price, lots, liquidity)
        return cost <= ledger.cash - (ledger.cash_held - order.held)

    def _fee(self, order: WorkingOrder, price: int, lots: int, liquidity: Liquidity) -> int:
        """Fee in units of JPY, rounded half up to 0.0001 JPY as the exchange reports it."""
        rate = self.rules.fee(order.request.position_side, order.opens, liquidity)
        return (price * lots * rate.ppm + PPM // 2) // PPM * PRODUCT_UNITS

    def _fill(self, order: WorkingOrder, price: int, lots: int, liquidity: Liquidity, at: int) -> None:
        ledger, position = self.ledger, order.position
        product = price * lots * PRODUCT_UNITS
        fee = charged = self._fee(order, price, lots, liquidity)
        interest = profit = 0
        if position is None:
            ledger.cash += -product - fee if order.is_buy else product - fee
            ledger.btc_lots += lots if order.is_buy else -lots
        elif order.opens:
            position.lots += lots
            position.product += product
            position.fee += fee
            charged = 0
        else:
            charged, interest, profit = ledger.close(position, lots, product, fee)
        if ledger.cash < 0 or ledger.payable:
            ledger.settle_debt()
        self.ledger_changed = True
        self._record(order, price, lots, liquidity, at, (fee, charged, interest, profit))
        order.executed += lots
        order.executed_product += product
        if order.remaining:
            order.status = OrderStatus.PARTIALLY_FILLED
            order.reported = None
            self.hold(order, self.quantity_to_hold(order, order.price))
            self.revision += 1
        else:
            self.finish(order, OrderStatus.FULLY_FILLED, at)
        if ledger.cash < ledger.cash_held:
            self._drop_unpayable(at)
        if position is not None and not position.lots and self.settings.cancel_orphans:
            self._drop_orphans(position, at)

    def _record(
        self,
        order: WorkingOrder,
        price: int,
        lots: int,
        liquidity: Liquidity,
        at: int,
        money: tuple[int, int, int, int],
    ) -> None:
        fee, charged, interest, profit = money
        request = order.request
        amount = request.amount
        self.fills.append(
            Fill(
                self.next_trade_id,
                order.order_id,
                at,
                request.side,
                request.position_side,
                order.type,
                liquidity,
                Price(price),
                amount if amount is not None and amount.lots == lots else Btc(lots),
                Jpy(fee),
                Jpy(charged) if charged else NO_JPY,
                Jpy(interest) if interest else NO_JPY,
                Jpy(profit) if profit else NO_JPY,
            )
        )
        self.next_trade_id += 1

    def _drop_unpayable(self, at: int) -> None:
        """Cancel resting spot buys, newest first, that a loss left without cover."""
        for order in reversed(list(self.open_orders.values())):
            if self.ledger.cash_held <= self.ledger.cash:
                return
            if order.position is None and order.is_buy and order.held:
                self.cancel(order, at)

    def _drop_orphans(self, position: PositionBook, at: int) -> None:
        for order in list(self.open_orders.values()):
            if order.position is position and not order.opens and order.status is OrderStatus.INACTIVE:
                self.cancel(order, at)

    def liquidate(self, bid: int, ask: int, at: int) -> None:
        """Cancel every margin order and close both positions at the market, as the exchange does by itself."""
        for order in list(self.open_orders.values()):
            if order.position is not None:
                self.cancel(order, at)
        for position in (self.ledger.long, self.ledger.short):
            if not position.lots:
                continue
            request = OrderRequest(
                side=position.side.closing_side,
                type=OrderType.LOSSCUT,
                amount=Btc(position.lots),
                position_side=position.side,
            )
            order = self.new_order(request, at, at)
            self.register(order, bid, at)
            price = self.slipped(ask if order.is_buy else bid, order.is_buy)
            self._fill(order, price, position.lots, Liquidity.TAKER, at)
