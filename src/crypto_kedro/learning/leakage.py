"""Canaries: checks on the actual training data that fail the run when the future has leaked into it."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from crypto_kedro.errors import LeakageError
from crypto_kedro.features import FeatureSet, compute_features
from crypto_kedro.learning.labels import milliseconds
from crypto_kedro.learning.splits import Fold
from crypto_kedro.market.bars import HOUR_MS, Bars, FloatArray
from crypto_kedro.market.moments import utc_text


def check_folds(folds: Iterable[Fold], frame: pd.DataFrame, embargo_hours: float) -> None:
    """Check the folds as they are about to be used, whoever made them.

    Args:
        folds: windows over the rows of ``frame``.
        frame: columns ``timestamp`` and ``label_end``.
        embargo_hours: least distance between the end of a training label and the first row of the test.

    Raises:
        LeakageError: a training label ends within the embargo or later, or a training row does not precede the test.
    """
    begun, ended = milliseconds(frame["timestamp"]), milliseconds(frame["label_end"])
    for fold in folds:
        first_test = int(begun[fold.test].min())
        limit = first_test - embargo_hours * HOUR_MS
        late = fold.train[(ended[fold.train] > limit) | (begun[fold.train] >= first_test)]
        if late.size:
            raise LeakageError(
                f"leakage: {late.size} training rows of {fold.name} reach its test, which begins at "
                f"{utc_text(first_test)} less {embargo_hours} hours of embargo; the first is the row of "
                f"{utc_text(begun[late[0]])}, whose label ends at {utc_text(ended[late[0]])}; purge these rows"
            )


def check_recomputed(features: pd.DataFrame, recompute: Callable[[int], FloatArray], rows: Sequence[int]) -> None:
    """Compare training features bit for bit with what was computable when their bar closed.

    Args:
        features: ``timestamp`` and one column a feature.
        recompute: given the open time (Unix milliseconds UTC) of a bar, returns the features of that bar, shape
            (features,), computed from that bar and older ones only.
        rows: row numbers to compare.

    Raises:
        LeakageError: a value differs, so it depends on bars that came later.
    """
    names = [str(name) for name in features.columns if name != "timestamp"]
    values = features[names].to_numpy(dtype=np.float64)
    opened = milliseconds(features["timestamp"])
    for row in rows:
        known = np.asarray(recompute(int(opened[row])), dtype=np.float64)
        differs = known.view(np.int64) != values[row].view(np.int64)
        if differs.any():
            at = int(np.argmax(differs))
            raise LeakageError(
                f"leakage: feature {names[at]!r} of the bar opened at {utc_text(opened[row])} is {values[row, at]!r}, "
                f"but {known[at]!r} when computed without the bars that follow; its kernel looks ahead, or the "
                "features belong to other bars: run the features pipeline again"
            )


def recompute_from(
    feature_set: FeatureSet, decision: Bars, context: Bars, max_gap_minutes: int
) -> Callable[[int], FloatArray]:
    """Return a function that computes the features of one bar as a live process would, from bars closed by then.

    Args:
        feature_set: the features.
        decision: decision bars.
        context: context bars.
        max_gap_minutes: longest halt that a window may contain.
    """

    def recompute(opened: int) -> FloatArray:
        known = int(np.searchsorted(decision.open_time, opened, side="right"))
        closed = int(np.searchsorted(context.close_time, opened + decision.interval_ms, side="right"))
        matrix = compute_features(
            feature_set,
            decision[max(known - feature_set.decision_window_bars, 0) : known],
            context[max(closed - feature_set.context_window_bars, 0) : closed],
            max_gap_minutes,
        )
        newest: FloatArray = matrix.values[-1]
        return newest

    return recompute


def check_foresight(features: pd.DataFrame, bars: Bars, max_correlation: float) -> dict[str, float]:
    """Compare each feature with the return of the bar that follows, which no honest feature can foretell so well.

    Args:
        features: ``timestamp`` and one column a feature.
        bars: decision bars.
        max_correlation: largest believable rank correlation, in absolute value.

    Returns:
        The rank correlation of each feature with the next bar's return from open to close.

    Raises:
        LeakageError: a feature is correlated beyond ``max_correlation``.
    """
    at = np.searchsorted(bars.open_time, milliseconds(features["timestamp"]))
    followed = at + 1 < len(bars)
    after = at[followed] + 1
    next_return = bars.close[after] / bars.open[after] - 1.0
    correlations = {
        str(name): _rank_correlation(features[name].to_numpy()[followed], next_return)
        for name in features.columns
        if name != "timestamp"
    }
    worst = max(correlations, key=lambda name: abs(correlations[name]))
    if abs(correlations[worst]) > max_correlation:
        raise LeakageError(
            f"leakage: feature {worst!r} has a rank correlation of {correlations[worst]:.3f} with the return of the "
            f"bar that follows, above the believable {max_correlation}; it looks ahead, correct its kernel"
        )
    return correlations


def spread_rows(count: int, checks: int) -> list[int]:
    """Return up to ``checks`` row numbers spread evenly over ``count`` rows, the first and last included."""
    return sorted(set(np.linspace(0, count - 1, min(checks, count)).astype(np.int64).tolist()))


def _rank_correlation(left: FloatArray, right: FloatArray) -> float:
    """Spearman's correlation; 0 for a column that never changes."""
    ranks = rankdata(left), rankdata(right)
    if any(np.ptp(rank) == 0 for rank in ranks):
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])
