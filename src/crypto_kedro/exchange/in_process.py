"""The matching engine as an `Exchange`: recorded bars in tests and replays, live market data in paper trading."""

from collections.abc import Sequence

from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.exchange.bitbank.errors import error_for
from crypto_kedro.exchange.matching import MatchingEngine
from crypto_kedro.exchange.port import (
    Attempt,
    Balances,
    ExchangeError,
    ForwardedMarketData,
    MarginPositions,
    MarketData,
    MarketStatus,
    NotPlaced,
    OrderBook,
    Placed,
    Placement,
    RefusedError,
    RetryLaterError,
    StopTradingError,
    Ticker,
)
from crypto_kedro.trading.account import AccountState, MarginStatus
from crypto_kedro.trading.money import Btc, Price
from crypto_kedro.trading.observation import ExchangeStatus
from crypto_kedro.trading.orders import Fill, Order, OrderRequest, Refusal, RefusalCode
from crypto_kedro.trading.quotes import BarRow
from crypto_kedro.trading.rules import MarketRules, RuleSchedule

_DONE_FOR = (RefusalCode.NOT_CANCELABLE, RefusalCode.ALREADY_CANCELED, RefusalCode.ALREADY_EXECUTED)


class RecordedMarket:
    """Market data from a feed of bars, of which only those that a clock has passed are shown.

    Args:
        feed: closed bars, oldest first.
        schedule: the market's rules by date.
        half_spread: distance of the best prices from the last price.
        depth: amount shown at each of the best prices.
    """

    def __init__(self, feed: BarFeed, schedule: RuleSchedule, half_spread: Price, depth: Btc) -> None:
        self._feed = feed
        self._schedule = schedule
        self._half_spread = half_spread
        self._depth = depth
        self._shown = 0

    def next_bar(self) -> BarRow | None:
        """Let one more bar close and return it; None at the end."""
        if self._shown == len(self._feed):
            return None
        self._shown += 1
        return self._feed.row(self._shown - 1)

    async def rules(self) -> MarketRules:
        """Return the rules of the newest bar."""
        return self._schedule.at(self._newest().close_time_ms)

    async def status(self) -> MarketStatus:
        """Return normal, or halted within a trading halt."""
        bar = self._newest()
        halted = ExchangeStatus.HALT if bar.is_halted else ExchangeStatus.NORMAL
        return MarketStatus(halted, self._schedule.at(bar.close_time_ms).min_amount)

    async def candles(self, interval_ms: int, first_ms: int, end_ms: int) -> tuple[BarRow, ...]:
        """Return the bars shown so far that opened in [first_ms, end_ms).

        Raises:
            RefusedError: the feed has bars of another length.
        """
        if interval_ms != self._feed.interval_ms:
            raise RefusedError(f"recorded market: bars are {self._feed.interval_ms} ms long, asked for {interval_ms}")
        first = self._feed.first_at(first_ms, 0, self._shown)
        return tuple(self._feed.row(at) for at in range(first, self._feed.first_at(end_ms, first, self._shown)))

    async def ticker(self) -> Ticker:
        """Return the newest close with the spread around it."""
        bar = self._newest()
        last = Price(bar.close_ticks)
        return Ticker(bar.close_time_ms, last, last - self._half_spread, last + self._half_spread)

    async def book(self) -> OrderBook:
        """Return a book of one level a side."""
        bar = self._newest()
        last = Price(bar.close_ticks)
        bids = ((last - self._half_spread, self._depth),)
        asks = ((last + self._half_spread, self._depth),)
        return OrderBook(bar.close_time_ms, self._shown, bids, asks)

    def _newest(self) -> BarRow:
        if not self._shown:
            raise RetryLaterError("recorded market: no bar has closed yet; call next_bar first")
        return self._feed.row(self._shown - 1)


class InProcessExchange(ForwardedMarketData):
    """An account of the matching engine on any market data.

    Whoever owns the engine advances it; this class only asks and sends.

    Args:
        engine: the account.
        market: the public side, a `RecordedMarket` or a real exchange.
    """

    def __init__(self, engine: MatchingEngine, market: MarketData) -> None:
        super().__init__(market)
        self._engine = engine

    async def balances(self) -> Balances:
        """Return JPY and BTC on hand."""
        account = self._engine.account()
        return Balances(account.cash, account.cash_locked, account.btc, account.btc_locked)

    async def margin_status(self) -> MarginStatus:
        """Return the margin account at the newest price."""
        return self._engine.account().margin

    async def positions(self) -> MarginPositions:
        """Return both margin positions."""
        account = self._engine.account()
        return MarginPositions(account.long, account.short, account.payable, account.margin.call_due_at_ms)

    async def account(self) -> AccountState:
        """Return all of the account."""
        return self._engine.account()

    async def open_orders(self) -> tuple[Order, ...]:
        """Return the orders that may still fill, ascending by id."""
        return self._engine.account().open_orders

    async def order(self, order_id: int) -> Order:
        """Return one order, finished ones included.

        Raises:
            RefusedError: there is none.
        """
        order = self._engine.order(order_id)
        if order is None:
            raise _error(Refusal(RefusalCode.ORDER_NOT_FOUND, f"there is no order {order_id}"), "order")
        return order

    async def fills_since(self, since_ms: int) -> tuple[Fill, ...]:
        """Return the fills from a moment on, ascending by id."""
        return tuple(fill for fill in self._engine.fills if fill.executed_at_ms >= since_ms)

    async def place(self, request: OrderRequest) -> Placement:
        """Send an order; its outcome is always known."""
        answer = self._engine.place(request)
        return Placed(answer) if isinstance(answer, Order) else NotPlaced(_error(answer, "new order"))

    async def outcome_of(self, attempt: Attempt) -> Placement:
        """Refuse to look: no answer of this exchange is ever lost.

        Raises:
            StopTradingError: always.
        """
        raise StopTradingError(f"matching engine: {attempt.request} was answered; its order was not lost here")

    async def cancel(self, order_id: int) -> Order:
        """Cancel an order and return it as it then stands.

        Raises:
            RefusedError: there is none.
        """
        answer = self._engine.cancel(order_id)
        if isinstance(answer, Order):
            return answer
        if answer.code in _DONE_FOR:
            return await self.order(order_id)
        raise _error(answer, "cancel")

    async def cancel_many(self, order_ids: Sequence[int]) -> tuple[Order, ...]:
        """Cancel several orders and return those that exist, in the order of ``order_ids``."""
        known = [order_id for order_id in order_ids if self._engine.order(order_id) is not None]
        return tuple([await self.cancel(order_id) for order_id in known])


def _error(refusal: Refusal, action: str) -> ExchangeError:
    """Return the error that bitbank's connector would give for the same code."""
    return error_for(refusal.code, f"matching engine, {action} ({refusal.detail})")
