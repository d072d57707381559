"""The simulated exchange without its wire: a market, one account, and time that is told to it."""

import heapq

from msgspec.structs import replace

from crypto_kedro.exchange.matching import MatchingEngine
from crypto_kedro.exchange.simulator.circuit_breaker import CircuitBreaker
from crypto_kedro.exchange.simulator.codes import ApiError, ErrorCode
from crypto_kedro.exchange.simulator.commands import Break, Cancel, Command, Impose, Place, Trade
from crypto_kedro.exchange.simulator.conditions import Conditions
from crypto_kedro.exchange.simulator.events import BookChanged, BreakerChanged, EventBus, TradePrinted
from crypto_kedro.exchange.simulator.market_view import MarketView
from crypto_kedro.exchange.simulator.order_book import BookSnapshot
from crypto_kedro.exchange.simulator.price_source import PriceSource
from crypto_kedro.exchange.simulator.settings import SimulatorSettings
from crypto_kedro.exchange.simulator.watch import EngineWatch
from crypto_kedro.market.bars import DAY_MS, MINUTE_MS
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.orders import Fill, Order, OrderRequest, OrderType, Refusal, Side
from crypto_kedro.trading.quotes import TradePrint
from crypto_kedro.trading.rules import MarketRules

ORDER_LIFE_MS = 180 * DAY_MS
_REMEMBERED_MS = 90 * DAY_MS
_NEVER = 1 << 62


class ForgetfulEngine(MatchingEngine):
    """A matching engine that need not keep every order for ever."""

    def forget(self, order_id: int) -> None:
        """Drop an order that has ended."""
        del self._desk.orders[order_id]


