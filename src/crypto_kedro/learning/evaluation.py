"""The judgement of out-of-sample predictions: are they informative, and would they have earned money?"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from crypto_kedro.errors import LearningError, LineageError
from crypto_kedro.learning.baselines import RandomEntries, buy_and_hold, random_entries, realised_equity, share_beaten
from crypto_kedro.learning.gates import Evidence
from crypto_kedro.learning.intervals import (
    Interval,
    Resampling,
    classification_intervals,
    profit_interval,
    reweighted_interval,
)
from crypto_kedro.learning.metrics import calibration_error, reliability, score
from crypto_kedro.learning.splits import FINAL_WINDOW
from crypto_kedro.learning.threshold_strategy import (
    Opportunities,
    Performance,
    Trades,
    daily_closes,
    daily_returns,
    equity_curve,
    find_opportunities,
    max_drawdown,
    measure,
    sharpe_ratio,
    take_trades,
    trade_table,
)
from crypto_kedro.market.bars import DAY_MS, Bars, FloatArray
from crypto_kedro.market.costs import CostSchedule
from crypto_kedro.market.frame import open_times, timestamps

MODEL_COLUMNS = ["p_short", "p_flat", "p_long"]
PRIOR_COLUMNS = ["prior_short", "prior_flat", "prior_long"]
BAND = {"random_p05": 0.05, "random_p50": 0.5, "random_p95": 0.95}
_COSTLY_REPLICATIONS = 200


@dataclass(frozen=True, slots=True)
class TradingRule:
    """How predictions are traded and compared.

    Args:
        confidence_threshold: probability of a side from which the strategy enters.
        random_traders: random-entry traders to compare with.
        resampling: of days, for the intervals; its seed also draws the random traders.
    """

    confidence_threshold: float
    random_traders: int
    resampling: Resampling


@dataclass(frozen=True, slots=True, eq=False)
class StrategyRun:
    """What the threshold strategy did out of sample.

    Args:
        trades: one row a trade, see `trade_table`.
        equity: one row a bar: ``timestamp`` (its open), ``equity`` and ``buy_and_hold`` at its close (starting
            capital 1), ``position``, ``drawdown``, and ``random_p05``, ``random_p50``, ``random_p95``: percentiles of
            the random traders' realised capital, as of the last daily close.
        results: JSON-able figures.
    """

    trades: pd.DataFrame
    equity: pd.DataFrame
    results: dict[str, Any]


def trade_predictions(
    bars: Bars, predictions: pd.DataFrame, labels: pd.DataFrame, costs: CostSchedule, rule: TradingRule
) -> StrategyRun:
    """Trade the predictions with the threshold strategy, beside its baselines.

    Args:
        bars: decision bars.
        predictions: out-of-sample predictions, see `find_opportunities`.
        labels: with the outcome of a trade after each bar.
        costs: the schedule with which the labels were made.
        rule: threshold and comparison.

    Raises:
        LearningError: bars, predictions and labels do not belong together.
    """
    opportunities = find_opportunities(predictions, labels, bars.interval_ms, costs)
    traded = _traded_bars(bars, opportunities)
    trades = take_trades(opportunities, rule.confidence_threshold)
    equity, position = equity_curve(traded, opportunities, trades)
    held = buy_and_hold(traded, costs)
    random = random_entries(opportunities, trades, rule.random_traders, rule.resampling.seed)
    daily = daily_returns(traded, equity)
    side_probability = opportunities.probability.max(axis=1)
    performance = measure(traded, opportunities, trades, equity, position, rule.resampling.level)
    results = {
        "confidence_threshold": rule.confidence_threshold,
        "bars": len(traded),
        "days": len(daily),
        "signals": int(np.sum(side_probability >= rule.confidence_threshold)),
        "highest_probability": float(side_probability.max()),
        "strategy": {
            **asdict(performance),
            "net_profit_interval": interval_record(profit_interval(daily, rule.resampling) if len(trades) else None),
        },
        "baselines": {
            "always_flat": {"net_profit": 0.0, "sharpe": None, "max_drawdown": 0.0},
            "buy_and_hold": {
                "net_profit": float(held[-1] - 1.0),
                "sharpe": sharpe_ratio(daily_returns(traded, held)),
                "max_drawdown": max_drawdown(held),
            },
            "random_entries": _random_record(random, performance),
        },
        "windows": window_profits(opportunities, trades),
    }
    curves = pd.DataFrame(
        {
            "timestamp": timestamps(traded.open_time),
            "equity": equity,
            "position": position.astype(np.int8),
            "drawdown": 1.0 - equity / np.maximum(1.0, np.maximum.accumulate(equity)),
            "buy_and_hold": held,
            **_random_band(traded, opportunities, random),
        }
    )
    return StrategyRun(trade_table(traded, opportunities, trades), curves, results)


def score_predictions(predictions: pd.DataFrame, resampling: Resampling) -> dict[str, Any]:
    """Score calibrated probabilities beside the prior's, in total and in each window.

    Args:
        predictions: ``timestamp``, ``window``, `MODEL_COLUMNS`, `PRIOR_COLUMNS`, ``label`` and ``weight``.
        resampling: of UTC days, for the intervals.

    Returns:
        JSON-able figures: ``model`` and ``prior`` (each metric), ``intervals`` (of the model's metrics and of its gain
        over the prior), ``reliability`` (curves), ``windows`` (rows, limits and scores of each) and
        ``folds_better_than_prior`` (share of windows with a lower log-loss of the direction).
    """
    model, prior, label, weight = _arrays(predictions)
    day = open_times(predictions) // DAY_MS
    intervals = classification_intervals(model, prior, label, weight, day, resampling)
    costly = replace(resampling, replications=min(resampling.replications, _COSTLY_REPLICATIONS))
    intervals["ece"] = reweighted_interval(lambda w: calibration_error(label, model, w), weight, day, costly)
    windows = {str(name): _window_scores(rows) for name, rows in predictions.groupby("window", sort=False)}
    better = [scores["direction_log_loss"] < scores["prior_direction_log_loss"] for scores in windows.values()]
    return {
        "predictions": len(predictions),
        "first": _moment(predictions["timestamp"].iloc[0]),
        "last": _moment(predictions["timestamp"].iloc[-1]),
        "model": score(label, model, weight),
        "prior": score(label, prior, weight),
        "intervals": {name: interval_record(interval) for name, interval in intervals.items()},
        "reliability": reliability(label, model, weight),
        "windows": windows,
        "folds_better_than_prior": float(np.mean(better)),
    }


def window_profits(opportunities: Opportunities, trades: Trades) -> dict[str, dict[str, Any]]:
    """Return, for each window, its trades and their compounded net profit; None where there was no trade."""
    net = opportunities.net_return[trades.row, trades.side]
    traded_in = opportunities.window[trades.row]
    profits: dict[str, dict[str, Any]] = {}
    for name in pd.unique(pd.Series(opportunities.window)):
        inside = traded_in == name
        profit = float(np.prod(1.0 + net[inside]) - 1.0) if inside.any() else None
        profits[str(name)] = {"trades": int(inside.sum()), "net_profit": profit}
    return profits


def agreed_source(training_report: Mapping[str, Any], feature_manifest: Mapping[str, Any]) -> str | None:
    """Return the source of the candles, or None if the lineage names none.

    Raises:
        LineageError: the training and the features name different ones.
    """
    trained_on: str | None = training_report.get("data_source")
    computed_from = feature_manifest.get("data", {}).get("source")
    if trained_on != computed_from:
        raise LineageError(
            f"evaluation: the model was trained on candles of source {trained_on!r}, the features on disk come from "
            f"{computed_from!r}; run `kedro run --pipelines training` again"
        )
    return trained_on


def combine(trading: Mapping[str, Any], scores: Mapping[str, Any], data_source: str | None) -> dict[str, Any]:
    """Join the figures of `StrategyRun` and `score_predictions` with the source of the candles into one record."""
    windows = {name: {**scores["windows"][name], **trading["windows"][name]} for name in scores["windows"]}
    return {
        "data_source": data_source,
        "classification": {key: value for key, value in scores.items() if key != "windows"},
        "trading": {key: value for key, value in trading.items() if key != "windows"},
        "windows": windows,
    }


def evidence_of(evaluation: Mapping[str, Any]) -> Evidence:
    """Return what the gates judge, from the record that `combine` made."""
    trading, classification = evaluation["trading"], evaluation["classification"]
    strategy = trading["strategy"]
    return Evidence(
        data_source=evaluation["data_source"],
        trades=strategy["trades"],
        folds_better_than_prior=classification["folds_better_than_prior"],
        net_profit=strategy["net_profit"],
        random_net_profits=trading["baselines"]["random_entries"]["net_profits"],
        max_drawdown=strategy["max_drawdown"],
        calibration_error=classification["model"]["ece"],
        final_net_profit=evaluation["windows"].get(FINAL_WINDOW, {}).get("net_profit"),
    )


def interval_record(interval: Interval | None) -> dict[str, float] | None:
    """Return an interval as JSON-able values."""
    return None if interval is None else asdict(interval)


def _traded_bars(bars: Bars, opportunities: Opportunities) -> Bars:
    """Return the bars from the first possible entry to the last possible exit."""
    begin, end = int(opportunities.entry_ms[0]), int(opportunities.exit_ms.max())
    first = int(np.searchsorted(bars.open_time, begin))
    last = int(np.searchsorted(bars.close_time, end))
    if last >= len(bars) or bars.open_time[first] != begin or bars.close_time[last] != end:
        raise LearningError(
            "evaluation: the decision bars do not hold every labelled trade; "
            "bars, labels and predictions come from different runs: run `kedro run` from the data pipeline on"
        )
    return bars[first : last + 1]


def _random_band(bars: Bars, opportunities: Opportunities, random: RandomEntries) -> dict[str, FloatArray]:
    """Return percentiles of the random traders' capital, each of shape (len(bars),), held between daily closes."""
    closes = daily_closes(bars)
    capital = realised_equity(opportunities, random, bars.close_time[closes])
    daily = np.vstack([np.ones(len(BAND)), np.quantile(capital, list(BAND.values()), axis=0).T])
    known = np.searchsorted(closes, np.arange(len(bars)), side="right")
    return {name: daily[known, column] for column, name in enumerate(BAND)}


