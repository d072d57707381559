"""Longer bars out of shorter ones: closed buckets only, aligned to the Unix epoch."""

from crypto_kedro.errors import DataError
from crypto_kedro.market.bars import HOUR_MS, MINUTE_MS, Bars

DECISION_MS = 15 * MINUTE_MS
CONTEXT_MS = 4 * HOUR_MS


def resample(bars: Bars, interval_ms: int) -> Bars:
    """Merge bars into longer ones.

    A bucket is returned only if every bar of it is there, so an incomplete first or last bucket is dropped and a
    result never changes when more bars arrive. The merged ``gap_minutes`` is the longest halt that the bucket touches.

    Args:
        bars: closed bars without missing grid points.
        interval_ms: length of the longer bar in milliseconds, a multiple of ``bars.interval_ms``.

    Raises:
        DataError: the longer interval is not a multiple of the shorter one.
    """
    ratio, rest = divmod(interval_ms, bars.interval_ms)
    if rest or ratio < 1:
        raise DataError(f"resample: {interval_ms} ms is not a multiple of the bars' {bars.interval_ms} ms")
    first = int(-bars.open_time[0] // bars.interval_ms) % ratio if len(bars) else 0
    buckets = max(len(bars) - first, 0) // ratio
    whole = bars[first : first + buckets * ratio]
    shape = (buckets, ratio)
    return Bars(
        interval_ms=interval_ms,
        open_time=whole.open_time[::ratio],
        open=whole.open[::ratio],
        high=whole.high.reshape(shape).max(axis=1),
        low=whole.low.reshape(shape).min(axis=1),
        close=whole.close[ratio - 1 :: ratio],
        volume=whole.volume.reshape(shape).sum(axis=1),
        gap_minutes=whole.gap_minutes.reshape(shape).max(axis=1),
    )
