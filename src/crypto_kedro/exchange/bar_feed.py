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

    Raises:
        DataError: a price is not finite, or below one tick.
    """

    __slots__ = ("_close", "_gap_minutes", "_high", "_low", "_open", "_open_time", "_volume", "bars", "interval_ms")

    def __init__(self, bars: Bars) -> None:
        self.bars = bars
        self.interval_ms = bars.interval_ms
        self._open_time = bars.open_time
        self._open = _ticks(bars.open, "open")
        self._high = _ticks(bars.high, "high")
        self._low = _ticks(bars.low, "low")
        self._close = _ticks(bars.close, "close")
        self._volume = np.floor(bars.volume * LOTS_PER_BTC + 1e-6).astype(np.int64)
        self._gap_minutes = bars.gap_minutes

    def __len__(self) -> int:
        return int(self._open_time.size)

    def row(self, index: int) -> BarRow:
        """Return one bar."""
        opened = self._open_time.item(index)
        return BarRow(
            opened,
            opened + self.interval_ms,
            self._open.item(index),
            self._high.item(index),
            self._low.item(index),
            self._close.item(index),
            self._volume.item(index),
            self._gap_minutes.item(index),
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
        opened = self._open_time.item(start)
        steps = -((opened - moment_ms) // self.interval_ms)
        return min(start + max(steps, 0), stop)


def _ticks(prices: FloatArray, column: str) -> IntArray:
    if not np.all(np.isfinite(prices)) or (prices.size and prices.min() < 0.5):
        at = int(np.flatnonzero(~(prices >= 0.5) | ~np.isfinite(prices))[0])
        raise DataError(f"bars: {column} at row {at} is {prices[at]}; prices must be finite and at least 1 JPY")
    ticks: IntArray = np.rint(prices).astype(np.int64)
    return ticks