def _random_record(random: RandomEntries, performance: Performance) -> dict[str, Any]:
    profits = random.net_profit
    return {
        "traders": len(profits),
        "mean_trades": float(random.trades.mean()),
        "net_profit_p05": float(np.quantile(profits, 0.05)),
        "net_profit_p50": float(np.quantile(profits, 0.5)),
        "net_profit_p95": float(np.quantile(profits, 0.95)),
        "share_beaten": share_beaten(performance.net_profit, random) if performance.trades else None,
        "net_profits": sorted(profits.tolist()),
    }


def _arrays(predictions: pd.DataFrame) -> tuple[FloatArray, FloatArray, Any, FloatArray]:
    return (
        predictions[MODEL_COLUMNS].to_numpy(dtype=np.float64),
        predictions[PRIOR_COLUMNS].to_numpy(dtype=np.float64),
        predictions["label"].to_numpy(dtype=np.int64),
        predictions["weight"].to_numpy(dtype=np.float64),
    )


def _window_scores(rows: pd.DataFrame) -> dict[str, Any]:
    model, prior, label, weight = _arrays(rows)
    scores, prior_scores = score(label, model, weight), score(label, prior, weight)
    return {
        "rows": len(rows),
        "first": _moment(rows["timestamp"].iloc[0]),
        "last": _moment(rows["timestamp"].iloc[-1]),
        **scores,
        "prior_log_loss": prior_scores["log_loss"],
        "prior_brier": prior_scores["brier"],
        "prior_direction_log_loss": prior_scores["direction_log_loss"],
    }


def _moment(value: pd.Timestamp) -> str:
    return value.isoformat()
