"""Bars as the engine reads them: whole ticks and lots, row by row, with a fast search over many rows."""

import numpy as np

from crypto_kedro.errors import DataError
from crypto_kedro.market.bars import Bars, FloatArray, IntArray
from crypto_kedro.trading.money import LOTS_PER_BTC
from crypto_kedro.trading.quotes import BarRow

_FIRST_CHUNK = 256
_CHUNK_GROWTH = 4


class BarFeed:
    """The bars of one market in integers.

    Prices are rounded to the nearest tick of 1 JPY, which keeps low <= open, close <= high; volumes are rounded
    down to lots of 0.0001 BTC, except for what float arithmetic lost on a whole lot.

    Args:
        bars: closed bars.

    Attributes:
        bars: as given.
        interval_ms: length of a bar.
        close_ticks: int64, shape (n,): the closing prices.

    Raises:
        DataError: a price is not finite, or below one tick.
    """

    __slots__ = ("_columns", "_high", "_low", "_open_time", "bars", "close_ticks", "interval_ms")

    def __init__(self, bars: Bars) -> None:
        self.bars = bars
        self.interval_ms = bars.interval_ms
        opened = _ticks(bars.open, "open")
        self._high = _ticks(bars.high, "high")
        self._low = _ticks(bars.low, "low")
        self.close_ticks = _ticks(bars.close, "close")
        volume = np.floor(bars.volume * LOTS_PER_BTC + 1e-6).astype(np.int64)
        # Views give plain ints, row by row, in half the time of arrays.
        self._open_time = bars.open_time.data
        columns = (opened, self._high, self._low, self.close_ticks, volume, bars.gap_minutes)
        self._columns = tuple([column.data for column in columns])

    def __len__(self) -> int:
        return len(self._open_time)

    def row(self, index: int) -> BarRow:
        """Return one bar."""
        opened, high, low, close, volume, gap_minutes = self._columns
        opened_at = self._open_time[index]
        return BarRow(
            opened_at,
            opened_at + self.interval_ms,
            opened[index],
            high[index],
            low[index],
            close[index],
            volume[index],
            gap_minutes[index],
        )

    def first_touch(self, down: int, up: int, start: int, stop: int) -> int:
        """Return the first index in [start, stop) whose low is <= ``down`` or high is >= ``up``, else ``stop``."""
        low, high = self._low, self._high
        size = _FIRST_CHUNK
        while start < stop:
            end = min(start + size, stop)
            touched = low[start:end] <= down
            touched |= high[start:end] >= up
            first = int(touched.argmax())
            if touched[first]:
                return start + first
            start = end
            size *= _CHUNK_GROWTH
        return stop

    def first_at(self, moment_ms: int, start: int, stop: int) -> int:
        """Return the first index in [start, stop) that opens at or after a moment, else ``stop``."""
        if start >= stop:
            return stop
        steps = -((self._open_time[start] - moment_ms) // self.interval_ms)
        return min(start + max(steps, 0), stop)


def _ticks(prices: FloatArray, column: str) -> IntArray:
    if not np.all(np.isfinite(prices)) or (prices.size and prices.min() < 0.5):
        at = int(np.flatnonzero(~(prices >= 0.5) | ~np.isfinite(prices))[0])
        raise DataError(f"bars: {column} at row {at} is {prices[at]}; prices must be finite and at least 1 JPY")
    ticks: IntArray = np.rint(prices).astype(np.int64)
    return ticks
