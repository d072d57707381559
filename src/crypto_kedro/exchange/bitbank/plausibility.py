"""Plausible prices and times: compared with the exchange's own recent answers and with the clock.

A single field that lost a digit is well-formed. It is refused here, unless the exchange keeps to it.
"""

from collections.abc import Callable, Iterable, Sequence

from crypto_kedro.exchange.bitbank.checked import UnfitValueError, require
from crypto_kedro.exchange.bitbank.shapes import MarketTrade
from crypto_kedro.exchange.port import OrderBook, Ticker
from crypto_kedro.market.bars import DAY_MS, HOUR_MS, MINUTE_MS
from crypto_kedro.trading.quotes import BarRow

MOST_FACTOR = 3
"""How many times a price may be above or below the one that it is compared with."""
MEMORY_MS = HOUR_MS
"""How long a price is compared with the last plausible one."""
CONSISTENT_ANSWERS, CONSISTENT_MS = 3, 30_000
"""So many refused prices in a row, near each other and over so long a time, are a true move."""
_AHEAD_MS = 5 * MINUTE_MS
_BEHIND_MS = DAY_MS
_FIRST_MS = 1_480_000_000_000
"""No answer of bitbank's is older: 2016-11-24."""


class Plausibility:
    """Remembers the last plausible price of a market, and refuses answers that lie too far from it.

    Args:
        now_ms: clock, Unix milliseconds UTC.
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._newest_ms = _FIRST_MS
        self._last: tuple[int, int] | None = None
        self._refused: list[tuple[int, int]] = []

    def ticker(self, ticker: Ticker) -> Ticker:
        """Return a plausible ticker.

        Raises:
            UnfitValueError: its time or one of its prices cannot be true.
        """
        self._check_time(ticker.at_ms)
        for price in (ticker.bid, ticker.ask):
            _check_factor(ticker.last.ticks, ticker.last.ticks if price is None else price.ticks)
        self._check_price(ticker.last.ticks)
        return ticker

    def book(self, book: OrderBook) -> OrderBook:
        """Return a plausible book; raises as `ticker`."""
        self._check_time(book.at_ms)
        best = [side[0][0].ticks for side in (book.bids, book.asks) if side]
        if best:
            _check_factor(best[0], best[-1])
            self._check_price(best[0])
        return book

    def trades(self, trades: Sequence[MarketTrade]) -> None:
        """Check trades of the market; raises as `ticker`."""
        for _, trade in trades:
            self._check_time(trade.executed_at_ms)
            _check_factor(trades[-1].trade.price_ticks, trade.price_ticks)
        if trades:
            self._check_price(trades[-1].trade.price_ticks)

    def bars(self, bars: Sequence[BarRow]) -> None:
        """Check bars in their order, and the newest one with the last price; raises as `ticker`."""
        before = None
        for bar in bars:
            for price in (bar.open_ticks, bar.high_ticks, bar.low_ticks):
                _check_factor(bar.close_ticks if before is None else before.close_ticks, price)
            before = bar
        if before is not None and self._now_ms() - before.close_time_ms < MEMORY_MS:
            self._check_price(before.close_ticks)

    def _check_time(self, at_ms: int) -> None:
        require_past((at_ms,), self._now_ms())
        require(at_ms >= max(self._newest_ms - _BEHIND_MS, _FIRST_MS), f"its time {at_ms} lies long ago")
        self._newest_ms = max(self._newest_ms, at_ms)

    def _check_price(self, ticks: int) -> None:
        now_ms, last = self._now_ms(), self._last
        if last is None or not 0 <= now_ms - last[1] < MEMORY_MS or _are_near(last[0], ticks):
            self._last, self._refused = (ticks, now_ms), []
            return
        self._refused = [seen for seen in self._refused if _are_near(seen[0], ticks)] + [(ticks, now_ms)]
        if len(self._refused) >= CONSISTENT_ANSWERS and now_ms - self._refused[0][1] >= CONSISTENT_MS:
            self._last, self._refused = (ticks, now_ms), []
            return
        _check_factor(last[0], ticks)


def require_past(moments_ms: Iterable[int], now_ms: int) -> None:
    """Refuse moments that lie further in the future than clocks differ, Unix milliseconds UTC.

    Raises:
        UnfitValueError: one of them does.
    """
    newest_ms = max(moments_ms, default=now_ms)
    require(newest_ms <= now_ms + _AHEAD_MS, f"its time {newest_ms} lies in the future")


def _are_near(ticks: int, others: int) -> bool:
    return max(ticks, others) <= MOST_FACTOR * min(ticks, others)


def _check_factor(ticks: int, others: int) -> None:
    if not _are_near(ticks, others):
        raise UnfitValueError(f"a price of {others} next to {ticks} is more than {MOST_FACTOR} times away")
