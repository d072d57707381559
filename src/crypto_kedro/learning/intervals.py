"""Confidence intervals for results whose neighbouring bars depend on each other."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from crypto_kedro.errors import LearningError
from crypto_kedro.market.bars import FloatArray, IntArray

CLASSES, FLAT = 3, 1
LEAST_PROBABILITY = 1e-15


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided confidence interval.

    Args:
        low, high: bounds, in the unit of the estimated quantity.
        level: coverage that the method aims at, such as 0.95.
    """

    low: float
    high: float
    level: float


@dataclass(frozen=True, slots=True)
class Resampling:
    """How a statistic is resampled.

    Args:
        level: coverage of the intervals, between 0 and 1.
        replications: resampled series.
        mean_block: expected length of a resampled stretch, in blocks of time.
        seed: of the random numbers; the same seed gives the same interval.
    """

    level: float = 0.95
    replications: int = 1000
    mean_block: float = 5.0
    seed: int = 0


def wilson_interval(successes: float, trials: float, level: float = 0.95) -> Interval:
    """Return the score interval of a proportion; without a trial it is all of 0 to 1.

    Dependent trials may count as fewer: the numbers need not be whole.

    Raises:
        LearningError: successes are negative or more than the trials.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    if not 0 <= successes <= trials:
        raise LearningError(f"hit rate: {successes} successes in {trials} trials; count again")
    if trials == 0:
        return Interval(0.0, 1.0, level)
    z2 = NormalDist().inv_cdf(0.5 + level / 2) ** 2
    share = successes / trials
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = np.sqrt(z2 * (share * (1 - share) / trials + z2 / (4 * trials**2))) / (1 + z2 / trials)
    return Interval(float(max(0.0, centre - half)), float(min(1.0, centre + half)), level)


def stationary_bootstrap(length: int, resampling: Resampling) -> IntArray:
    """Return positions of resampled series, shape (replications, length).

    A series is read in stretches of geometrically distributed length, from random starts, wrapping at its end.

    Raises:
        LearningError: the series is empty, or the mean block is shorter than one position.

    Source: Politis and Romano, "The stationary bootstrap", JASA 89 (1994).
    """
    if length < 1 or resampling.mean_block < 1:
        raise LearningError(
            f"intervals: {length} blocks of time with a mean stretch of {resampling.mean_block}; "
            "both must be at least 1: evaluate over a longer time or raise evaluation.bootstrap_mean_days"
        )
    rng = np.random.default_rng(resampling.seed)
    shape = (resampling.replications, length)
    starts = rng.integers(length, size=shape)
    begins = rng.random(shape) < 1.0 / resampling.mean_block
    begins[:, 0] = True
    position = np.broadcast_to(np.arange(length), shape)
    begun_at = np.maximum.accumulate(np.where(begins, position, 0), axis=1)
    resampled: IntArray = (np.take_along_axis(starts, begun_at, axis=1) + position - begun_at) % length
    return resampled


def bootstrap_interval(
    statistic: Callable[[FloatArray], FloatArray], sums: FloatArray, resampling: Resampling
) -> Interval | None:
    """Return the percentile interval of a statistic of sums over blocks of time.

    Args:
        statistic: maps totals, shape (m, k), to values, shape (m,).
        sums: what each block of time contributes to the totals, shape (blocks, k).
        resampling: how the blocks are drawn.

    Returns:
        The interval, or None if the statistic is undefined in a resampled series or there is only one block.
    """
    if len(sums) < 2:
        return None
    drawn = stationary_bootstrap(len(sums), resampling)
    offsets = drawn + len(sums) * np.arange(len(drawn))[:, None]
    times = np.bincount(offsets.ravel(), minlength=drawn.shape[0] * len(sums)).reshape(len(drawn), len(sums))
    values = statistic(times @ sums)
    return _percentiles(values, resampling) if np.all(np.isfinite(values)) else None


def reweighted_interval(
    metric: Callable[[FloatArray], float], weight: FloatArray, block: IntArray, resampling: Resampling
) -> Interval | None:
    """Return the percentile interval of a metric that takes row weights, for metrics that are no function of sums.

    Args:
        metric: value for row weights of shape (n,).
        weight: shape (n,), as used for the point estimate.
        block: block of time of each row, shape (n,).
        resampling: how the blocks are drawn; the metric is computed once a replication.

    Returns:
        The interval, or None if there is only one block.
    """
    blocks, row_block = np.unique(block, return_inverse=True)
    if len(blocks) < 2:
        return None
    drawn = stationary_bootstrap(len(blocks), resampling)
    values = [metric(weight * np.bincount(series, minlength=len(blocks))[row_block]) for series in drawn]
    return _percentiles(np.array(values), resampling)


def block_sums(contributions: FloatArray, block: IntArray) -> FloatArray:
    """Add up the rows of each block of time.

    Args:
        contributions: shape (n, k).
        block: number of each row's block, shape (n,), for instance its day; rows of one block need not be adjacent.

    Returns:
        Shape (blocks, k), blocks in ascending order.
    """
    blocks, row_block = np.unique(block, return_inverse=True)
    sums = np.zeros((len(blocks), contributions.shape[1]))
    np.add.at(sums, row_block, contributions)
    return sums


def classification_intervals(
    probabilities: FloatArray,
    prior: FloatArray,
    label: IntArray,
    weight: FloatArray,
    block: IntArray,
    resampling: Resampling,
) -> dict[str, Interval | None]:
    """Return intervals of the model's scores and of its distance from the prior.

    Args:
        probabilities: shape (n, 3), columns short, flat, long.
        prior: class shares of the training data, shape (n, 3).
        label: class of each row, shape (n,).
        weight: shape (n,), as used for the point estimates.
        block: block of time of each row, shape (n,).
        resampling: how blocks are drawn.

    Returns:
        ``log_loss``, ``brier``, ``direction_log_loss``, ``macro_f1`` and ``mcc`` as `learning.metrics` defines them,
        and ``log_loss_gain``, ``brier_gain``, ``direction_log_loss_gain``: by how much the model is better (positive)
        than the prior on the same rows.
    """
    rows = np.arange(len(label))
    moved = label != FLAT
    confusion = np.zeros((len(label), CLASSES * CLASSES))
    confusion[rows, label * CLASSES + np.argmax(probabilities, axis=1)] = 1.0
    losses = [_losses(probabilities, label), _losses(prior, label)]
    contributions = np.column_stack([*losses, np.ones(len(label)), np.ones(len(label)), moved, confusion])
    sums = block_sums(contributions * weight[:, None], block)

    intervals: dict[str, Interval | None] = {
        "macro_f1": bootstrap_interval(lambda total: _macro_f1(total[:, 9:]), sums, resampling),
        "mcc": bootstrap_interval(lambda total: _mcc(total[:, 9:]), sums, resampling),
    }
    for at, name in enumerate(("log_loss", "brier", "direction_log_loss")):
        loss, prior_loss, count = sums[:, at], sums[:, 3 + at], sums[:, 6 + at]
        intervals[name] = bootstrap_interval(_ratio, np.column_stack([loss, count]), resampling)
        intervals[f"{name}_gain"] = bootstrap_interval(_ratio, np.column_stack([prior_loss - loss, count]), resampling)
    return intervals


def profit_interval(daily_returns: FloatArray, resampling: Resampling) -> Interval | None:
    """Return the interval of the compounded profit of a series of daily returns, shape (days,)."""
    return bootstrap_interval(
        lambda total: np.expm1(total[:, 0]), np.log1p(np.asarray(daily_returns, dtype=np.float64))[:, None], resampling
    )


def _percentiles(values: FloatArray, resampling: Resampling) -> Interval:
    tail = (1 - resampling.level) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(float(low), float(high), resampling.level)


def _losses(probabilities: FloatArray, label: IntArray) -> FloatArray:
    """Return each row's log-loss, Brier score and log-loss of the direction (0 for flat), shape (n, 3)."""
    floored = np.maximum(probabilities, LEAST_PROBABILITY)
    happened = floored[np.arange(len(label)), label]
    either_side = floored.sum(axis=1) - floored[:, FLAT]
    return np.column_stack(
        [
            -np.log(happened),
            np.sum((probabilities - np.eye(CLASSES)[label]) ** 2, axis=1),
            np.where(label == FLAT, 0.0, np.log(either_side) - np.log(happened)),
        ]
    )


