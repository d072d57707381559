"""Orders, their fills and their refusals, in bitbank's words and with its statuses."""

from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Self

from msgspec import Struct

from crypto_kedro.trading.money import PRODUCT_UNITS, Btc, Jpy, Price, UnitError


class Side(StrEnum):
    """Direction of an order."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> "Side":
        """The other direction."""
        return Side.SELL if self is Side.BUY else Side.BUY


class PositionSide(StrEnum):
    """Which margin position an order opens or closes; an order without one is a spot order.

    Attributes:
        opening_side: side of the order that opens the position.
        closing_side: side of the order that closes it.
        is_long: whether it gains when the price rises.
    """

    LONG = "long", Side.BUY
    SHORT = "short", Side.SELL

    opening_side: Side
    closing_side: Side
    is_long: bool

    def __new__(cls, word: str, opening_side: Side) -> Self:
        """Make a member of its word and its opening side."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.opening_side = opening_side
        member.closing_side = opening_side.opposite
        member.is_long = opening_side is Side.BUY
        return member


class OrderType(StrEnum):
    """Kind of an order; ``LOSSCUT`` is placed by the exchange alone.

    Attributes:
        has_price: whether the order carries a limit price.
        has_trigger: whether it sleeps until the market reaches its trigger price.
    """

    LIMIT = "limit", True, False
    MARKET = "market", False, False
    STOP = "stop", False, True
    STOP_LIMIT = "stop_limit", True, True
    TAKE_PROFIT = "take_profit", False, True
    STOP_LOSS = "stop_loss", False, True
    LOSSCUT = "losscut", False, False

    has_price: bool
    has_trigger: bool

    def __new__(cls, word: str, has_price: bool, has_trigger: bool) -> Self:
        """Make a member of its word and its traits."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.has_price = has_price
        member.has_trigger = has_trigger
        return member


class OrderStatus(StrEnum):
    """Life of an order: INACTIVE, UNFILLED and PARTIALLY_FILLED are open, the others are final.

    Attributes:
        is_open: whether the order may still fill.
    """

    INACTIVE = "INACTIVE", True
    UNFILLED = "UNFILLED", True
    PARTIALLY_FILLED = "PARTIALLY_FILLED", True
    FULLY_FILLED = "FULLY_FILLED", False
    CANCELED_UNFILLED = "CANCELED_UNFILLED", False
    CANCELED_PARTIALLY_FILLED = "CANCELED_PARTIALLY_FILLED", False
    REJECTED = "REJECTED", False

    is_open: bool

    def __new__(cls, word: str, is_open: bool) -> Self:
        """Make a member of its word and whether it is open."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.is_open = is_open
        return member


class Liquidity(StrEnum):
    """Whether an execution gave liquidity to the book or took it."""

    MAKER = "maker"
    TAKER = "taker"


class RefusalCode(IntEnum):
    """bitbank's error codes that an order or a cancel can be refused with."""

    AMOUNT_MISSING = 30001
    PRICE_MISSING = 30012
    TRIGGER_MISSING = 30101
    AMOUNT_INVALID = 40001
    PRICE_INVALID = 40020
    TYPE_INVALID = 40024
    TRIGGER_INVALID = 40112
    POST_ONLY_INVALID = 40113
    STOP_CANNOT_OPEN = 40200
    ORDER_NOT_FOUND = 50009
    NOT_CANCELABLE = 50010
    ALREADY_CANCELED = 50026
    ALREADY_EXECUTED = 50027
    OPENING_RESTRICTED = 50059
    EXCEEDS_AVAILABLE_MARGIN = 50061
    EXCEEDS_POSITION = 50062
    INSUFFICIENT_FUNDS = 60001
    OVER_MARKET_LIMIT = 60002
    OVER_LIMIT = 60003
    UNDER_MINIMUM = 60004
    TOO_MANY_ORDERS = 60011
    TRIGGER_WOULD_FIRE = 60018
    WRONG_SIDE = 60019


class Refusal(Struct, frozen=True):
    """Why the exchange did not accept a request; nothing changed.

    Args:
        code: bitbank's error code.
        detail: the value that offended and the bound it met, for the journal.
    """

    code: RefusalCode
    detail: str


_REQUEST_UNITS: tuple[tuple[str, type], ...] = (
    ("side", Side),
    ("type", OrderType),
    ("amount", Btc),
    ("price", Price),
    ("trigger_price", Price),
    ("position_side", PositionSide),
    ("post_only", bool),
)


