"""The record of an evaluation: are the predictions informative, and what the gates judge."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd

from crypto_kedro.errors import LineageError
from crypto_kedro.learning.gate_rules import Evidence
from crypto_kedro.learning.intervals import Interval, Resampling, classification_intervals, reweighted_interval
from crypto_kedro.learning.metrics import calibration_error, reliability, score
from crypto_kedro.learning.splits import FINAL_WINDOW
from crypto_kedro.market.bars import DAY_MS, FloatArray
from crypto_kedro.market.frame import open_times
from crypto_kedro.serving.bundle import ModelBundle

MODEL_COLUMNS = ["p_short", "p_flat", "p_long"]
PRIOR_COLUMNS = ["prior_short", "prior_flat", "prior_long"]
STRESS = 1.5
"""Multiple of all costs at which a model must still earn."""

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


def judge_lineage(
    training_report: Mapping[str, Any],
    feature_manifest: Mapping[str, Any],
    data_quality: Mapping[str, Any],
    bundle: ModelBundle,
    inference_difference: float | None,
) -> dict[str, Any]:
    """Return what the gates on data and lineage judge.

    Args:
        training_report: of the training that made the model.
        feature_manifest: of the features on disk, that of the candles inside.
        data_quality: what was found when the candles were validated.
        bundle: the model as production loads it.
        inference_difference: see `bundle_difference`.

    Raises:
        LineageError: the training and the features name different sources of the candles.
    """
    correlations = training_report["leakage_checks"]["correlation_with_next_return"]
    return {
        "data_source": agreed_source(training_report, feature_manifest),
        "halt_share": data_quality["halt_minutes_filled"] / data_quality["bars"],
        "foresight": max(abs(value) for value in correlations.values()),
        "foresight_limit": training_report["parameters"]["training"]["max_foresight"],
        "features_match": bundle.feature_set_hash == feature_manifest["hash"],
        "inference_difference": inference_difference,
    }


def bundle_difference(bundle: ModelBundle, features: pd.DataFrame, signals: pd.DataFrame) -> float | None:
    """Return the largest difference between the bundle's probabilities and the models' own in the final window.

    Args:
        bundle: the model as production loads it.
        features: ``timestamp`` and one column a feature.
        signals: what the models said, by ``timestamp`` and ``window``.

    Returns:
        None if the final window holds no signal.
    """
    said = signals[signals["window"] == FINAL_WINDOW]
    rows = features[features["timestamp"].isin(said["timestamp"])]
    if said.empty or len(rows) != len(said):
        return None
    served = bundle.predict_proba(rows[list(bundle.feature_names)].to_numpy(dtype=np.float64))
    return float(np.max(np.abs(served - said[MODEL_COLUMNS].to_numpy(dtype=np.float64))))


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


def combine(trading: Mapping[str, Any], scores: Mapping[str, Any], lineage: Mapping[str, Any]) -> dict[str, Any]:
    """Join trading figures, the scores of `score_predictions` and what `judge_lineage` found into one record."""
    windows = {name: {**scores["windows"][name], **trading["windows"][name]} for name in scores["windows"]}
    return {
        "data_source": lineage["data_source"],
        "lineage": dict(lineage),
        "classification": {key: value for key, value in scores.items() if key != "windows"},
        "trading": {key: value for key, value in trading.items() if key != "windows"},
        "windows": windows,
    }


def evidence_of(evaluation: Mapping[str, Any], champion: Mapping[str, Any]) -> Evidence:
    """Return what the gates judge.

    Args:
        evaluation: the record that `combine` made.
        champion: ``version`` (or `NO_CHAMPION`) and ``net_profit`` of the champion in the final window.
    """
    trading, classification, lineage = (evaluation[name] for name in ("trading", "classification", "lineage"))
    strategy, validation, baselines = trading["strategy"], trading["validation"], trading["baselines"]
    sharpe, overfitting = validation["sharpe"], validation["overfitting"]
    traded = [window["net_profit"] for window in evaluation["windows"].values() if window["net_profit"] is not None]
    stressed = [row["net_profit"] for row in trading["cost_sensitivity"] if row["cost_scale"] == STRESS]
    return Evidence(
        data_source=evaluation["data_source"],
        halt_share=lineage["halt_share"],
        foresight=lineage["foresight"],
        foresight_limit=lineage["foresight_limit"],
        features_match=lineage["features_match"],
        inference_difference=lineage["inference_difference"],
        trades=strategy["trades"],
        days=trading["days"],
        folds_better_than_prior=classification["folds_better_than_prior"],
        net_profit=strategy["net_profit"],
        stressed_net_profit=stressed[0] if stressed and strategy["trades"] else None,
        sharpe=strategy["sharpe"],
        buy_and_hold_sharpe=baselines["buy_and_hold"]["sharpe"],
        deflated_sharpe=None if sharpe is None else sharpe["deflated"],
        overfitting=None if overfitting is None else overfitting["probability"],
        random_net_profits=baselines["random_entries"]["net_profits"],
        max_drawdown=strategy["max_drawdown"],
        windows_profitable=float(np.mean(np.array(traded) > 0)) if traded else None,
        regimes_profitable=validation["regimes_profitable"],
        largest_trade_share=validation["largest_trade_share"],
        calibration_error=classification["model"]["ece"],
        overconfidence=trading["executed_calibration"]["overconfidence"],
        final_net_profit=evaluation["windows"].get(FINAL_WINDOW, {}).get("net_profit"),
        final_floor=validation["final_floor"],
        champion=champion["version"],
        champion_net_profit=champion["net_profit"],
        intervals={
            "net_profit": _interval(strategy["net_profit_interval"]),
            "sharpe": _interval(None if sharpe is None else sharpe["interval"]),
            "calibration_error": _interval(classification["intervals"]["ece"]),
        },
    )


def interval_record(interval: Interval | None) -> dict[str, float] | None:
    """Return an interval as JSON-able values."""
    return None if interval is None else asdict(interval)


def _interval(record: Mapping[str, float] | None) -> Interval | None:
    return None if record is None else Interval(**record)


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
