"""The bar: OHLCV columns on one epoch-aligned grid, stamped with the OPEN time in UTC."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crypto_kedro.errors import DataError

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
JST_OFFSET_MS = 9 * HOUR_MS

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Closed bars of one pair, oldest first, without missing grid points.

    Args:
        interval_ms: length of a bar in milliseconds; every open time is a multiple of it.
        open_time: shape (n,), Unix milliseconds UTC at which each bar opened.
        open, high, low, close: shape (n,), prices in JPY.
        volume: shape (n,), traded amount in BTC.
        gap_minutes: shape (n,), length in minutes of the longest trading halt that touches the bar, 0 for none.

    Raises:
        DataError: lengths differ, or the open times leave the grid.
    """

    interval_ms: int
    open_time: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    gap_minutes: IntArray

    def __post_init__(self) -> None:
        columns = (self.open, self.high, self.low, self.close, self.volume, self.gap_minutes)
        if any(column.shape != self.open_time.shape for column in columns):
            raise DataError("bars: the columns differ in length; build all of them from the same rows")
        if self.open_time.size and self.open_time[0] % self.interval_ms:
            raise DataError(f"bars: open time {self.open_time[0]} is not a multiple of {self.interval_ms} ms")
        if np.any(np.diff(self.open_time) != self.interval_ms):
            at = int(np.flatnonzero(np.diff(self.open_time) != self.interval_ms)[0])
            raise DataError(
                f"bars: after open time {self.open_time[at]} the next bar is not {self.interval_ms} ms later; "
                "run the data pipeline, which makes every gap explicit"
            )

    def __len__(self) -> int:
        return int(self.open_time.size)

    def __getitem__(self, rows: slice) -> "Bars":
        """Return the bars of a contiguous slice, sharing memory."""
        if rows.step not in (None, 1):
            raise IndexError(f"bars: a slice must be contiguous, got step {rows.step}")
        return Bars(
            self.interval_ms,
            self.open_time[rows],
            self.open[rows],
            self.high[rows],
            self.low[rows],
            self.close[rows],
            self.volume[rows],
            self.gap_minutes[rows],
        )

    @property
    def close_time(self) -> IntArray:
        """Unix milliseconds UTC at which each bar is closed, shape (n,)."""
        return self.open_time + self.interval_ms
