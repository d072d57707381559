"""A paper account that outlives its process: the matching engine, rebuilt from what it has met."""

from itertools import chain

from crypto_kedro.exchange.matching import MatchingEngine
from crypto_kedro.exchange.paper.account_file import AccountFile
from crypto_kedro.exchange.paper.inputs import (
    BarClosed,
    BookSeen,
    CancelSent,
    Input,
    OrderSent,
    TradeSeen,
    meet,
)
from crypto_kedro.exchange.paper.market_reader import Happened
from crypto_kedro.exchange.settings import EngineError, EngineSettings
from crypto_kedro.trading.orders import Order, OrderRequest, OrderType, Refusal, Side
from crypto_kedro.trading.quotes import BarRow, BookTop, TradePrint
from crypto_kedro.trading.rules import MarketRules

_LATEST_EVERY_MS = 5_000
_DEEP_LOTS = 1 << 40


class PaperAccount:
    """An account that begins where its file left it; the same inputs give the same account, to the last digit.

    Most of what a market tells changes nothing on an account. Of that only the latest is kept, so a file grows with
    the orders, not with the market.

    Args:
        file: of the account, which has begun.
        settings: of the matching engine.

    Attributes:
        engine: the account; not to be changed from outside.
        trade_id: the newest trade of the market that it has met, 0 for none.
    """

    def __init__(self, file: AccountFile, settings: EngineSettings) -> None:
        self._file = file
        self._settings = settings
        self._to_write: list[Input] = []
        self._latest: dict[type[Input], Input] = {}
        self._width = 0
        self._written_ms = 0
        self.trade_id = file.trade_id
        self._schedule = file.schedule()
        self.engine = self._rebuilt()

    @property
    def now_ms(self) -> int:
        """Time of the newest market data, Unix milliseconds UTC."""
        return self.engine.now_ms

    @property
    def is_waiting(self) -> bool:
        """Whether an order or a cancel may not have met the market since it was sent."""
        return any(order.ordered_at_ms >= self.now_ms for order in self.engine.account().open_orders)

    @property
    def is_exposed(self) -> bool:
        """Whether the best prices matter to it: an order is open, or a position."""
        account = self.engine.account()
        return bool(account.open_orders or account.long.amount or account.short.amount)

    @property
    def reach_lots(self) -> int:
        """The most that one of its open orders would take from the book at once, in lots.

        Nothing while a limit order has yet to meet the best prices themselves.
        """
        account = self.engine.account()
        lots = [0]
        for order in account.open_orders:
            side, remaining = order.request.position_side, order.remaining_amount
            if order.request.type is OrderType.LIMIT:
                if order.ordered_at_ms >= self.now_ms:
                    return 0
                continue
            if remaining is not None:
                lots.append(remaining.lots)
            elif side is not None:
                lots.append(account.position(side).amount.lots)
        return max(lots)

    def pass_time(self, happened: Happened) -> None:
        """Meet what happened at the market."""
        for bar in happened.bars:
            self.pass_bar(bar)
        for _, trade in happened.trades:
            self.pass_trade(trade)
        self.trade_id = happened.trade_id

    def pass_bar(self, bar: BarRow) -> None:
        """Meet a minute that nobody watched; one that began before the newest market data is left out."""
        if bar.open_time_ms >= self.now_ms:
            self._meet(BarClosed(bar))
        elif bar.close_time_ms > self.now_ms:
            # What the rest of the minute was is not told, except for its close.
            self._meet(TradeSeen(TradePrint(bar.close_time_ms - 1, bar.close_ticks, 0, Side.BUY)))

    def pass_trade(self, trade: TradePrint) -> None:
        """Meet a trade of the market.

        A trade that is told late counts from now, unless an order has been sent since it was made: no order meets
        what happened before it.
        """
        made_ms = trade.executed_at_ms
        if made_ms < self.now_ms:
            if any(order.ordered_at_ms > made_ms for order in self.engine.account().open_orders):
                return
            trade = TradePrint(self.now_ms, trade.price_ticks, trade.amount_lots, trade.taker_side)
        if self._width:
            # Between two looks at the book its best prices move with the trades.
            self._meet(BookSeen(_top_around(trade, self._width)))
        self._meet(TradeSeen(trade))

    def show(self, top: BookTop) -> None:
        """Meet the best prices; those from before the newest market data are not news."""
        if top.at_ms >= self.now_ms:
            self._width = top.ask_ticks - top.bid_ticks
            self._meet(BookSeen(top))

    def place(self, request: OrderRequest, at_ms: int) -> Order | Refusal:
        """Send an order; it meets market data from ``at_ms`` on, never older."""
        answer = self._meet(OrderSent(request, at_ms))
        if answer is None:
            raise EngineError("paper account: an order was not answered")
        return answer

    def cancel(self, order_id: int, at_ms: int) -> Order | Refusal:
        """Cancel an order."""
        answer = self._meet(CancelSent(order_id, at_ms))
        if answer is None:
            raise EngineError("paper account: a cancel was not answered")
        return answer

    def commit(self) -> None:
        """Write down what was met since the last time; what changed nothing is written down now and then.

        Raises:
            RetryLaterError: it cannot be written; it is kept for the next time.
            StopTradingError: another process has taken the account over.
        """
        if not self._to_write and self.now_ms - self._written_ms < _LATEST_EVERY_MS:
            return
        self._write()

    def adopt(self, rules: MarketRules, at_ms: int) -> bool:
        """Let rules hold from a moment on; return whether they are new.

        Raises:
            RetryLaterError, StopTradingError: as `commit`.
        """
        if self._schedule.rules[-1] == rules:
            return False
        self._write()
        self._file.adopt(rules, max(at_ms, self.now_ms + 1, self._schedule.since_ms[-1] + 1))
        self._schedule = self._file.schedule()
        self.engine = self._rebuilt()
        return True

    def _write(self) -> None:
        self._file.append(self._to_write, tuple(self._latest.values()), self.trade_id)
        self._to_write.clear()
        self._written_ms = self.now_ms

    def _meet(self, met: Input) -> Order | Refusal | None:
        before = self.engine.revision
        answer = meet(self.engine, met)
        if self.engine.revision != before:
            self._to_write += [*self._latest.values(), met]
            self._latest.clear()
        elif not isinstance(met, OrderSent | CancelSent):
            # The latest of each kind, in the order in which they were met.
            self._latest.pop(type(met), None)
            self._latest[type(met)] = met
        return answer

    def _rebuilt(self) -> MatchingEngine:
        origin = self._file.origin
        if origin is None:
            raise EngineError("paper account: it has not begun")
        engine = MatchingEngine(self._schedule, self._settings, cash=origin.cash, start_ms=origin.start_ms)
        engine.advance_trade(TradePrint(origin.start_ms, origin.price.ticks, 0, Side.BUY))
        self._latest = {type(met): met for met in self._file.latest()}
        for met in chain(self._file.inputs(), self._latest.values()):
            meet(engine, met)
            if isinstance(met, BookSeen):
                self._width = met.top.ask_ticks - met.top.bid_ticks
        return engine


def _top_around(trade: TradePrint, width: int) -> BookTop:
    """Return best prices that are so far apart and of which the taker met one."""
    price, at_ms = trade.price_ticks, trade.executed_at_ms
    if trade.taker_side is Side.BUY:
        return BookTop(at_ms, max(price - width, 1), _DEEP_LOTS, price, _DEEP_LOTS)
    return BookTop(at_ms, price, _DEEP_LOTS, price + width, _DEEP_LOTS)
