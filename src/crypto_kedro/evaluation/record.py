"""The record of an evaluation: are the predictions informative, and what the gates judge."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd

from crypto_kedro.errors import LineageError
from crypto_kedro.learning.gates import Evidence
from crypto_kedro.learning.intervals import Interval, Resampling, classification_intervals, reweighted_interval
from crypto_kedro.learning.metrics import calibration_error, reliability, score
from crypto_kedro.learning.splits import FINAL_WINDOW
from crypto_kedro.market.bars import DAY_MS, FloatArray
from crypto_kedro.market.frame import open_times

MODEL_COLUMNS = ["p_short", "p_flat", "p_long"]
PRIOR_COLUMNS = ["prior_short", "prior_flat", "prior_long"]
_COSTLY_REPLICATIONS = 200


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
    """Join trading figures and the scores of `score_predictions` with the source of the candles into one record."""
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
