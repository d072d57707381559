"""Exact limits of a proportion, such as the share of worthless models that a judge lets through."""

from scipy.stats import binomtest

from crypto_kedro.errors import LearningError
from crypto_kedro.learning.intervals import Interval


def clopper_pearson_interval(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Return the exact two-sided interval of a proportion; without a trial it is all of 0 to 1.

    It covers the true proportion at least as often as its level says, whatever that proportion is.

    Raises:
        LearningError: successes are negative or more than the trials.

    Source: Clopper and Pearson, "The use of confidence or fiducial limits", Biometrika 26 (1934).

    >>> interval = clopper_pearson_interval(0, 20)
    >>> (interval.low, round(interval.high, 4))
    (0.0, 0.1684)
    """
    low, high = _limits(successes, trials, level, "two-sided")
    return Interval(low, high, level)


def clopper_pearson_upper(successes: int, trials: int, level: float = 0.95) -> float:
    """Return the exact one-sided upper limit of a proportion; without a trial it is 1.

    Raises:
        LearningError: successes are negative or more than the trials.

    >>> round(clopper_pearson_upper(0, 60), 4)
    0.0487
    """
    return _limits(successes, trials, level, "less")[1]


def _limits(successes: int, trials: int, level: float, alternative: str) -> tuple[float, float]:
    if not 0 <= successes <= trials:
        raise LearningError(f"proportion: {successes} successes in {trials} trials; count again")
    if trials == 0:
        return 0.0, 1.0
    interval = binomtest(successes, trials, alternative=alternative).proportion_ci(level, method="exact")
    return float(interval.low), float(interval.high)
