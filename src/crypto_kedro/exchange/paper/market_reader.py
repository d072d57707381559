"""What happened at bitbank since it was looked at last: trade by trade, or minute by minute where nobody watched."""

from dataclasses import dataclass

from crypto_kedro.exchange.bitbank.market_data import BitbankMarketData
from crypto_kedro.exchange.bitbank.public_stream import PublicStream
from crypto_kedro.exchange.bitbank.shapes import MarketTrade
from crypto_kedro.exchange.port import OrderBook, RetryLaterError
from crypto_kedro.market.bars import MINUTE_MS
from crypto_kedro.trading.quotes import BarRow, BookTop

LATEST_TRADES = 60
"""As many trades bitbank tells at once."""


@dataclass(frozen=True, slots=True)
class Happened:
    """What the market did, in its order: first the bars, then the trades.

    Args:
        bars: closed minutes that were not watched trade by trade.
        trades: ascending by id, none of them within the bars.
        trade_id: the newest trade, also where it lies within the bars.
    """

    bars: tuple[BarRow, ...]
    trades: tuple[MarketTrade, ...]
    trade_id: int


class MarketReader:
    """Reads on from a trade that was seen.

    Args:
        market: answers by REST.
        stream: tells faster, while it is heard.
    """

    def __init__(self, market: BitbankMarketData, stream: PublicStream) -> None:
        self._market = market
        self._stream = stream

    async def newest_trade_id(self) -> int:
        """Return the id of the newest trade, 0 when there was none.

        Raises:
            RetryLaterError, StopTradingError: bitbank does not answer, or not in a way that can be read.
        """
        trades = await self._market.trades()
        return trades[-1].trade_id if trades else 0

    async def happened_since(self, trade_id: int, at_ms: int, now_ms: int) -> Happened:
        """Return what happened after a trade.

        Args:
            trade_id: the newest trade that was seen, 0 for none.
            at_ms: until when the market was watched, Unix milliseconds UTC.
            now_ms: time, Unix milliseconds UTC.

        Raises:
            RetryLaterError, StopTradingError: bitbank does not answer, or not in a way that can be read; also while
                the candles of what was missed are not published.
        """
        heard = self._stream.trades_after(trade_id)
        if heard is not None:
            return Happened((), heard, heard[-1].trade_id if heard else trade_id)
        latest = await self._market.trades()
        new = tuple(trade for trade in latest if trade.trade_id > trade_id)
        newest = new[-1].trade_id if new else trade_id
        if len(new) < LATEST_TRADES:
            return Happened((), new, newest)
        bars = await self._missed(at_ms, new[0].trade.executed_at_ms, now_ms)
        watched_ms = bars[-1].close_time_ms if bars else at_ms
        return Happened(bars, tuple(trade for trade in new if trade.trade.executed_at_ms >= watched_ms), newest)

    async def book(self) -> OrderBook:
        """Return the book, as it was heard or as it is told now.

        Raises:
            RetryLaterError, StopTradingError: bitbank does not answer, or not in a way that can be read.
        """
        return self._stream.book or await self._market.book()

    async def book_now(self) -> OrderBook:
        """Return the book as it is told now; raises as `book`."""
        return await self._market.book()

    async def _missed(self, at_ms: int, until_ms: int, now_ms: int) -> tuple[BarRow, ...]:
        """Return the closed minutes from the one that was watched last; they reach the minute of the next trade."""
        first_ms = at_ms - at_ms % MINUTE_MS
        bars = await self._market.candles(MINUTE_MS, first_ms, now_ms)
        needed_ms = until_ms - until_ms % MINUTE_MS
        if first_ms < needed_ms and (not bars or bars[-1].close_time_ms < needed_ms):
            raise RetryLaterError("bitbank: the candles of the last minutes are not published yet; ask again later")
        return bars


def executable_top(book: OrderBook, lots: int) -> BookTop | None:
    """Return the average prices at which an amount can be taken now, with all that is shown; None without a market.

    Args:
        book: best prices first.
        lots: the amount; 0 gives the best prices with what is shown there.
    """
    top = book.top
    if top is None or top.bid_ticks >= top.ask_ticks:
        return None
    bids = [(price.ticks, amount.lots) for price, amount in book.bids]
    asks = [(price.ticks, amount.lots) for price, amount in book.asks]
    if not lots:
        return top
    bid, ask = _average(bids, lots), -_average([(-price, amount) for price, amount in asks], lots)
    return BookTop(top.at_ms, bid, sum(amount for _, amount in bids), ask, sum(amount for _, amount in asks))


def _average(levels: list[tuple[int, int]], lots: int) -> int:
    """Return the average price of a positive amount, rounded down; of all levels if they hold less."""
    left, paid = lots, 0
    for price, amount in levels:
        taken = min(left, amount)
        paid, left = paid + price * taken, left - taken
        if not left:
            break
    return paid // (lots - left) if lots > left else levels[0][0]
