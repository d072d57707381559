"""An order inside the engine: plain integers that change, and the frozen value it is reported as."""

from crypto_kedro.exchange.ledger import NEVER_BELOW, Ledger, PositionBook
from crypto_kedro.trading.money import Btc, Jpy
from crypto_kedro.trading.orders import Order, OrderRequest, OrderStatus, OrderType, Side

# Python 3.11 searches an enum for its member each time, which every order would do dozens of times.
_INACTIVE = OrderStatus.INACTIVE
_UNFILLED = OrderStatus.UNFILLED
_BUY = Side.BUY
_TAKE_PROFIT = OrderType.TAKE_PROFIT
NO_BTC = Btc(0)
NO_JPY = Jpy(0)


class WorkingOrder:
    """State of one order; prices in ticks, amounts in lots, times in Unix milliseconds UTC.

    ``remaining`` of a whole-position order is zero until it fires; ``held`` is what it locks of cash, BTC, margin
    or position; ``has_arrived`` tells whether it has reached the exchange; ``level`` is the price at which a bar
    makes it act, reached by rising or by falling.
    """

    __slots__ = (
        "arrives_at",
        "canceled_at",
        "executed",
        "executed_product",
        "fires_up",
        "has_arrived",
        "held",
        "is_buy",
        "level",
        "opens",
        "order_id",
        "ordered_at",
        "position",
        "price",
        "reported",
        "request",
        "rises_to_level",
        "sleeps_as_stop",
        "start",
        "status",
        "trigger",
        "triggered_at",
        "type",
    )

    def __init__(self, order_id: int, request: OrderRequest, ledger: Ledger, ordered_at: int, arrives_at: int) -> None:
        kind, side, position_side = request.type, request.side, request.position_side
        self.order_id = order_id
        self.request = request
        self.type = kind
        self.is_buy = side is _BUY
        self.position: PositionBook | None = None
        self.opens = False
        if position_side is not None:
            self.position = ledger.long if position_side.is_long else ledger.short
            self.opens = self.is_buy is self.position.is_long
        self.price = 0 if request.price is None else request.price.ticks
        self.trigger = 0 if request.trigger_price is None else request.trigger_price.ticks
        self.sleeps_as_stop = kind.has_trigger and kind is not _TAKE_PROFIT
        self.fires_up = self.is_buy is self.sleeps_as_stop
        self.level = NEVER_BELOW
        self.rises_to_level = False
        self.start: Btc | None = request.amount
        self.executed = 0
        self.executed_product = 0
        self.status = _UNFILLED if request.trigger_price is None else _INACTIVE
        self.held = 0
        self.ordered_at = ordered_at
        self.arrives_at = arrives_at
        self.has_arrived = False
        self.triggered_at: int | None = None
        self.canceled_at: int | None = None
        self.reported: Order | None = None

    @property
    def remaining(self) -> int:
        """Lots still to fill; zero for a whole-position order that sleeps."""
        return 0 if self.start is None else self.start.lots - self.executed

    def watch(self, past_touch: int) -> None:
        """Set the level: the trigger of a sleeping order, or what trades ``past_touch`` ticks through a limit."""
        if self.status is _INACTIVE:
            self.level = self.trigger
            self.rises_to_level = self.fires_up
        elif self.price:
            self.level = self.price - past_touch if self.is_buy else self.price + past_touch
            self.rises_to_level = not self.is_buy

    def report(self) -> Order:
        """Return the order as the exchange reports it."""
        if self.reported is None:
            self.reported = Order(
                self.order_id,
                self.request,
                self.status,
                self.start,
                Btc(self.executed) if self.executed else NO_BTC,
                Jpy(self.executed_product) if self.executed else NO_JPY,
                self.ordered_at,
                self.triggered_at,
                self.canceled_at,
            )
        return self.reported
