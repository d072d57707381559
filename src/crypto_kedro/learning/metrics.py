"""Scores of probabilistic predictions, each to be read beside the score of the training window's class shares.

Rows are weighted by the uniqueness of their labels: overlapping labels tell the same story and count once together.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from crypto_kedro.learning.intervals import wilson_interval
from crypto_kedro.learning.models import ClassArray
from crypto_kedro.market.bars import FloatArray
from crypto_kedro.serving.probability import CLASS_NAMES

CALIBRATION_BINS = 10
_LEAST_PROBABILITY = 1e-15
_NO_VARIANCE = 1e-12
_FLAT = CLASS_NAMES.index("flat")
_SIDES = [CLASS_NAMES.index("short"), CLASS_NAMES.index("long")]


def log_loss(classes: ClassArray, probabilities: FloatArray, weights: FloatArray) -> float:
    """Mean of -log(probability of what came true), in nats."""
    happened = probabilities[np.arange(classes.size), classes]
    return float(np.average(-np.log(np.maximum(happened, _LEAST_PROBABILITY)), weights=weights))


def brier_score(classes: ClassArray, probabilities: FloatArray, weights: FloatArray) -> float:
    """Mean squared distance between the probabilities and what came true, summed over the classes: 0 to 2.

    Source: Brier, Verification of forecasts expressed in terms of probability (1950).
    """
    return float(np.average(np.sum((probabilities - _indicators(classes)) ** 2, axis=1), weights=weights))


def calibration_error(classes: ClassArray, probabilities: FloatArray, weights: FloatArray) -> float:
    """Expected calibration error a class, averaged over the classes: 0 to 1.

    For each class the rows are sorted by predicted probability into `CALIBRATION_BINS` bins of about equal weight
    (equal predictions stay together); the error is the weighted mean over the bins of the distance between the mean
    prediction and the observed share.

    Source: class-wise ECE of Kull et al. (NeurIPS 2019) with the adaptive bins of Nixon et al. (CVPR workshops 2019).
    """
    errors = []
    for curve in reliability(classes, probabilities, weights).values():
        total = sum(point["weight"] for point in curve)
        errors.append(sum(point["weight"] * abs(point["predicted"] - point["observed"]) for point in curve) / total)
    return float(np.mean(errors))


def macro_f1(classes: ClassArray, probabilities: FloatArray, weights: FloatArray) -> float:
    """Mean over the classes of the F1 score of the most probable class; a class never predicted scores 0."""
    predicted = probabilities.argmax(axis=1)
    labels = range(len(CLASS_NAMES))
    return float(f1_score(classes, predicted, labels=labels, average="macro", sample_weight=weights, zero_division=0.0))


def matthews_correlation(classes: ClassArray, probabilities: FloatArray, weights: FloatArray) -> float:
    """Matthews correlation of the most probable class: -1 to 1, and 0 where the truth or the prediction never changes.

    Source: Gorodkin, Comparing two K-category assignments by a K-category correlation coefficient (2004).
    """
    predicted, happened = _indicators(probabilities.argmax(axis=1)), _indicators(classes)
    share = weights / weights.sum()
    predicted_shares, happened_shares = share @ predicted, share @ happened
    covariance = float(np.sum(share[:, np.newaxis] * predicted * happened) - predicted_shares @ happened_shares)
    variances = (1.0 - float(np.sum(predicted_shares**2))) * (1.0 - float(np.sum(happened_shares**2)))
    return float(covariance / np.sqrt(variances)) if variances > _NO_VARIANCE else 0.0


def direction_log_loss(classes: ClassArray, probabilities: FloatArray, weights: FloatArray) -> float:
    """Log-loss of short against long on the rows that were not flat, 0 if there are none.

    When it will move is far easier to tell than where to: the other scores improve on the prior even on a market whose
    direction is pure noise. This one does not.
    """
    moved = classes != _FLAT
    if not moved.any():
        return 0.0
    sides = np.maximum(probabilities[np.ix_(moved, _SIDES)], _LEAST_PROBABILITY)
    happened = (classes[moved] == _SIDES[1]).astype(np.int8)
    return log_loss(happened, sides / sides.sum(axis=1, keepdims=True), weights[moved])


METRICS: Mapping[str, Callable[[ClassArray, FloatArray, FloatArray], float]] = MappingProxyType(
    {
        "log_loss": log_loss,
        "brier": brier_score,
        "ece": calibration_error,
        "macro_f1": macro_f1,
        "mcc": matthews_correlation,
        "direction_log_loss": direction_log_loss,
    }
)


def score(classes: ClassArray, probabilities: FloatArray, weights: FloatArray) -> dict[str, float]:
    """Return every metric of `METRICS`.

    Args:
        classes: shape (n,), what came true.
        probabilities: shape (n, 3), rows summing to 1.
        weights: shape (n,), uniqueness of each label.
    """
    return {name: metric(classes, probabilities, weights) for name, metric in METRICS.items()}


def reliability(
    classes: ClassArray, probabilities: FloatArray, weights: FloatArray, bins: int = CALIBRATION_BINS
) -> dict[str, list[dict[str, float]]]:
    """Return the reliability curve of each class, a dict a bin.

    Returns:
        ``predicted`` (mean), ``observed`` (share) with the ends ``low`` and ``high`` of its 95% score interval, and
        ``weight``. The weight, a sum of uniquenesses, counts as the number of independent outcomes of the bin.
    """
    return {name: _curve(probabilities[:, at], classes == at, weights, bins) for at, name in enumerate(CLASS_NAMES)}


def _curve(predicted: FloatArray, happened: FloatArray, weights: FloatArray, bins: int) -> list[dict[str, float]]:
    order = np.argsort(predicted, kind="stable")
    ranked, weight = predicted[order], weights[order]
    share_below = (np.cumsum(weight) - weight) / weight.sum()
    bin_of_row = np.minimum((share_below * bins).astype(np.int64), bins - 1)
    # Rows of equal prediction take the bin of the first of them.
    bin_of_row = bin_of_row[np.searchsorted(ranked, ranked, side="left")]
    in_bin = np.bincount(bin_of_row, weight, bins)
    sum_predicted = np.bincount(bin_of_row, weight * ranked, bins)
    sum_happened = np.bincount(bin_of_row, weight * happened[order], bins)
    return [
        _point(float(sum_predicted[at]), float(sum_happened[at]), float(in_bin[at]))
        for at in np.flatnonzero(in_bin > 0)
    ]


def _point(sum_predicted: float, sum_happened: float, weight: float) -> dict[str, float]:
    # Sums of the same terms may differ in their last digit.
    interval = wilson_interval(min(sum_happened, weight), weight)
    return {
        "predicted": sum_predicted / weight,
        "observed": sum_happened / weight,
        "low": interval.low,
        "high": interval.high,
        "weight": weight,
    }


def _indicators(classes: NDArray[np.integer[Any]]) -> FloatArray:
    indicators: FloatArray = np.eye(len(CLASS_NAMES))[classes]
    return indicators
