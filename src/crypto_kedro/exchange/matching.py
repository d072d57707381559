"""The in-process exchange: one account, one market, matched in pure integers."""

from crypto_kedro.exchange.acceptance import malformed, without_room
from crypto_kedro.exchange.account_report import AccountReport
from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.exchange.bar_matching import BarMatcher
from crypto_kedro.exchange.execution import Execution
from crypto_kedro.exchange.ledger import NEVER_ABOVE, NEVER_BELOW, Ledger
from crypto_kedro.exchange.margin_clock import MarginClock
from crypto_kedro.exchange.order_desk import OrderDesk
from crypto_kedro.exchange.print_matching import PrintMatcher
from crypto_kedro.exchange.settings import EngineError, EngineSettings
from crypto_kedro.exchange.working_order import NO_BTC
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.money import Btc, Jpy
from crypto_kedro.trading.orders import Fill, Order, OrderRequest, OrderStatus, Refusal, RefusalCode
from crypto_kedro.trading.quotes import BarRow, BookTop, TradePrint
from crypto_kedro.trading.rules import RuleSchedule


class MatchingEngine:
    """An exchange account that trades against recorded or live market data.

    Either feed it bars with :meth:`advance`, or trades and book tops with :meth:`advance_trade` and
    :meth:`advance_book`. The bars before the one that :meth:`next_event` names may be skipped: trades, balances and
    interest come out identical.

    Args:
        schedule: the market's rules by date.
        settings: market impact, latency, and the unknowns of the exchange.
        cash: JPY to start with.
        btc: BTC to start with.
        start_ms: Unix milliseconds UTC before the first market data.

    Attributes:
        now_ms: Unix milliseconds UTC of the newest market data; not to be changed.
        fills: every fill so far, oldest first; not to be changed.

    Raises:
        EngineError: a starting balance is negative.
    """

    def __init__(
        self, schedule: RuleSchedule, settings: EngineSettings, *, cash: Jpy, btc: Btc = NO_BTC, start_ms: int = 0
    ) -> None:
        if cash.units < 0 or btc.lots < 0:
            raise EngineError(f"matching engine: starting balances must not be negative, got {cash} JPY and {btc} BTC")
        self._desk = OrderDesk(Ledger(cash.units, btc.lots), schedule.at(start_ms), settings)
        execution = Execution(self._desk)
        self._clock = MarginClock(self._desk, execution, schedule, start_ms)
        self._report = AccountReport(self._desk, self._clock)
        self._bars = BarMatcher(self._desk, execution, self._clock)
        self._prints = PrintMatcher(self._desk, execution, self._clock)
        self._latency_ms = settings.latency_ms
        self._last = 0
        self.now_ms = start_ms
        self.fills: list[Fill] = execution.fills

    @property
    def revision(self) -> int:
        """Grows with every change of an order, a balance or a position."""
        return self._desk.revision

    def order(self, order_id: int) -> Order | None:
        """Return an order by its id, finished ones included; None when there is none."""
        order = self._desk.orders.get(order_id)
        return None if order is None else order.report()

    def orders(self) -> list[Order]:
        """Return every order ever accepted, ascending by id."""
        return [order.report() for order in self._desk.orders.values()]

    def place(self, request: OrderRequest, at_ms: int | None = None) -> Order | Refusal:
        """Send an order; it meets the market with the next market data at or after its arrival.

        Args:
            request: the order.
            at_ms: Unix milliseconds UTC of sending; by default the time of the newest market data.

        Returns:
            The accepted order, not yet executed, or why it was refused.

        Raises:
            EngineError: no market data has been seen yet, or ``at_ms`` lies before it.
        """
        at = self._sending_time(at_ms)
        desk, last = self._desk, self._last
        refused = malformed(request, desk.rules, last)
        if refused is not None:
            return refused
        order = desk.new_order(request, at, at + self._latency_ms)
        refused = without_room(order, desk, self._clock, last)
        if refused is not None:
            return refused
        desk.register(order, last, self.now_ms)
        return order.report()

    def cancel(self, order_id: int, at_ms: int | None = None) -> Order | Refusal:
        """Cancel an order; it may still fill by market data that comes before the request arrives.

        Args:
            order_id: the order.
            at_ms: Unix milliseconds UTC of sending; by default the time of the newest market data.

        Returns:
            The order after the request, or why it cannot be cancelled.

        Raises:
            EngineError: no market data has been seen yet, or ``at_ms`` lies before it.
        """
        at = self._sending_time(at_ms)
        order = self._desk.orders.get(order_id)
        if order is None:
            return Refusal(RefusalCode.ORDER_NOT_FOUND, f"there is no order {order_id}")
        if not order.status.is_open:
            return Refusal(_AFTER_THE_END[order.status], f"order {order_id} is {order.status}")
        arrives_at = at + self._latency_ms
        if arrives_at <= self.now_ms:
            self._desk.cancel(order, at)
        else:
            self._desk.late_cancels.append((order, arrives_at))
            self._desk.revision += 1
        return order.report()

    def _sending_time(self, at_ms: int | None) -> int:
        if not self._last:
            raise EngineError("matching engine: no price is known yet; advance to one bar or trade before trading")
        if at_ms is None:
            return self.now_ms
        if at_ms < self.now_ms:
            raise EngineError(f"matching engine: a request at {at_ms} lies before the market data of {self.now_ms}")
        return at_ms

    def advance(self, bar: BarRow) -> list[Fill]:
        """Let one closed bar act; bars between two events may be left out.

        Returns:
            The fills of this bar, oldest first.

        Raises:
            EngineError: the bar opens before the newest market data.
        """
        if bar.open_time_ms < self.now_ms:
            raise EngineError(f"matching engine: the bar of {bar.open_time_ms} opens before {self.now_ms}")
        fills = self.fills
        before = len(fills)
        matcher = self._bars
        if matcher.revision != self._desk.revision:
            matcher.refresh()
        if bar.open_time_ms >= matcher.moment or bar.low_ticks <= matcher.down or bar.high_ticks >= matcher.up:
            matcher.match(bar)
        self.now_ms = bar.close_time_ms
        self._last = bar.close_ticks
        return fills[before:] if len(fills) > before else []

    def next_event(self, bars: BarFeed, start: int, stop: int | None = None) -> int:
        """Return the first bar in [start, stop) that may change anything, ``stop`` when none does.

        Bars before it may be skipped. Something may change where an order arrives, can trigger or fill, where the
        price reaches the loss-cut, or where interest, the margin judgement or new rules fall due.
        """
        end = len(bars) if stop is None else stop
        matcher = self._bars
        if matcher.revision != self._desk.revision:
            matcher.refresh()
        if matcher.moment < NEVER_ABOVE:
            end = bars.first_at(matcher.moment, start, end)
        if matcher.down == NEVER_BELOW and matcher.up == NEVER_ABOVE:
            return max(end, start)
        return bars.first_touch(matcher.down, matcher.up, start, end)

    def advance_trade(self, trade: TradePrint) -> list[Fill]:
        """Let one trade of the market act.

        Returns:
            The fills it caused, oldest first.

        Raises:
            EngineError: the trade lies before the newest market data.
        """
        before = self._step_to(trade.executed_at_ms)
        self._last = trade.price_ticks
        self._prints.match(trade)
        return self.fills[before:]

    def advance_book(self, top: BookTop) -> list[Fill]:
        """Take note of the top of the book and let requests that have arrived meet it.

        Returns:
            The fills it caused, oldest first.

        Raises:
            EngineError: the book lies before the newest market data.
        """
        before = self._step_to(top.at_ms)
        if not self._last:
            self._last = top.bid_ticks
        self._prints.show_book(top, self._last)
        return self.fills[before:]

    def _step_to(self, now: int) -> int:
        if now < self.now_ms:
            raise EngineError(f"matching engine: market data of {now} lies before {self.now_ms}")
        self.now_ms = now
        return len(self.fills)

    def account(self) -> AccountState:
        """Return the account as the exchange reports it at the newest price.

        Raises:
            EngineError: no market data has been seen yet.
        """
        if not self._last:
            raise EngineError("matching engine: no price is known yet; advance to one bar or trade first")
        return self._report.at(self.now_ms, self._last)


_AFTER_THE_END = {
    OrderStatus.FULLY_FILLED: RefusalCode.ALREADY_EXECUTED,
    OrderStatus.CANCELED_UNFILLED: RefusalCode.ALREADY_CANCELED,
    OrderStatus.CANCELED_PARTIALLY_FILLED: RefusalCode.ALREADY_CANCELED,
    OrderStatus.REJECTED: RefusalCode.NOT_CANCELABLE,
}
