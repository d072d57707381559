"""The orders of one account at the exchange: their ids, what they hold, how they arrive, wake and end."""

from collections.abc import Iterator

from crypto_kedro.exchange.ledger import NEVER_ABOVE, NEVER_BELOW, Ledger, PositionBook
from crypto_kedro.exchange.settings import EngineSettings, StopConflict
from crypto_kedro.exchange.working_order import WorkingOrder
from crypto_kedro.trading.money import PPM, PRODUCT_UNITS, Btc
from crypto_kedro.trading.orders import OrderRequest, OrderStatus, OrderType
from crypto_kedro.trading.rules import MarketRules

# Python 3.11 searches an enum for its member each time, which every order would do dozens of times.
_INACTIVE = OrderStatus.INACTIVE
_FULLY_FILLED = OrderStatus.FULLY_FILLED


class OrderDesk:
    """Keeps the orders and what they lock of the ledger.

    Args:
        ledger: books of the account.
        rules: rules in force; replaced when they change.
        settings: latency and the unknowns of the exchange.

    Attributes:
        orders: every order ever accepted, by id.
        open_orders: those that may still fill, ascending by id.
        arriving: open orders whose request has not met the market yet.
        late_cancels: cancel requests under way, each with the moment of its arrival.
        revision: grows with every change of an order or of the ledger.
        ledger_revision: grows with every change of a balance, a position or the rules.
    """

    __slots__ = (
        "_losscut",
        "_losscut_revision",
        "_next_order_id",
        "_past_touch",
        "arriving",
        "late_cancels",
        "ledger",
        "ledger_revision",
        "open_orders",
        "orders",
        "revision",
        "rules",
        "settings",
    )

    def __init__(self, ledger: Ledger, rules: MarketRules, settings: EngineSettings) -> None:
        self.ledger = ledger
        self.rules = rules
        self.settings = settings
        self.orders: dict[int, WorkingOrder] = {}
        self.open_orders: dict[int, WorkingOrder] = {}
        self.arriving: list[WorkingOrder] = []
        self.late_cancels: list[tuple[WorkingOrder, int]] = []
        self.revision = 0
        self.ledger_revision = 0
        self._next_order_id = 1
        self._past_touch = 0 if settings.fill_at_touch else 1
        self._losscut = NEVER_BELOW, NEVER_ABOVE
        self._losscut_revision = 0

    def new_order(self, request: OrderRequest, ordered_at: int, arrives_at: int) -> WorkingOrder:
        """Prepare an order under the next id; it counts for nothing until it is registered."""
        return WorkingOrder(self._next_order_id, request, self.ledger, ordered_at, arrives_at)

    def register(self, order: WorkingOrder, reference: int, now: int) -> None:
        """Put a new order among the open ones; unless it sleeps it locks what it needs at its price or a reference.

        A sleeping order whose request has arrived ``now`` has nothing to do before the market moves.
        """
        self._next_order_id += 1
        self.orders[order.order_id] = order
        self.open_orders[order.order_id] = order
        order.watch(self._past_touch)
        if order.status is _INACTIVE and order.arrives_at <= now:
            order.has_arrived = True
        else:
            self.arriving.append(order)
        if order.status is not _INACTIVE:
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
        if status is not _FULLY_FILLED:
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
        self.ledger_revision += 1
        self.revision += 1

    def losscut_bounds(self) -> tuple[int, int]:
        """Return (down, up): the exchange liquidates at a price <= ``down`` or >= ``up``."""
        if self._losscut_revision != self.ledger_revision:
            self._losscut = self.ledger.losscut_bounds(self.rules)
            self._losscut_revision = self.ledger_revision
        return self._losscut

    def wake(self, order: WorkingOrder, reference: int, at: int) -> bool:
        """Wake a sleeping order; cancel it and return False when what it needs is not free.

        Sleeping orders lock nothing, so at a reference price the cash, the BTC or the position may be gone.
        """
        order.triggered_at = at
        order.status = OrderStatus.UNFILLED
        order.sleeps_as_stop = False
        order.watch(self._past_touch)
        order.reported = None
        self.revision += 1
        position = order.position
        claimed = self._claim(order, reference) if position is None else self._claim_position(order, position, at)
        if not claimed:
            self.cancel(order, at)
        return claimed

    def _claim(self, order: WorkingOrder, reference: int) -> bool:
        needed = self.quantity_to_hold(order, order.price or reference)
        ledger = self.ledger
        if needed > (ledger.cash - ledger.cash_held if order.is_buy else ledger.btc_lots - ledger.btc_held):
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
        self.hold(order, wanted)
        return True

    def _release_position(self, position: PositionBook, wanted: int, at: int) -> None:
        """Cancel resting closes, newest first, until an amount is free."""
        for other in reversed(list(self.open_orders.values())):
            if wanted <= position.lots - position.held:
                return
            if other.position is position and not other.opens and other.held:
                self.cancel(other, at)

    def note_execution(self, order: WorkingOrder, lots: int, product: int, at: int) -> None:
        """Book a fill on its order, and drop the orders that it leaves without cover."""
        order.executed += lots
        order.executed_product += product
        self.ledger_revision += 1
        if order.remaining:
            order.status = OrderStatus.PARTIALLY_FILLED
            order.reported = None
            self.hold(order, self.quantity_to_hold(order, order.price))
            self.revision += 1
        else:
            self.finish(order, _FULLY_FILLED, at)
        if self.ledger.cash < self.ledger.cash_held:
            self._drop_unpayable(at)
        position = order.position
        if position is not None and not position.lots and self.settings.cancel_orphans:
            self._drop_orphans(position, at)

    def _drop_unpayable(self, at: int) -> None:
        """Cancel resting spot buys, newest first, that a loss left without cover."""
        for order in reversed(list(self.open_orders.values())):
            if self.ledger.cash_held <= self.ledger.cash:
                return
            if order.position is None and order.is_buy and order.held:
                self.cancel(order, at)

    def _drop_orphans(self, position: PositionBook, at: int) -> None:
        for order in list(self.open_orders.values()):
            if order.position is position and not order.opens and order.status is _INACTIVE:
                self.cancel(order, at)