class SimulatedBitbank:
    """Plays a market and carries out commands; the same commands at the same times give the same exchange.

    Everything between two moments is the same whether time passes in one step or in many.

    Args:
        source: the market to play.
        settings: account and behaviour.

    Attributes:
        settings: as given.
        now_ms: market time, Unix milliseconds UTC.
        market: what everybody sees.
        conditions: what is allowed at the moment.
        breaker: the circuit breaker.
        events: tells listeners what happened.
    """

    def __init__(self, source: PriceSource, settings: SimulatorSettings) -> None:
        start_ms = source.start_ms
        self.settings = settings
        self.now_ms = start_ms
        self.market = MarketView(source, settings)
        self.conditions = Conditions()
        self.breaker = CircuitBreaker(settings, source.opening_price, start_ms)
        self.events = EventBus()
        self._engine = ForgetfulEngine(
            settings.schedule, settings.engine, cash=settings.cash, btc=settings.btc, start_ms=start_ms
        )
        self._engine.advance_trade(TradePrint(start_ms, source.opening_price, 0, Side.BUY))
        self._watch = EngineWatch(self._engine, self.market, self.events)
        self._trades = source.trades()
        self._next_trade = next(self._trades, None)
        self._wakes = [start_ms - start_ms % MINUTE_MS + MINUTE_MS]

    @property
    def fills(self) -> list[Fill]:
        """Every execution of the account, oldest first; not to be changed."""
        return self._engine.fills

    @property
    def rules(self) -> MarketRules:
        """The rules of the market at this moment."""
        return self.settings.schedule.at(self.now_ms)

    def order(self, order_id: int) -> Order | None:
        """Return an order by the engine's id, None when there is none or it ended too long ago."""
        return self._engine.order(order_id)

    def account(self) -> AccountState:
        """Return the account at the last price."""
        return self._engine.account()

    def book(self) -> BookSnapshot:
        """Return the book as everybody sees it."""
        return self.market.book(self.now_ms, tuple(self._watch.open_orders.values()))

    def advance_to(self, now_ms: int) -> None:
        """Let everything happen up to a moment (Unix milliseconds UTC); an earlier moment changes nothing."""
        while True:
            trade_ms = _NEVER if self._next_trade is None else self._next_trade.executed_at_ms
            if min(trade_ms, self._wakes[0]) > now_ms:
                break
            if self._wakes[0] <= trade_ms:
                self._wake(heapq.heappop(self._wakes))
            elif self._next_trade is not None:
                self.now_ms = trade_ms
                self._print(self._next_trade)
                self._next_trade = next(self._trades, None)
        self.now_ms = max(self.now_ms, now_ms)

    def carry_out(self, command: Command) -> Order | None:
        """Carry out a command now.

        Returns:
            The order that was placed or cancelled, None for other commands.

        Raises:
            ApiError: it is refused; nothing has changed.
        """
        match command:
            case Place(request):
                return self._place(request)
            case Cancel(order_id):
                return self._cancel(order_id)
            case Trade(price, amount, taker_side):
                self._print(TradePrint(self.now_ms, price.ticks, amount.lots, taker_side))
            case Impose(conditions):
                self.conditions = conditions
            case Break(mode, lasts_ms):
                self.breaker.enter(mode, None if lasts_ms is None else self.now_ms + lasts_ms)
                self._after_breaker()
        return None

    def _place(self, request: OrderRequest) -> Order:
        barred = self.conditions.against(request) or self._beyond_the_band(request)
        if barred is not None:
            raise ApiError(barred)
        if not self.breaker.is_continuous:
            if request.type is OrderType.MARKET:
                raise ApiError(ErrorCode.MARKET_ORDERS_STOPPED)
            request = replace(request, post_only=False)
        answer = self._engine.place(request, self.now_ms)
        if isinstance(answer, Refusal):
            raise ApiError(answer.code)
        if self.settings.engine.latency_ms:
            heapq.heappush(self._wakes, self.now_ms + self.settings.engine.latency_ms)
        self._watch.look(self.now_ms)
        self._meet_book()
        settled = self._engine.order(answer.order_id)
        return answer if self.settings.acknowledge_first or settled is None else settled

    def _beyond_the_band(self, request: OrderRequest) -> int | None:
        band, last = self.settings.price_band, self.market.last
        if request.price is not None:
            if request.price.ticks > last * band:
                return ErrorCode.PRICE_TOO_HIGH
            if 0 < request.price.ticks * band < last:
                return ErrorCode.PRICE_TOO_LOW
        if request.trigger_price is not None and request.trigger_price.ticks > last * band:
            return ErrorCode.TRIGGER_TOO_HIGH
        return None

    def _cancel(self, order_id: int) -> Order:
        barred = self.conditions.against_cancels()
        if barred is not None:
            raise ApiError(barred)
        if order_id in self._watch.open_orders:
            self._meet_book()
        answer = self._engine.cancel(order_id)
        if isinstance(answer, Refusal):
            raise ApiError(answer.code)
        if self.settings.engine.latency_ms:
            heapq.heappush(self._wakes, self.now_ms + self.settings.engine.latency_ms)
        self._watch.look(self.now_ms)
        return answer

    def _print(self, trade: TradePrint) -> None:
        now = trade.executed_at_ms
        if not self.breaker.is_continuous or not self.conditions.lets_trade(now):
            return
        if self.breaker.trips(trade.price_ticks, self.market.last, now):
            self._after_breaker()
            return
        self.market.show_around(trade.price_ticks, trade.taker_side)
        self._engine.advance_book(self.market.top(now))
        self._engine.advance_trade(trade)
        self.events.publish(TradePrinted(self.market.record(trade), trade))
        self.events.publish(BookChanged(now))
        self._watch.look(self.now_ms)

    def _wake(self, moment: int) -> None:
        self.now_ms = moment
        if moment % MINUTE_MS == 0:
            heapq.heappush(self._wakes, moment + MINUTE_MS)
            self.market.candles.pass_time(moment)
            self._expire_orders()
            self._forget_orders()
        reopen_ms = self.breaker.reopen_ms
        if reopen_ms is not None and reopen_ms <= moment:
            self.breaker.reopen(self.market.last)
            self._after_breaker()
        else:
            self._meet_book()

    def _after_breaker(self) -> None:
        if self.breaker.reopen_ms is not None:
            heapq.heappush(self._wakes, self.breaker.reopen_ms)
        self.events.publish(BreakerChanged(self.now_ms))
        self._meet_book()

    def _meet_book(self) -> None:
        """Let requests that have arrived meet the book; during a break they wait for its end."""
        if self.breaker.is_continuous:
            self._engine.advance_book(self.market.top(self.now_ms))
            self._watch.look(self.now_ms)

    def _expire_orders(self) -> None:
        for order_id, order in list(self._watch.open_orders.items()):
            if order.ordered_at_ms + ORDER_LIFE_MS <= self.now_ms:
                self._engine.cancel(order_id)
        self._watch.look(self.now_ms)

    def _forget_orders(self) -> None:
        ended = self._watch.ended
        while ended and (len(ended) > self.settings.kept_orders or ended[0][0] <= self.now_ms - _REMEMBERED_MS):
            self._engine.forget(ended.popleft()[1])
