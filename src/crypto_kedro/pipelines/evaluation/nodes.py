"""Nodes of the evaluation pipeline."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from crypto_kedro.errors import LineageError
from crypto_kedro.learning.evaluation import (
    TradingRule,
    agreed_source,
    combine,
    evidence_of,
    score_predictions,
    trade_predictions,
)
from crypto_kedro.learning.gates import GateLimits, gate_record, judge
from crypto_kedro.learning.intervals import Resampling
from crypto_kedro.market.fingerprint import frame_sha256
from crypto_kedro.market.frame import bars_from_frame
from crypto_kedro.market.resample import DECISION_MS
from crypto_kedro.parameters import CostParameters, EvaluationParameters, GateParameters, TrainingParameters
from crypto_kedro.reporting.evaluation_figures import equity_plotly, reliability_plotly
from crypto_kedro.reporting.evaluation_report import EvaluationRecords, evaluation_html


def trade_out_of_sample(
    oos_predictions: pd.DataFrame,
    labels: pd.DataFrame,
    bars_15m: pd.DataFrame,
    training_report: dict[str, Any],
    evaluation: EvaluationParameters,
    training: TrainingParameters,
    costs: CostParameters,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Trade the predictions with the threshold strategy, beside its baselines.

    Args:
        oos_predictions: predictions of bars that the predicting model never saw.
        labels: with the outcome of a trade after each bar.
        bars_15m: decision bars.
        training_report: of the training that made the predictions, with the hashes of its tables.
        evaluation: the group ``evaluation``.
        training: the group ``training``, for its confidence threshold.
        costs: the group ``costs``.

    Returns:
        Trades; equity and baselines by bar; figures.

    Raises:
        LineageError: predictions, labels or bars are not those of the training, or the confidence threshold is not.
    """
    _check_belonging({"oos_predictions": oos_predictions, "labels": labels, "bars_15m": bars_15m}, training_report)
    if training.confidence_threshold != training_report["confidence_threshold"]:
        raise LineageError(
            f"evaluation: training.confidence_threshold is {training.confidence_threshold}, the model was trained for "
            f"{training_report['confidence_threshold']}; "
            "run `kedro run --pipelines training,evaluation` with the new one"
        )
    rule = TradingRule(training.confidence_threshold, evaluation.random_traders, _resampling(evaluation))
    run = trade_predictions(bars_from_frame(bars_15m, DECISION_MS), oos_predictions, labels, costs.schedule(), rule)
    return run.trades, run.equity, run.results


def score_out_of_sample(oos_predictions: pd.DataFrame, evaluation: EvaluationParameters) -> dict[str, Any]:
    """Return the scores of the predictions beside the prior's, with intervals, in total and by window."""
    return score_predictions(oos_predictions, _resampling(evaluation))


def combine_figures(
    trading_figures: dict[str, Any],
    scores: dict[str, Any],
    training_report: dict[str, Any],
    feature_manifest: dict[str, Any],
) -> dict[str, Any]:
    """Return all figures of the evaluation as one record, with the source of the candles.

    Raises:
        LineageError: the model was trained on candles of another source than the manifest's.
    """
    return combine(trading_figures, scores, agreed_source(training_report, feature_manifest))


def apply_gates(evaluation: dict[str, Any], gates: GateParameters) -> dict[str, Any]:
    """Return the verdict of every gate; the model may become champion only if ``passed`` is true."""
    return gate_record(judge(evidence_of(evaluation), GateLimits(**gates.model_dump())))


def pass_verdict(
    registered_model: dict[str, Any],
    oos_predictions: pd.DataFrame,
    gate_results: dict[str, Any],
    evaluation: dict[str, Any],
) -> dict[str, Any]:
    """Return the verdict on the registered model, for the catalog to record and, if all gates passed, to promote.

    Raises:
        LineageError: the predictions are not those of the registered model.
    """
    if frame_sha256(oos_predictions) != registered_model["predictions_sha256"]:
        raise LineageError(
            "evaluation: the out-of-sample predictions are not those of the registered model; "
            "run `kedro run --pipelines training,evaluation`"
        )
    return {"registered": registered_model, "gates": gate_results, "evaluation": evaluation}


def draw_equity(equity: pd.DataFrame) -> go.Figure:
    """Return the equity curve beside its baselines."""
    return equity_plotly(equity)


def draw_reliability(evaluation: dict[str, Any]) -> go.Figure:
    """Return the reliability curves of the classes."""
    return reliability_plotly(evaluation["classification"]["reliability"])


def write_report(
    evaluation: dict[str, Any],
    gate_results: dict[str, Any],
    equity: pd.DataFrame,
    training_report: dict[str, Any],
    folds: pd.DataFrame,
    feature_manifest: dict[str, Any],
    data_quality: dict[str, Any],
) -> str:
    """Return the evaluation report as an HTML page."""
    return evaluation_html(
        EvaluationRecords(evaluation, gate_results, equity, training_report, folds, feature_manifest, data_quality)
    )


def _check_belonging(tables: dict[str, pd.DataFrame], training_report: dict[str, Any]) -> None:
    foreign = [name for name, frame in tables.items() if frame_sha256(frame) != training_report["tables"][name]]
    if foreign:
        raise LineageError(
            f"evaluation: {', '.join(foreign)} changed since the training; "
            "run `kedro run --pipelines training,evaluation`"
        )


def _resampling(evaluation: EvaluationParameters) -> Resampling:
    return Resampling(
        level=evaluation.confidence_level,
        replications=evaluation.bootstrap_replications,
        mean_block=evaluation.bootstrap_mean_days,
        seed=evaluation.seed,
    )
