"""Statistics of the last `period` values, in an order of operations that does not depend on where a window lies.

Running sums and `numpy.sum` group their additions by the position in the array, so a live window would differ from the
batch in the last bits. Here each result is built from whole-array steps at fixed lags, and each step is an operation
that IEEE 754 rounds exactly (no logarithm, exponential or sine, whose vector and scalar versions may differ).

Every function takes shape (n,) and returns shape (n,), NaN for the first ``period - 1`` values.
"""

from collections.abc import Callable

import numpy as np

from crypto_kedro.market.bars import FloatArray

_CHUNK = 16_384


def lagged(values: FloatArray, lag: int) -> FloatArray:
    """Return the value `lag` bars earlier, NaN where there is none."""
    shifted = np.full(values.size, np.nan)
    if lag < values.size:
        shifted[lag:] = values[: values.size - lag]
    return shifted


def rolling_sum(values: FloatArray, period: int) -> FloatArray:
    """Sum of the last `period` values, added pairwise in powers of two."""
    if values.size < period:
        return np.full(values.size, np.nan)
    size = values.size - period + 1
    total = np.zeros(size)
    piece, width, oldest = values, 1, 0
    while width <= period:
        if period & width:
            total += piece[oldest : oldest + size]
            oldest += width
        if 2 * width <= period:
            piece = piece[width:] + piece[:-width]
        width *= 2
    return _ending(values.size, total)


def rolling_mean(values: FloatArray, period: int) -> FloatArray:
    """Mean of the last `period` values."""
    return rolling_sum(values, period) / period


def rolling_std(values: FloatArray, mean: FloatArray, period: int) -> FloatArray:
    """Population standard deviation of the last `period` values, given their `rolling_mean`."""
    if values.size < period:
        return np.full(values.size, np.nan)
    size = values.size - period + 1
    centre = mean[period - 1 :]
    squares = np.zeros(size)
    for start in range(0, size, _CHUNK):
        stop = min(start + _CHUNK, size)
        for offset in range(period):
            deviation = values[start + offset : stop + offset] - centre[start:stop]
            deviation *= deviation
            squares[start:stop] += deviation
    return _ending(values.size, np.sqrt(squares / period))


def rolling_max(values: FloatArray, period: int) -> FloatArray:
    """Largest of the last `period` values."""
    return _extreme(np.maximum, values, period)


def rolling_min(values: FloatArray, period: int) -> FloatArray:
    """Smallest of the last `period` values."""
    return _extreme(np.minimum, values, period)


def rolling_rank(values: FloatArray, period: int) -> FloatArray:
    """Rank of the newest value among the last `period`, 0 for the smallest, 1 for the largest, ties in their middle.

    A window of equal values ranks 0.5; a window with NaN has no rank.
    """
    if values.size < period:
        return np.full(values.size, np.nan)
    size = values.size - period + 1
    counts = np.zeros(size, dtype=np.int32)
    for start in range(0, size, _CHUNK):
        stop = min(start + _CHUNK, size)
        newest = values[start + period - 1 : stop + period - 1]
        for offset in range(period - 1):
            earlier = values[start + offset : stop + offset]
            counts[start:stop] += earlier < newest
            counts[start:stop] += earlier <= newest
    # NaN compares as false, so without this it would pass for a large value.
    unknown = np.isnan(rolling_sum(values, period)[period - 1 :])
    return _ending(values.size, np.where(unknown, np.nan, counts / (2.0 * (period - 1))))


def _extreme(larger: Callable[[FloatArray, FloatArray], FloatArray], values: FloatArray, period: int) -> FloatArray:
    if values.size < period:
        return np.full(values.size, np.nan)
    piece, width = values, 1
    while 2 * width <= period:
        piece = larger(piece[width:], piece[:-width])
        width *= 2
    rest = period - width
    return _ending(values.size, larger(piece[rest:], piece[: piece.size - rest]))


def _ending(size: int, results: FloatArray) -> FloatArray:
    padded = np.full(size, np.nan)
    padded[size - results.size :] = results
    return padded
