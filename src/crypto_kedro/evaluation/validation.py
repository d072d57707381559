"""Is it luck? Daily returns against the number of trials, the choice among candidates, and the baselines."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from crypto_kedro.evaluation.baselines import RandomTraders
from crypto_kedro.evaluation.conditions import Conditions
from crypto_kedro.evaluation.model_trader import account_of, model_trader, signal_rows
from crypto_kedro.evaluation.span import Span
from crypto_kedro.learning.bootstrap import LEAST_DAYS, resampled_performance, superiority
from crypto_kedro.learning.intervals import Interval, Resampling, stationary_bootstrap, wilson_interval
from crypto_kedro.learning.opportunities import LONG, Opportunities
from crypto_kedro.learning.overfitting import backtest_overfitting
from crypto_kedro.learning.performance import DAYS_PER_YEAR, AccountHistory, by_volatility, daily_growth
from crypto_kedro.learning.sharpe_ratio import (
    LEAST_RETURNS,
    ReturnMoments,
    deflated_sharpe,
    minimum_track_record,
    variance_of_trials,
)
from crypto_kedro.market.bars import DAY_MS, FloatArray, IntArray
from crypto_kedro.session.records import BacktestResult
from crypto_kedro.trading.orders import PositionSide

WORST_CASES = 0.05


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """Every configuration that was ever tried on the same candles, this one included.

    Args:
        trials: how many.
        daily_sharpes: Sharpe ratios per day of those whose result is known, over about the same days.
    """

    trials: int = 1
    daily_sharpes: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class ValidationRule:
    """How an account is told from luck.

    Args:
        thresholds: confidence thresholds beside the model's own among which the choice is cross-validated.
        overfitting_blocks: blocks of time of that cross-validation.
        resampling: of days.
    """

    thresholds: tuple[float, ...]
    overfitting_blocks: int
    resampling: Resampling


def validate(
    history: AccountHistory,
    candidates: FloatArray,
    baselines: Mapping[str, FloatArray],
    trials: TrialRecord,
    rule: ValidationRule,
    final_days: int,
) -> dict[str, Any]:
    """Return JSON-able figures on how far the account's result may be luck; None is what could not be measured.

    Args:
        history: the account of the model's trader.
        candidates: daily returns of everything that might have been chosen instead, shape (days, candidates): the
            trader at other thresholds and traders without a model.
        baselines: daily returns of traders that it must be better than, each of shape (days,).
        trials: made on the same candles.
        rule: thresholds, blocks and resampling.
        final_days: how many of the last days are the final window.
    """
    returns = daily_growth(history)
    traded = returns.size >= max(LEAST_RETURNS, LEAST_DAYS) and np.ptp(returns) > 0 and len(history.trades) > 0
    return {
        "trials": trials.trials,
        "sharpe": _deflated(returns, trials, rule.resampling.level) if traded else None,
        "bootstrap": asdict(resampled_performance(returns, rule.resampling)) if traded else None,
        "overfitting": _overfitting(np.column_stack([returns, candidates]), rule.overfitting_blocks)
        if traded
        else None,
        "superiority": {
            name: asdict(superiority(returns[:, None], baseline, rule.resampling))
            for name, baseline in baselines.items()
        }
        if traded
        else None,
        "final_floor": final_floor(returns, final_days, rule.resampling),
        **stability(history),
    }


def final_floor(returns: FloatArray, final_days: int, resampling: Resampling) -> float | None:
    """Return what as many days as the final window's brought at the worst before it, in 95 of 100 resampled cases.

    Args:
        returns: daily returns, shape (days,), the final window's last.
        final_days: its days.
        resampling: of the days before it, in stretches.

    Returns:
        A profit as a fraction, 0 at most; None if there are fewer days before the final window than in it.
    """
    before = returns[: returns.size - final_days]
    if final_days < 1 or before.size < final_days:
        return None
    draws = stationary_bootstrap(before.size, resampling)[:, :final_days]
    # A window that does not lose holds, however well the ones before it did.
    return min(0.0, float(np.quantile(np.prod(1.0 + before[draws], axis=1) - 1.0, WORST_CASES)))


def candidate_returns(
    span: Span, opportunities: Opportunities, conditions: Conditions, random: RandomTraders, rule: ValidationRule
) -> FloatArray:
    """Return the daily returns of the candidates that `validate` takes, shape (days, candidates)."""
    columns = []
    for threshold in rule.thresholds:
        signal = replace(conditions.settings.signal, confidence_threshold=threshold)
        other = replace(conditions, settings=replace(conditions.settings, signal=signal))
        columns.append(daily_growth(account_of(span, model_trader(span, opportunities, other), other)))
    return np.column_stack([*columns, returns_of(random.daily_equity, random.capital).T])


def returns_of(daily_equity: FloatArray, capital: float) -> FloatArray:
    """Return the growth over each day of equities in JPY, days in the last axis; the first starts from the capital."""
    opening = np.concatenate([np.full((*daily_equity.shape[:-1], 1), capital), daily_equity[..., :-1]], axis=-1)
    returns: FloatArray = daily_equity / opening - 1.0
    return returns


def stability(history: AccountHistory) -> dict[str, float | None]:
    """Return the share of volatility regimes that earned, and the part of the best trade in the whole profit."""
    net = history.trades["net_jpy"].to_numpy(dtype=np.float64)
    regimes = by_volatility(history, max(2, DAY_MS // history.bar_ms))
    traded = regimes[regimes["trades"] > 0]
    return {
        "regimes_profitable": float((traded["net_jpy"] > 0).mean()) if len(traded) else None,
        "largest_trade_share": float(net.max() / net.sum()) if net.size and net.sum() > 0 else None,
    }


def executed_calibration(
    span: Span, opportunities: Opportunities, label: IntArray, result: BacktestResult, level: float
) -> dict[str, Any]:
    """Compare the probability of the executed trades with how often their barriers paid.

    The outcome is the label of the bar that signalled: whether the trade's target came first and paid more than it
    cost. How the trade itself ended would not do, since a trade that an opposite signal closes has no such outcome.

    Args:
        span: the history.
        opportunities: rows with a label.
        label: class of each row, shape (n,): 0 short, 1 flat, 2 long.
        result: what was traded.
        level: of the intervals.

    Returns:
        ``trades``, ``predicted`` (mean probability), ``observed`` (share), ``observed_interval`` and ``overconfidence``
        (at least so much does the share fall short of the probability: the lower end of its interval); None without
        trades.
    """
    is_long = np.array([trade.side is PositionSide.LONG for trade in result.trades], dtype=np.bool_)
    row_of = np.full(span.window.size, -1, dtype=np.int64)
    row_of[span.rows_at(opportunities.signal_ms)] = np.arange(len(opportunities))
    row = row_of[signal_rows(span, result)]
    row, is_long = row[row >= 0], is_long[row >= 0]
    if row.size == 0:
        return {"trades": 0, "predicted": None, "observed": None, "observed_interval": None, "overconfidence": None}
    predicted = float(np.mean(opportunities.probability[row, np.where(is_long, LONG, 0)]))
    hits = int(np.sum(label[row] == np.where(is_long, 2, 0)))
    interval = wilson_interval(hits, row.size, level)
    return {
        "trades": int(row.size),
        "predicted": predicted,
        "observed": hits / row.size,
        "observed_interval": asdict(interval),
        "overconfidence": predicted - interval.high,
    }


def _deflated(returns: FloatArray, trials: TrialRecord, level: float) -> dict[str, Any]:
    moments = ReturnMoments.of(returns)
    variance = variance_of_trials(np.array(trials.daily_sharpes, dtype=np.float64), returns.size)
    deflated = deflated_sharpe(moments, trials.trials, variance, level)
    year = float(np.sqrt(DAYS_PER_YEAR))
    return {
        "annual": moments.sharpe * year,
        "interval": asdict(Interval(deflated.interval.low * year, deflated.interval.high * year, level)),
        "skewness": moments.skewness,
        "kurtosis": moments.kurtosis,
        "expected_maximum": deflated.expected_maximum * year,
        "deflated": deflated.probability,
        "minimum_track_record_days": minimum_track_record(moments, deflated.expected_maximum, level),
    }


def _overfitting(returns: FloatArray, blocks: int) -> dict[str, Any] | None:
    if returns.shape[1] < 2 or len(returns) < 2 * blocks:
        return None
    judged = backtest_overfitting(returns, blocks)
    return {
        "probability": judged.probability,
        "probability_of_loss": judged.probability_of_loss,
        "degradation_slope": judged.degradation_slope,
        "configurations": judged.configurations,
        "blocks": judged.blocks,
    }
