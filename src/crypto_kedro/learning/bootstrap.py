"""What chance can do to a profit and a Sharpe ratio, and whether the best of several beats a baseline beyond chance."""

from dataclasses import dataclass

import numpy as np

from crypto_kedro.errors import LearningError
from crypto_kedro.learning.intervals import Interval, Resampling, bootstrap_interval, profit_interval
from crypto_kedro.learning.performance import DAYS_PER_YEAR, sharpe_ratio
from crypto_kedro.market.bars import FloatArray

LEAST_DAYS = 20


@dataclass(frozen=True, slots=True)
class ResampledPerformance:
    """Profit and Sharpe ratio with the intervals of a stationary bootstrap of days.

    Args:
        net_profit: compounded, fraction of the capital.
        net_profit_interval: its percentile interval.
        sharpe: annualised over 365 days; None, as its interval, if the days do not vary.
        sharpe_interval: its percentile interval.
        days: number of daily returns.
        mean_block_days: expected length of a resampled stretch.
    """

    net_profit: float
    net_profit_interval: Interval | None
    sharpe: float | None
    sharpe_interval: Interval | None
    days: int
    mean_block_days: float


@dataclass(frozen=True, slots=True)
class Superiority:
    """Whether the best of several candidates beats a baseline by more than the luck of being the best.

    Args:
        best: column of the candidate with the highest mean return.
        mean_excess: its mean daily return above the baseline's.
        p_value: Hansen's consistent p-value of "no candidate is better than the baseline"; 1, as the other two, if
            none was.
        p_value_lower: a lower limit, for which candidates that look worse are as bad as they look.
        p_value_reality_check: White's, an upper limit, for which every candidate is as good as the baseline.
        candidates, days: size of what was judged.
        mean_block_days: expected length of a resampled stretch.
    """

    best: int
    mean_excess: float
    p_value: float
    p_value_lower: float
    p_value_reality_check: float
    candidates: int
    days: int
    mean_block_days: float


def automatic_block(daily_returns: FloatArray) -> float:
    """Return the expected stretch, in days, that suits a stationary bootstrap of returns, shape (days,); 1 or more.

    Raises:
        LearningError: there are fewer than `LEAST_DAYS` days, or a return is not finite.

    Source: Politis and White, "Automatic block-length selection for the dependent bootstrap", Econometric Reviews 23
    (2004), with the correction of Patton, Politis and White (2009), as arch computes it.
    """
    # arch takes seconds to import, which every command would pay.
    from arch.bootstrap import optimal_block_length

    _check(daily_returns)
    if np.ptp(daily_returns) == 0:
        return 1.0
    return max(1.0, float(optimal_block_length(daily_returns)["stationary"].iloc[0]))


def resampled_performance(daily_returns: FloatArray, resampling: Resampling) -> ResampledPerformance:
    """Return the profit and Sharpe ratio of an account with their intervals.

    Args:
        daily_returns: shape (days,), UTC days.
        resampling: how the days are drawn; `automatic_block` gives a mean block that suits the returns.

    Raises:
        LearningError: there are fewer than `LEAST_DAYS` days, a return is not finite, or a day lost everything.
    """
    _check(daily_returns)
    if np.any(daily_returns <= -1):
        raise LearningError("bootstrap: a day lost the whole capital, and nothing can be compounded after it")
    sharpe = sharpe_ratio(daily_returns)
    return ResampledPerformance(
        net_profit=float(np.prod(1.0 + daily_returns) - 1.0),
        net_profit_interval=profit_interval(daily_returns, resampling),
        sharpe=sharpe,
        sharpe_interval=None if sharpe is None else sharpe_interval(daily_returns, resampling),
        days=daily_returns.size,
        mean_block_days=resampling.mean_block,
    )


def sharpe_interval(daily_returns: FloatArray, resampling: Resampling) -> Interval | None:
    """Return the percentile interval of the annualised Sharpe ratio of daily returns, shape (days,).

    It is None if some resampled series does not vary, as happens to an account that hardly ever trades.
    """
    days = daily_returns.size

    def annualised(total: FloatArray) -> FloatArray:
        mean = total[:, 0] / days
        variance = (total[:, 1] - days * mean**2) / (days - 1)
        deviation = np.sqrt(np.where(variance > 0, variance, np.nan))
        ratio: FloatArray = mean / deviation * np.sqrt(DAYS_PER_YEAR)
        return ratio

    return bootstrap_interval(annualised, np.column_stack([daily_returns, daily_returns**2]), resampling)


def superiority(candidates: FloatArray, baseline: FloatArray, resampling: Resampling) -> Superiority:
    """Test whether the best candidate's mean daily return exceeds a baseline's, as Hansen and White do.

    To claim that the best beats several baselines, each must be rejected: take the largest of the p-values.

    Args:
        candidates: daily returns, shape (days, candidates), every configuration that was tried.
        baseline: daily returns of the same days, shape (days,); zeros for an account that stays flat.
        resampling: replications, mean block (rounded to whole days) and seed.

    Raises:
        LearningError: the shapes do not agree, there are fewer than `LEAST_DAYS` days, or a return is not finite.

    Source: Hansen, "A test for superior predictive ability", Journal of Business and Economic Statistics 23 (2005);
    White, "A reality check for data snooping", Econometrica 68 (2000), as arch computes them.
    """
    from arch.bootstrap import SPA

    if candidates.ndim != 2 or candidates.shape[1] == 0 or candidates.shape[0] != baseline.size:
        raise LearningError(
            f"superiority: candidates of shape {candidates.shape} and {baseline.size} days of the baseline do not fit; "
            "give one column or more of returns of the same days"
        )
    _check(candidates)
    _check(baseline)
    excess = (candidates - baseline[:, None]).mean(axis=0)
    best = int(np.argmax(excess))
    block = max(1, round(resampling.mean_block))
    # arch compares losses.
    test = SPA(-baseline, -candidates, block_size=block, reps=resampling.replications, seed=resampling.seed)
    test.compute()
    # Without an excess there is nothing to reject; arch would give 0 to candidates equal to the baseline.
    p_values = test.pvalues if excess[best] > 0 else dict.fromkeys(("lower", "consistent", "upper"), 1.0)
    return Superiority(
        best=best,
        mean_excess=float(excess[best]),
        p_value=float(p_values["consistent"]),
        p_value_lower=float(p_values["lower"]),
        p_value_reality_check=float(p_values["upper"]),
        candidates=candidates.shape[1],
        days=baseline.size,
        mean_block_days=float(block),
    )


def _check(returns: FloatArray) -> None:
    if len(returns) < LEAST_DAYS or not np.all(np.isfinite(returns)):
        raise LearningError(
            f"bootstrap: {len(returns)} days, or a return that is not finite, allow no statement; "
            f"give {LEAST_DAYS} days or more of an account that was always worth something"
        )