def _ratio(total: FloatArray) -> FloatArray:
    """Return the first column over the second, shape (m,), and NaN where that is undefined."""
    quotient: FloatArray = np.divide(total[:, 0], total[:, 1], out=np.full(len(total), np.nan), where=total[:, 1] > 0)
    return quotient


def _macro_f1(confusion: FloatArray) -> FloatArray:
    """Mean F1 over the classes, shape (m,), of flattened (true, predicted) matrices; a class never seen scores 0."""
    matrix = confusion.reshape(-1, CLASSES, CLASSES)
    hits = np.diagonal(matrix, axis1=1, axis2=2)
    seen = matrix.sum(axis=1) + matrix.sum(axis=2)
    scores: FloatArray = np.divide(2 * hits, seen, out=np.zeros_like(seen), where=seen > 0).mean(axis=1)
    return scores


def _mcc(confusion: FloatArray) -> FloatArray:
    """Multiclass Matthews correlation, shape (m,), of flattened matrices; 0 where it is undefined.

    Source: Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient" (2004).
    """
    matrix = confusion.reshape(-1, CLASSES, CLASSES)
    total = matrix.sum(axis=(1, 2))
    true, predicted = matrix.sum(axis=2), matrix.sum(axis=1)
    hits = np.trace(matrix, axis1=1, axis2=2)
    covariance = hits * total - np.sum(true * predicted, axis=1)
    spread_squared = (total**2 - np.sum(true**2, axis=1)) * (total**2 - np.sum(predicted**2, axis=1))
    # Rounding leaves a constant prediction slightly off zero, on either side.
    spread = np.sqrt(np.where(spread_squared > 1e-12 * total**4, spread_squared, 0.0))
    correlation: FloatArray = np.divide(covariance, spread, out=np.zeros_like(total), where=spread > 0)
    return correlation