class OrderRequest(Struct, frozen=True, kw_only=True):
    """An order as a trader sends it.

    Args:
        side: buy or sell; together with ``position_side`` it says whether a margin position is opened or closed.
        type: kind of the order.
        amount: BTC to trade; None only for take-profit and stop-loss, which then close the whole position.
        price: limit price of limit and stop-limit orders.
        trigger_price: price at which a sleeping order wakes.
        position_side: margin position it opens or closes; None is a spot order.
        post_only: cancel instead of taking liquidity; limit orders only.

    Raises:
        UnitError: a field has the wrong type, for example a plain number for an amount.
    """

    side: Side
    type: OrderType
    amount: Btc | None = None
    price: Price | None = None
    trigger_price: Price | None = None
    position_side: PositionSide | None = None
    post_only: bool = False

    def __post_init__(self) -> None:
        if (
            type(self.side) is Side
            and type(self.type) is OrderType
            and (self.amount is None or type(self.amount) is Btc)
            and (self.price is None or type(self.price) is Price)
            and (self.trigger_price is None or type(self.trigger_price) is Price)
            and (self.position_side is None or type(self.position_side) is PositionSide)
            and type(self.post_only) is bool
        ):
            return
        for name, unit in _REQUEST_UNITS:
            value = getattr(self, name)
            if type(value) is not unit and (value is not None or name in ("side", "type", "post_only")):
                raise UnitError(f"order request: {name} must be a {unit.__name__}, got {value!r}")

    @property
    def opens(self) -> bool:
        """Whether the order opens or enlarges a margin position."""
        return self.position_side is not None and self.side is self.position_side.opening_side

    @property
    def closes(self) -> bool:
        """Whether the order closes or reduces a margin position."""
        return self.position_side is not None and self.side is self.position_side.closing_side


class Order(Struct, frozen=True):
    """One order as the exchange reports it.

    Args:
        order_id: unique at the exchange.
        request: what was asked for.
        status: where it stands.
        start_amount: BTC asked for; None while a whole-position order sleeps.
        executed_amount: BTC filled so far.
        executed_product: sum of price times amount of its fills.
        ordered_at_ms: Unix milliseconds UTC of acceptance.
        triggered_at_ms: when a sleeping order woke, None before.
        canceled_at_ms: when it was cancelled or rejected, None otherwise.
    """

    order_id: int
    request: OrderRequest
    status: OrderStatus
    start_amount: Btc | None
    executed_amount: Btc
    executed_product: Jpy
    ordered_at_ms: int
    triggered_at_ms: int | None = None
    canceled_at_ms: int | None = None

    @property
    def remaining_amount(self) -> Btc | None:
        """BTC still to fill, None while the amount is not fixed."""
        return None if self.start_amount is None else self.start_amount - self.executed_amount

    @property
    def average_price(self) -> Decimal | None:
        """Average price of its fills in JPY, None before the first."""
        if not self.executed_amount:
            return None
        return Decimal(self.executed_product.units) / (self.executed_amount.lots * PRODUCT_UNITS)


class Fill(Struct, frozen=True):
    """One execution, with costs signed as bitbank signs them: positive is paid, negative is received.

    Args:
        trade_id: unique at the exchange, ascending.
        order_id: the order that was executed.
        executed_at_ms: Unix milliseconds UTC; within a bar only the bar's open and last millisecond are known.
        side, position_side, order_type: of the order; ``position_side`` None is spot.
        liquidity: maker or taker.
        price, amount: of this execution.
        fee_occurred: fee of this execution (``fee_occurred_amount_quote``).
        fee_charged: fee paid now (``fee_amount_quote``): zero when opening a margin position; when closing, the
            opening fee's share plus this execution's own.
        interest: margin interest paid now; zero unless closing.
        profit_loss: what a margin execution added to the balance, net of ``fee_charged`` and ``interest``; zero
            when opening and on spot.
    """

    trade_id: int
    order_id: int
    executed_at_ms: int
    side: Side
    position_side: PositionSide | None
    order_type: OrderType
    liquidity: Liquidity
    price: Price
    amount: Btc
    fee_occurred: Jpy
    fee_charged: Jpy
    interest: Jpy
    profit_loss: Jpy

    @property
    def product(self) -> Jpy:
        """Price times amount."""
        return self.price * self.amount

    @property
    def is_opening(self) -> bool:
        """Whether it opened or enlarged a margin position."""
        return self.position_side is not None and self.side is self.position_side.opening_side
