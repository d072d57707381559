"""How far a Sharpe ratio can be believed: its error, the trials it was chosen from, the time it needs.

Ratios here are per period (for daily returns: per day). An annual one is divided by the square root of the periods a
year, the variance of annual ones by the periods themselves.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from crypto_kedro.errors import LearningError
from crypto_kedro.learning.intervals import Interval
from crypto_kedro.market.bars import FloatArray

LEAST_RETURNS = 3
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class ReturnMoments:
    """What the error of a Sharpe ratio depends on.

    Args:
        sharpe: mean over standard deviation of the returns, per period.
        skewness: third standardised moment, 0 for normal returns.
        kurtosis: fourth standardised moment, 3 for normal returns.
        observations: number of returns.

    Raises:
        LearningError: there are too few observations, or no distribution has such moments.
    """

    sharpe: float
    skewness: float
    kurtosis: float
    observations: int

    def __post_init__(self) -> None:
        if self.observations < LEAST_RETURNS:
            raise LearningError(f"sharpe: {self.observations} returns are too few; give {LEAST_RETURNS} or more")
        if not self.kurtosis >= 1 + self.skewness**2 - 1e-9:
            raise LearningError(
                f"sharpe: no returns have skewness {self.skewness:g} and kurtosis {self.kurtosis:g}; "
                "the kurtosis is that of which a normal distribution has 3"
            )

    @classmethod
    def of(cls, returns: FloatArray) -> "ReturnMoments":
        """Measure returns, shape (n,): the deviation with n - 1, the higher moments with n.

        Raises:
            LearningError: the returns are too few, not finite, or do not vary.

        >>> round(ReturnMoments.of(np.array([0.01, -0.01, 0.02, 0.0])).sharpe, 4)
        0.3873
        """
        if returns.size < LEAST_RETURNS or not np.all(np.isfinite(returns)) or np.ptp(returns) == 0:
            raise LearningError(
                f"sharpe: {returns.size} returns that are too few, not finite or all equal have no Sharpe ratio; "
                f"give {LEAST_RETURNS} or more of an account that traded"
            )
        centred = returns - returns.mean()
        standardised = centred / np.sqrt(np.mean(centred**2))
        return cls(
            sharpe=float(returns.mean() / returns.std(ddof=1)),
            skewness=float(np.mean(standardised**3)),
            kurtosis=float(np.mean(standardised**4)),
            observations=returns.size,
        )

    @property
    def spread(self) -> float:
        """Standard error of the Sharpe ratio times the square root of the observations less one.

        Source: Mertens (2002), as in Bailey and Lopez de Prado, "The Sharpe ratio efficient frontier", Journal of Risk
        15 (2012). Returns are taken to be independent of each other.
        """
        variance = 1.0 - self.skewness * self.sharpe + (self.kurtosis - 1.0) / 4.0 * self.sharpe**2
        # Zero, up to rounding, for returns of two values only.
        return float(np.sqrt(max(variance, 1e-12)))

    def interval(self, level: float = 0.95) -> Interval:
        """Return the normal interval of the Sharpe ratio, per period."""
        half = _NORMAL.inv_cdf(0.5 + level / 2) * self.spread / np.sqrt(self.observations - 1)
        return Interval(float(self.sharpe - half), float(self.sharpe + half), level)


@dataclass(frozen=True, slots=True)
class DeflatedSharpe:
    """The probability that a Sharpe ratio is more than the best of so many useless trials.

    Args:
        probability: between 0 and 1.
        expected_maximum: Sharpe ratio, per period, that the best of the trials reaches without any skill.
        interval: of the Sharpe ratio itself, per period.
        moments: of the returns that were judged.
        trials: configurations among which they were chosen.
        trial_variance: variance of the trials' Sharpe ratios per period.
    """

    probability: float
    expected_maximum: float
    interval: Interval
    moments: ReturnMoments
    trials: int
    trial_variance: float


def probabilistic_sharpe(moments: ReturnMoments, benchmark: float = 0.0) -> float:
    """Return the probability that the true Sharpe ratio exceeds a benchmark, both per period.

    Source: Bailey and Lopez de Prado, "The Sharpe ratio efficient frontier", Journal of Risk 15 (2012).

    >>> round(probabilistic_sharpe(ReturnMoments(0.458, -2.448, 10.164, 24)), 3)
    0.913
    """
    return _NORMAL.cdf((moments.sharpe - benchmark) * np.sqrt(moments.observations - 1) / moments.spread)


def variance_of_trials(trial_sharpes: FloatArray, observations: int) -> float:
    """Return the variance to expect of trials' Sharpe ratios per period if none of them had skill.

    That is the variance among the trials, which is small where they resemble each other, but at most the sampling
    variance of a Sharpe ratio of 0. What trials differ by beyond that is skill, and would deflate the skilled ones.

    Args:
        trial_sharpes: shape (trials,), the Sharpe ratios that are known, all over the same periods. With fewer than
            two, the sampling variance is returned.
        observations: number of these periods.

    Raises:
        LearningError: there are too few observations, or a Sharpe ratio is not finite.

    >>> round(variance_of_trials(np.array([0.0, 0.01, 0.02]), observations=1001), 6)
    0.0001
    >>> round(variance_of_trials(np.array([0.0, 0.1, 0.2]), observations=1001), 6)
    0.001
    """
    if observations < LEAST_RETURNS or not np.all(np.isfinite(trial_sharpes)):
        raise LearningError(
            f"sharpe: {observations} periods, or a trial's Sharpe ratio that is not finite, give no variance; "
            f"give {LEAST_RETURNS} periods or more, and leave out trials that did not trade but count them"
        )
    sampling = 1.0 / (observations - 1)
    return min(float(np.var(trial_sharpes, ddof=1)), sampling) if trial_sharpes.size > 1 else sampling


def expected_maximum_sharpe(trials: int, trial_variance: float) -> float:
    """Return the Sharpe ratio, per period, to expect of the best of independent trials without skill; 0 for one trial.

    Args:
        trials: every configuration that was judged on these data, also those that failed or were thrown away.
        trial_variance: variance of their Sharpe ratios per period, see `variance_of_trials`.

    Raises:
        LearningError: there is no trial, or the variance is negative.

    Source: Bailey and Lopez de Prado, "The deflated Sharpe ratio", Journal of Portfolio Management 40 (2014).

    >>> round(expected_maximum_sharpe(trials=100, trial_variance=0.5 / 250), 4)
    0.1132
    """
    if trials < 1 or not trial_variance >= 0:
        raise LearningError(
            f"sharpe: {trials} trials with a variance of {trial_variance}; the model itself is a trial, and a variance "
            "is 0 or more: count the runs on these data again"
        )
    if trials == 1:
        return 0.0
    best, best_of_e = (_NORMAL.inv_cdf(1.0 - 1.0 / count) for count in (trials, trials * np.e))
    return float(np.sqrt(trial_variance) * ((1.0 - np.euler_gamma) * best + np.euler_gamma * best_of_e))


def deflated_sharpe(moments: ReturnMoments, trials: int, trial_variance: float, level: float = 0.95) -> DeflatedSharpe:
    """Judge a Sharpe ratio by what the best of its trials would reach without skill.

    Args:
        moments: of the returns that are judged.
        trials: as in `expected_maximum_sharpe`.
        trial_variance: as in `expected_maximum_sharpe`.
        level: of the interval of the Sharpe ratio.

    Raises:
        LearningError: as in `expected_maximum_sharpe`.

    Source: Bailey and Lopez de Prado, "The deflated Sharpe ratio", Journal of Portfolio Management 40 (2014).

    >>> year = 250
    >>> returns = ReturnMoments(sharpe=2.5 / year**0.5, skewness=-3.0, kurtosis=10.0, observations=5 * year)
    >>> round(deflated_sharpe(returns, trials=100, trial_variance=0.5 / year).probability, 4)
    0.9004
    """
    best = expected_maximum_sharpe(trials, trial_variance)
    probability = probabilistic_sharpe(moments, best)
    return DeflatedSharpe(probability, best, moments.interval(level), moments, trials, trial_variance)


def minimum_track_record(moments: ReturnMoments, benchmark: float = 0.0, level: float = 0.95) -> float | None:
    """Return how many returns like these it takes for `probabilistic_sharpe` to reach a level.

    Returns:
        A number of periods, not rounded; None if the Sharpe ratio does not exceed the benchmark, so that no length
        suffices.

    Source: Bailey and Lopez de Prado, "The Sharpe ratio efficient frontier", Journal of Risk 15 (2012).

    >>> months = 12
    >>> returns = ReturnMoments(sharpe=2 / months**0.5, skewness=-0.72, kurtosis=5.78, observations=24)
    >>> round(minimum_track_record(returns, benchmark=1 / months**0.5) / months, 2)
    4.99
    """
    if moments.sharpe <= benchmark:
        return None
    return float(1.0 + (moments.spread * _NORMAL.inv_cdf(level) / (moments.sharpe - benchmark)) ** 2)
