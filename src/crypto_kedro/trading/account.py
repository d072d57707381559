"""The account as the exchange reports it: balances, positions, open orders and margin."""

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from crypto_kedro.trading.money import PRODUCT_UNITS, Btc, Jpy, Price
from crypto_kedro.trading.orders import Order, PositionSide


class MarginState(StrEnum):
    """Health of the margin account in bitbank's words."""

    NORMAL = "NORMAL"
    CALL = "CALL"
    LOSSCUT = "LOSSCUT"
    DEBT = "DEBT"
    SETTLED = "SETTLED"


class Position(Struct, frozen=True):
    """One margin position; an empty one has amount zero, as the exchange lists it.

    Args:
        side: long or short.
        amount: open BTC.
        product: what was paid or received for it, average price times amount.
        unrealized_fee: opening fees not yet charged; negative is a rebate.
        unrealized_interest: interest accrued and not yet charged.
        locked_amount: part of ``amount`` that resting closing orders hold; sleeping orders hold nothing.
    """

    side: PositionSide
    amount: Btc
    product: Jpy
    unrealized_fee: Jpy
    unrealized_interest: Jpy
    locked_amount: Btc

    @property
    def average_price(self) -> Decimal | None:
        """Average opening price in JPY, None when empty."""
        return Decimal(self.product.units) / (self.amount.lots * PRODUCT_UNITS) if self.amount else None

    def profit_loss(self, mark: Price) -> Jpy:
        """Return the unrealised result of the price move alone, before fees and interest."""
        value = mark * self.amount
        return value - self.product if self.side.is_long else self.product - value


class MarginStatus(Struct, frozen=True):
    """The margin account at one price.

    Args:
        state: normal, called or in debt.
        balance: cash plus counted collateral plus unrealised results, less unpaid costs and debt.
        position_product: product of both positions at their opening prices.
        open_order_product: product of the resting orders that would open.
        available: product that may still be opened.
        call_due_at_ms: Unix milliseconds UTC by which a margin call must be met, None without one.
    """

    state: MarginState
    balance: Jpy
    position_product: Jpy
    open_order_product: Jpy
    available: Jpy
    call_due_at_ms: int | None = None

    @property
    def ratio(self) -> float | None:
        """Margin ratio, balance over position product; None without a position."""
        return self.balance / self.position_product if self.position_product else None


class AccountState(Struct, frozen=True):
    """Everything the exchange reports about the account at one moment.

    Args:
        at_ms: Unix milliseconds UTC.
        mark: last price, at which positions are valued.
        cash: JPY on hand, never negative.
        cash_locked: part of ``cash`` held by resting spot buy orders.
        btc: BTC on hand.
        btc_locked: part of ``btc`` held by resting spot sell orders.
        payable: debt that a liquidation left behind.
        long, short: both positions; an empty one has amount zero.
        open_orders: ascending by id, sleeping ones included.
        margin: the margin account at ``mark``.
    """

    at_ms: int
    mark: Price
    cash: Jpy
    cash_locked: Jpy
    btc: Btc
    btc_locked: Btc
    payable: Jpy
    long: Position
    short: Position
    open_orders: tuple[Order, ...]
    margin: MarginStatus

    @property
    def equity(self) -> Jpy:
        """What the account is worth at ``mark`` after all costs accrued so far; closing costs are not included."""
        value = self.cash - self.payable + self.mark * self.btc
        for position in (self.long, self.short):
            value = value + position.profit_loss(self.mark) - position.unrealized_fee - position.unrealized_interest
        return value

    def position(self, side: PositionSide) -> Position:
        """Return the position of one side."""
        return self.long if side.is_long else self.short
