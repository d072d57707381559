"""What a trader needs of an exchange: one protocol, the values it speaks in, and the ways in which it fails."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.trading.account import AccountState, MarginStatus, Position
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.observation import ExchangeStatus
from crypto_kedro.trading.orders import Fill, Order, OrderRequest, PositionSide
from crypto_kedro.trading.quotes import BarRow, BookTop
from crypto_kedro.trading.rules import MarketRules


class ExchangeError(CryptoKedroError):
    """The exchange did not do what it was asked.

    Args:
        message: what was asked, what came back, and what to do.
        code: the exchange's own error code, None when it gave none.
        outcome_known: whether it is certain that nothing was done; False after a lost answer or a failure inside
            the exchange, where an order may exist all the same.
        retry_after_s: pause that the exchange asks for before the next request, None when it names none.
    """

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        outcome_known: bool = True,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.outcome_known = outcome_known
        self.retry_after_s = retry_after_s


class RetryNowError(ExchangeError):
    """The request arrived too late or out of order; the same request, signed anew, may pass at once."""


class RetryLaterError(ExchangeError):
    """The exchange is busy, in maintenance or out of reach; ask again after a growing pause.

    Attributes:
        account: where an account was asked for of which orders and positions were read: these, with its money as last
            known, enough to protect positions. None otherwise.
    """

    account: AccountState | None = None


class UnusableAnswerError(RetryLaterError):
    """An answer that cannot be true or cannot be read: it counts as no answer, and the question is repeated."""


class UnusablePublicAnswerError(UnusableAnswerError):
    """An unusable answer about the market."""


class UnusablePrivateAnswerError(UnusableAnswerError):
    """An unusable answer about the account; nothing is opened until a usable one arrives."""


class RefusedError(ExchangeError):
    """The exchange refused this order, cancel or question; it will refuse it again unless it is changed."""


class StopTradingError(ExchangeError):
    """Nothing more may be traded before a human has looked: the exchange restricts the account."""


class BadCredentialsError(ExchangeError):
    """The exchange does not accept the API key, its signature or its rights."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An order that was sent and whose answer was lost; enough to look for it, also after a restart.

    Args:
        request: what was sent.
        sent_after_ms, sent_before_ms: Unix milliseconds UTC of our clock around the sending.
        other_order_ids: orders of this account that are known not to be this one.
    """

    request: OrderRequest
    sent_after_ms: int
    sent_before_ms: int
    other_order_ids: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Placed:
    """The exchange has the order, as it stood when it was read."""

    order: Order


@dataclass(frozen=True, slots=True)
class NotPlaced:
    """Nothing rests and nothing was traded for this request; `error` says why."""

    error: ExchangeError


@dataclass(frozen=True, slots=True)
class Unknown:
    """Whether the order exists cannot be told yet; ask `Exchange.outcome_of` again and send nothing until then."""

    attempt: Attempt
    reason: str


Placement = Placed | NotPlaced | Unknown


@dataclass(frozen=True, slots=True)
class MarketStatus:
    """How the market stands.

    Args:
        status: how well the exchange is working for the pair.
        min_amount: smallest order at the present load.
        suspended: kinds of orders that are suspended, in the exchange's words.
        closed_to: sides on which no position should be opened, because the order that opens it, its stop or the order
            that closes it is suspended.
    """

    status: ExchangeStatus
    min_amount: Btc
    suspended: frozenset[str] = frozenset()
    closed_to: frozenset[PositionSide] = frozenset()


@dataclass(frozen=True, slots=True)
class Ticker:
    """Last price and best prices; a side of an empty book is None. ``at_ms`` is Unix milliseconds UTC."""

    at_ms: int
    last: Price
    bid: Price | None
    ask: Price | None


@dataclass(frozen=True, slots=True)
class OrderBook:
    """The book, best prices first; outside continuous trading its sides may overlap.

    Args:
        at_ms: Unix milliseconds UTC.
        sequence: grows with every change of the book.
        bids, asks: price and amount of each level.
    """

    at_ms: int
    sequence: int
    bids: tuple[tuple[Price, Btc], ...]
    asks: tuple[tuple[Price, Btc], ...]

    @property
    def top(self) -> BookTop | None:
        """Best prices, None while a side is empty."""
        if not self.bids or not self.asks:
            return None
        (bid, bid_amount), (ask, ask_amount) = self.bids[0], self.asks[0]
        return BookTop(self.at_ms, bid.ticks, bid_amount.lots, ask.ticks, ask_amount.lots)


@dataclass(frozen=True, slots=True)
class Balances:
    """Money and coins on hand, and the parts that resting spot orders hold."""

    cash: Jpy
    cash_locked: Jpy
    btc: Btc
    btc_locked: Btc


@dataclass(frozen=True, slots=True)
class MarginPositions:
    """Both positions of the pair and what the account owes.

    Args:
        long, short: an empty one has amount zero.
        payable: debt that a liquidation left behind.
        call_due_at_ms: Unix milliseconds UTC by which a margin call must be met, None without one.
    """

    long: Position
    short: Position
    payable: Jpy
    call_due_at_ms: int | None


class MarketData(Protocol):
    """The public side of an exchange: everything that needs no account.

    Every method may raise `RetryLaterError`, `UnusablePublicAnswerError` among it, and `StopTradingError`.
    """

    async def rules(self) -> MarketRules:
        """Return steps, limits, fees, interest and margin rates in force; the minimum is that of the present load."""

    async def status(self) -> MarketStatus:
        """Return how well the exchange works for the pair."""

    async def candles(self, interval_ms: int, first_ms: int, end_ms: int) -> tuple[BarRow, ...]:
        """Return the closed bars of one length that opened in [first_ms, end_ms), oldest first.

        Args:
            interval_ms: length of a bar in milliseconds.
            first_ms: Unix milliseconds UTC.
            end_ms: Unix milliseconds UTC, exclusive.

        Raises:
            RefusedError: the exchange has no bars of this length.
        """

    async def ticker(self) -> Ticker:
        """Return the last price and the best prices."""

    async def book(self) -> OrderBook:
        """Return the order book."""


class ForwardedMarketData:
    """Answers with the market data of another; a subclass answers some questions itself.

    Args:
        market: whose data these are.
    """

    def __init__(self, market: MarketData) -> None:
        self._market = market

    async def rules(self) -> MarketRules:
        """Return the market's rules in force."""
        return await self._market.rules()

    async def status(self) -> MarketStatus:
        """Return how well the exchange works for the pair."""
        return await self._market.status()

    async def candles(self, interval_ms: int, first_ms: int, end_ms: int) -> tuple[BarRow, ...]:
        """Return the market's closed bars that opened in [first_ms, end_ms)."""
        return await self._market.candles(interval_ms, first_ms, end_ms)

    async def ticker(self) -> Ticker:
        """Return the market's last price and best prices."""
        return await self._market.ticker()

    async def book(self) -> OrderBook:
        """Return the market's book."""
        return await self._market.book()


