"""Minutes without a candle: a trading halt becomes flagged bars without volume, a longer hole is missing data.

bitbank lists a minute in which nobody traded as a flat candle with volume 0. A minute that is absent between two
candles was therefore a halt of the exchange, and the price stood still in it.
"""

from dataclasses import dataclass

import numpy as np

from crypto_kedro.errors import DataError
from crypto_kedro.market.bars import MINUTE_MS, Bars, FloatArray, IntArray
from crypto_kedro.market.moments import utc_text


@dataclass(frozen=True, slots=True)
class Gap:
    """A run of absent minutes: the first of them (Unix milliseconds UTC) and their number."""

    start_ms: int
    minutes: int


@dataclass(frozen=True, slots=True, eq=False)
class Candles:
    """1-minute candles in order of time, minutes may be absent; shapes (n,), units as in `Bars`."""

    open_time: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray


def find_gaps(open_time: IntArray) -> tuple[Gap, ...]:
    """Return the runs of absent minutes between ascending open times (Unix milliseconds UTC, shape (n,))."""
    steps = np.diff(open_time) // MINUTE_MS
    return tuple(Gap(int(open_time[at]) + MINUTE_MS, int(steps[at]) - 1) for at in np.flatnonzero(steps > 1))


def fill_halts(candles: Candles, max_halt_minutes: int, location: str) -> Bars:
    """Return bars for every minute from the first candle to the last.

    A filled bar stands at the close before the halt, has volume 0 and carries the halt's length in ``gap_minutes``.

    Args:
        candles: at least one candle.
        max_halt_minutes: longest run of absent minutes that can have been a halt.
        location: where the candles came from, for the error.

    Raises:
        DataError: a run of absent minutes is longer.
    """
    gaps = find_gaps(candles.open_time)
    for gap in gaps:
        if gap.minutes > max_halt_minutes:
            raise DataError(_missing_data(gap, max_halt_minutes, location))
    first, last = int(candles.open_time[0]), int(candles.open_time[-1])
    open_time = np.arange(first, last + MINUTE_MS, MINUTE_MS, dtype=np.int64)
    source = np.searchsorted(candles.open_time, open_time, side="right") - 1
    filled = candles.open_time[source] != open_time
    gap_minutes = np.zeros(open_time.size, dtype=np.int64)
    for gap in gaps:
        at = (gap.start_ms - first) // MINUTE_MS
        gap_minutes[at : at + gap.minutes] = gap.minutes
    close = candles.close[source]
    return Bars(
        interval_ms=MINUTE_MS,
        open_time=open_time,
        open=np.where(filled, close, candles.open[source]),
        high=np.where(filled, close, candles.high[source]),
        low=np.where(filled, close, candles.low[source]),
        close=close,
        volume=np.where(filled, 0.0, candles.volume[source]),
        gap_minutes=gap_minutes,
    )


def _missing_data(gap: Gap, max_halt_minutes: int, location: str) -> str:
    return (
        f"{location}: {gap.minutes} minutes are missing from {utc_text(gap.start_ms)} to "
        f"{utc_text(gap.start_ms + gap.minutes * MINUTE_MS)}, more than data.max_halt_minutes ({max_halt_minutes}), "
        "so this is no trading halt; supply the missing candles, or set data.start or data.end to leave the hole out"
    )
