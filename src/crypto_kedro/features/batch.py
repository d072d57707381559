"""Features of many bars at once; a live process calls the same function on its last bars."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from crypto_kedro.errors import FeatureError
from crypto_kedro.features.catalogue import FeatureSet, FeatureSpec
from crypto_kedro.features.indicators import Indicators
from crypto_kedro.features.kernels import KERNELS
from crypto_kedro.market.bars import Bars, FloatArray, IntArray


class Absence(IntEnum):
    """Why a bar has no features; of several reasons the largest is kept."""

    NONE = 0
    LONG_GAP = 1
    WARM_UP = 2
    CONTEXT_MISSING = 3


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMatrix:
    """Features of consecutive decision bars.

    Args:
        names: the features in order.
        open_time: shape (n,), Unix milliseconds UTC at which each bar opened; its features are known at its end.
        values: shape (n, features); rows that are not valid hold no usable number.
        absence: shape (n,), an `Absence` a bar.
    """

    names: tuple[str, ...]
    open_time: IntArray
    values: FloatArray
    absence: NDArray[np.int8]

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Whether a bar has all its features, shape (n,)."""
        valid: NDArray[np.bool_] = self.absence == Absence.NONE
        return valid

    @property
    def absent_rows(self) -> Mapping[str, int]:
        """Number of bars without features by reason."""
        return {
            reason.name.lower(): int(np.count_nonzero(self.absence == reason))
            for reason in Absence
            if reason is not Absence.NONE
        }


def compute_features(feature_set: FeatureSet, decision: Bars, context: Bars, max_gap_minutes: int) -> FeatureMatrix:
    """Compute a feature set on closed bars.

    A row is valid if every bar that one of its features depends on is there and none of them touches a trading halt
    longer than `max_gap_minutes`. Nothing is filled. The same bars give the same floats whatever lies before or after.

    Args:
        feature_set: from `load_feature_set`.
        decision: closed bars on which decisions are taken; each decision is taken when its bar closes.
        context: longer bars; a row sees those that have closed by then, and needs the newest of them.
        max_gap_minutes: longest halt that a window may contain.

    Raises:
        FeatureError: a valid row holds a value that is not finite, which damaged bars can cause.
    """
    rows = _newest_closed(decision, context)
    values = np.empty((len(feature_set.features), len(decision)))
    absence = np.full(len(decision), Absence.NONE, dtype=np.int8)
    sources = {"decision": Indicators(decision), "context": Indicators(context)}
    for column, feature in zip(values, feature_set.features, strict=True):
        indicators = sources[feature.source]
        computed = KERNELS[feature.kernel].compute(indicators, **feature.parameters)
        reasons = _absence(feature, indicators.bars, max_gap_minutes)
        if feature.source == "context":
            computed, reasons = _at_decision(computed, reasons, rows)
        column[:] = computed
        np.maximum(absence, reasons, out=absence)
    matrix = FeatureMatrix(feature_set.names, decision.open_time, values.T, absence)
    _check_finite(matrix)
    return matrix


def _newest_closed(decision: Bars, context: Bars) -> IntArray:
    """Return the row of the newest context bar closed at each decision; it may lie outside the context bars."""
    if not len(context):
        return np.zeros(len(decision), dtype=np.int64)
    newest: IntArray = decision.close_time // context.interval_ms - 1
    return newest - int(context.open_time[0]) // context.interval_ms


def _absence(feature: FeatureSpec, bars: Bars, max_gap_minutes: int) -> NDArray[np.int8]:
    if not len(bars):
        return np.zeros(0, dtype=np.int8)
    index = bars.open_time // bars.interval_ms
    oldest = feature.dependency.oldest(index)
    interrupted = np.maximum.accumulate(np.where(bars.gap_minutes > max_gap_minutes, index, -1))
    reasons = np.where(interrupted >= oldest, np.int8(Absence.LONG_GAP), np.int8(Absence.NONE))
    reasons[oldest < index[0]] = Absence.WARM_UP
    return reasons


def _at_decision(values: FloatArray, reasons: NDArray[np.int8], rows: IntArray) -> tuple[FloatArray, NDArray[np.int8]]:
    """Pick the context's value and reason for each decision bar."""
    if not values.size:
        return np.full(rows.size, np.nan), np.full(rows.size, Absence.CONTEXT_MISSING, dtype=np.int8)
    inside = np.clip(rows, 0, values.size - 1)
    picked = reasons[inside]
    picked[rows < 0] = Absence.WARM_UP
    picked[rows >= values.size] = Absence.CONTEXT_MISSING
    return values[inside], picked


def _check_finite(matrix: FeatureMatrix) -> None:
    broken = ~np.isfinite(matrix.values) & matrix.valid[:, np.newaxis]
    if broken.any():
        row, column = (int(at) for at in np.argwhere(broken)[0])
        opened = np.datetime64(int(matrix.open_time[row]), "ms")
        raise FeatureError(
            f"feature {matrix.names[column]!r} is {matrix.values[row, column]} at the bar opened at {opened} UTC; "
            "the bars behind it are damaged, run the data pipeline on them"
        )