class Exchange(MarketData, Protocol):
    """An exchange account on one market.

    Reads may raise `RetryNowError`, `RetryLaterError`, `StopTradingError` and `BadCredentialsError`; an answer that
    cannot be used is a `RetryLaterError`, see `UnusableAnswerError`.
    """

    async def balances(self) -> Balances:
        """Return JPY and BTC on hand."""

    async def margin_status(self) -> MarginStatus:
        """Return the margin account at the present price."""

    async def positions(self) -> MarginPositions:
        """Return both margin positions."""

    async def account(self) -> AccountState:
        """Return all of the account. An order and its fill may both show, never neither of them."""

    async def open_orders(self) -> tuple[Order, ...]:
        """Return the orders that may still fill, ascending by id, sleeping ones included."""

    async def order(self, order_id: int) -> Order:
        """Return one order, finished ones included.

        Raises:
            RefusedError: the exchange does not know the order.
        """

    async def fills_since(self, since_ms: int) -> tuple[Fill, ...]:
        """Return the account's fills from a moment on (Unix milliseconds UTC), ascending by id, each once."""

    async def place(self, request: OrderRequest) -> Placement:
        """Send an order, once.

        A request whose answer is lost is never repeated; the exchange is searched for it instead.

        Raises:
            StopTradingError, BadCredentialsError: the order was not placed, and no other would be.
        """

    async def outcome_of(self, attempt: Attempt) -> Placement:
        """Find out what became of an order whose answer was lost."""

    async def cancel(self, order_id: int) -> Order:
        """Cancel an order and return it as it then stands; one that had ended before is returned as it ended.

        Raises:
            RefusedError: the exchange does not know the order.
        """

    async def cancel_many(self, order_ids: Sequence[int]) -> tuple[Order, ...]:
        """Cancel several orders and return those that the exchange still knows, in the order of ``order_ids``."""
