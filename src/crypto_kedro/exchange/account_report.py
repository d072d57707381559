"""The account as frozen values; what has not changed since the last report is reported with the same objects."""

from crypto_kedro.exchange.ledger import PositionBook
from crypto_kedro.exchange.margin_clock import MarginClock
from crypto_kedro.exchange.order_desk import OrderDesk
from crypto_kedro.exchange.working_order import NO_BTC, NO_JPY
from crypto_kedro.trading.account import AccountState, MarginState, MarginStatus, Position
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.orders import Order, PositionSide

_NO_LONG = Position(PositionSide.LONG, NO_BTC, NO_JPY, NO_JPY, NO_JPY, NO_BTC)
_NO_SHORT = Position(PositionSide.SHORT, NO_BTC, NO_JPY, NO_JPY, NO_JPY, NO_BTC)
_NO_MARGIN = MarginStatus(MarginState.NORMAL, NO_JPY, NO_JPY, NO_JPY, NO_JPY)


class AccountReport:
    """Builds reports of one account.

    Args:
        desk: the desk whose orders and ledger are reported.
        clock: knows the state of the margin account.
    """

    __slots__ = (
        "_btc",
        "_cash",
        "_clock",
        "_desk",
        "_last",
        "_ledger_revision",
        "_line",
        "_long",
        "_margin",
        "_margin_key",
        "_orders",
        "_payable",
        "_product",
        "_revision",
        "_short",
        "_state",
    )

    def __init__(self, desk: OrderDesk, clock: MarginClock) -> None:
        self._desk = desk
        self._clock = clock
        self._revision = self._ledger_revision = -1
        self._last = 0
        self._state: AccountState | None = None
        self._orders: tuple[Order, ...] = ()
        self._cash = self._payable = self._product = NO_JPY
        self._btc = NO_BTC
        self._long, self._short = _NO_LONG, _NO_SHORT
        self._line = 0, 0
        self._margin = _NO_MARGIN
        self._margin_key: tuple[int, int, int, MarginState, int | None] | None = None

    def at(self, now: int, last: int) -> AccountState:
        """Return the account at a time (Unix milliseconds UTC) and a last price in ticks."""
        desk, state = self._desk, self._state
        if self._revision != desk.revision:
            self._revision = desk.revision
            self._read()
        elif state is not None and state.at_ms == now and self._last == last:
            return state
        ledger = desk.ledger
        self._last = last
        self._state = state = AccountState(
            now,
            Price(last),
            self._cash,
            Jpy(ledger.cash_held) if ledger.cash_held else NO_JPY,
            self._btc,
            Btc(ledger.btc_held) if ledger.btc_held else NO_BTC,
            self._payable,
            self._long,
            self._short,
            self._orders,
            self._margin_at(last),
        )
        return state

    def _read(self) -> None:
        """Read the orders anew, and of the ledger what has changed."""
        desk = self._desk
        ledger = desk.ledger
        self._orders = tuple([order.report() for order in desk.open_orders.values()])
        has_moved = self._ledger_revision != desk.ledger_revision
        if has_moved:
            self._ledger_revision = desk.ledger_revision
            self._cash = Jpy(ledger.cash)
            self._btc = Btc(ledger.btc_lots) if ledger.btc_lots else NO_BTC
            self._payable = Jpy(ledger.payable) if ledger.payable else NO_JPY
            product = ledger.position_product()
            self._product = Jpy(product) if product else NO_JPY
            self._line = ledger.balance_line(desk.rules.crypto_collateral.ppm)
        if has_moved or self._long.locked_amount.lots != ledger.long.held:
            self._long = _position(ledger.long) if ledger.long.lots else _NO_LONG
        if has_moved or self._short.locked_amount.lots != ledger.short.held:
            self._short = _position(ledger.short) if ledger.short.lots else _NO_SHORT

    def _margin_at(self, last: int) -> MarginStatus:
        desk, clock = self._desk, self._clock
        constant, slope = self._line
        held, state = desk.ledger.opening_held, clock.state()
        balance = constant + slope * last
        key = self._ledger_revision, balance, held, state, clock.call_due_at
        if key != self._margin_key:
            self._margin_key = key
            self._margin = MarginStatus(
                state,
                Jpy(balance),
                self._product,
                Jpy(held) if held else NO_JPY,
                Jpy(desk.ledger.available_to_open(desk.rules, balance)),
                clock.call_due_at if state is MarginState.CALL else None,
            )
        return self._margin


def _position(book: PositionBook) -> Position:
    return Position(
        book.side,
        Btc(book.lots),
        Jpy(book.product),
        Jpy(book.fee),
        Jpy(book.interest) if book.interest else NO_JPY,
        Btc(book.held) if book.held else NO_BTC,
    )
