"""The account as frozen values; what has not changed since the last report is reported with the same objects."""

from crypto_kedro.exchange.ledger import PositionBook
from crypto_kedro.exchange.margin_clock import MarginClock
from crypto_kedro.exchange.order_desk import OrderDesk
from crypto_kedro.exchange.working_order import NO_BTC, NO_JPY
from crypto_kedro.trading.account import AccountState, MarginState, MarginStatus, Position
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.orders import PositionSide

_NO_LONG = Position(PositionSide.LONG, NO_BTC, NO_JPY, NO_JPY, NO_JPY, NO_BTC)
_NO_SHORT = Position(PositionSide.SHORT, NO_BTC, NO_JPY, NO_JPY, NO_JPY, NO_BTC)


class AccountReport:
    """Builds reports of one account.

    Args:
        desk: the desk whose orders and ledger are reported.
        clock: knows the state of the margin account.
    """

    __slots__ = ("_cash", "_clock", "_desk", "_last", "_long", "_revision", "_short", "_state")

    def __init__(self, desk: OrderDesk, clock: MarginClock) -> None:
        self._desk = desk
        self._clock = clock
        self._revision = -1
        self._last = 0
        self._state: AccountState | None = None
        self._cash = NO_JPY
        self._long, self._short = _NO_LONG, _NO_SHORT

    def at(self, now: int, last: int) -> AccountState:
        """Return the account at a time (Unix milliseconds UTC) and a last price in ticks."""
        before = self._state
        if before is None or self._revision != self._desk.revision:
            state = self._anew(now, last)
        elif before.at_ms == now and self._last == last:
            return before
        else:
            state = AccountState(
                now,
                Price(last),
                before.cash,
                before.cash_locked,
                before.btc,
                before.btc_locked,
                before.payable,
                before.long,
                before.short,
                before.open_orders,
                self._margin(last) if before.long.amount or before.short.amount or before.btc else before.margin,
            )
        self._state = state
        self._revision = self._desk.revision
        self._last = last
        return state

    def _anew(self, now: int, last: int) -> AccountState:
        ledger = self._desk.ledger
        if self._cash.units != ledger.cash:
            self._cash = Jpy(ledger.cash)
        self._long = _position(ledger.long, self._long)
        self._short = _position(ledger.short, self._short)
        return AccountState(
            now,
            Price(last),
            self._cash,
            Jpy(ledger.cash_held) if ledger.cash_held else NO_JPY,
            Btc(ledger.btc_lots) if ledger.btc_lots else NO_BTC,
            Btc(ledger.btc_held) if ledger.btc_held else NO_BTC,
            Jpy(ledger.payable) if ledger.payable else NO_JPY,
            self._long,
            self._short,
            tuple([order.report() for order in self._desk.open_orders.values()]),
            self._margin(last),
        )

    def _margin(self, last: int) -> MarginStatus:
        desk = self._desk
        ledger, state = desk.ledger, self._clock.state()
        balance = ledger.margin_balance(desk.rules, last)
        product = ledger.position_product()
        return MarginStatus(
            state,
            Jpy(balance),
            Jpy(product) if product else NO_JPY,
            Jpy(ledger.opening_held) if ledger.opening_held else NO_JPY,
            Jpy(ledger.available_to_open(desk.rules, balance)),
            self._clock.call_due_at if state is MarginState.CALL else None,
        )


def _position(book: PositionBook, before: Position) -> Position:
    if not book.lots:
        return _NO_LONG if book.is_long else _NO_SHORT
    if (
        before.product.units == book.product
        and before.amount.lots == book.lots
        and before.unrealized_fee.units == book.fee
        and before.unrealized_interest.units == book.interest
        and before.locked_amount.lots == book.held
    ):
        return before
    return Position(
        book.side,
        Btc(book.lots),
        Jpy(book.product),
        Jpy(book.fee),
        Jpy(book.interest) if book.interest else NO_JPY,
        Btc(book.held) if book.held else NO_BTC,
    )
