"""Nodes of the evaluation pipeline."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from rich.progress import track

from crypto_kedro.compute import WithProgress
from crypto_kedro.errors import LineageError
from crypto_kedro.evaluation.conditions import Conditions
from crypto_kedro.evaluation.out_of_sample import Comparison, trade_out_of_sample
from crypto_kedro.evaluation.paths import path_signals, trade_paths
from crypto_kedro.evaluation.record import (
    bundle_difference,
    combine,
    evidence_of,
    judge_lineage,
    score_predictions,
)
from crypto_kedro.evaluation.rival import measure_rival
from crypto_kedro.evaluation.span import build_span
from crypto_kedro.evaluation.validation import TrialRecord, ValidationRule
from crypto_kedro.features.manager import FeatureManager
from crypto_kedro.learning.combinatorial import CombinatorialPurged
from crypto_kedro.learning.gate_rules import GateLimits
from crypto_kedro.learning.gates import gate_record, judge
from crypto_kedro.learning.intervals import Resampling
from crypto_kedro.learning.opportunities import find_opportunities
from crypto_kedro.learning.performance import AccountHistory
from crypto_kedro.learning.splits import FINAL_WINDOW
from crypto_kedro.learning.walk_forward import Examples
from crypto_kedro.market.fingerprint import frame_sha256
from crypto_kedro.market.resample import DECISION_MS
from crypto_kedro.parameters import (
    ComputeParameters,
    CostParameters,
    EvaluationParameters,
    FeatureParameters,
    GateParameters,
    LabelParameters,
    TradingParameters,
    TrainingParameters,
)
from crypto_kedro.pipelines.training.nodes import ensemble_rule, feature_set_of
from crypto_kedro.reporting.backtest_sections import trades_page, trades_plotly
from crypto_kedro.reporting.evaluation_figures import equity_plotly, reliability_plotly
from crypto_kedro.reporting.evaluation_report import EvaluationRecords, evaluation_html
from crypto_kedro.serving.bundle import ModelBundle
from crypto_kedro.tracking.judged_settings import settings_of
from crypto_kedro.tracking.run import data_tags
from crypto_kedro.trading.money import Jpy

TRADED_FRAMES = (
    "trades", "orders", "fills", "refused_orders", "equity", "curves", "decisions", "bar_reasons", "funnel",
)  # fmt: skip


def set_conditions(
    training_report: dict[str, Any],
    evaluation: EvaluationParameters,
    training: TrainingParameters,
    labels: LabelParameters,
    trading: TradingParameters,
    costs: CostParameters,
) -> Conditions:
    """Return what the trader is set by, so that a backtest and an explanation of it mean the same.

    Args:
        training_report: of the training that made the model.
        evaluation: the group ``evaluation``, for the capital and the exchange.
        training: the group ``training``, for the confidence threshold.
        labels: the group ``labels``, for the barriers.
        trading: the group ``trading``.
        costs: the group ``costs``.

    Raises:
        LineageError: the confidence threshold or the barriers are not those of the training.
    """
    if training.confidence_threshold != training_report["confidence_threshold"]:
        raise LineageError(
            f"evaluation: training.confidence_threshold is {training.confidence_threshold}, the model was trained for "
            f"{training_report['confidence_threshold']}; "
            "run `kedro run --pipelines training,evaluation` with the new one"
        )
    if labels.model_dump(mode="json") != training_report["parameters"]["labels"]:
        raise LineageError(
            "evaluation: the group labels is not the one that the model was trained with; "
            "run `kedro run --pipelines training,evaluation` with the new one"
        )
    return Conditions(
        settings=trading.settings(labels, training.confidence_threshold, costs.slippage),
        costs=costs.schedule(),
        engine=evaluation.matching.engine(),
        capital=Jpy.of(evaluation.capital_jpy),
        unproven_kelly=trading.sizing.unproven_kelly,
        limit_target=evaluation.matching.limit_target,
    )


def record_settings(
    features: FeatureParameters,
    labels: LabelParameters,
    trading: TradingParameters,
    costs: CostParameters,
    evaluation: EvaluationParameters,
) -> dict[str, Any]:
    """Return the settings that the model is judged under, for its version to keep; see `settings_of`."""
    return settings_of(features, labels, trading, costs, evaluation.matching)


def trade(
    signals: pd.DataFrame,
    oos_predictions: pd.DataFrame,
    labels: pd.DataFrame,
    bars_1m: pd.DataFrame,
    bars_15m: pd.DataFrame,
    training_report: dict[str, Any],
    conditions: Conditions,
    feature_manifest: dict[str, Any],
    trials: dict[str, dict[str, Any]],
    evaluation: EvaluationParameters,
) -> list[pd.DataFrame | dict[str, Any]]:
    """Trade what the model said through the decision core and the matching engine, beside its baselines.

    Args:
        signals: what the model said at every bar of windows that it never saw.
        oos_predictions: the same for the bars that have a label.
        labels: with the outcome of a trade after each bar.
        bars_1m: execution bars.
        bars_15m: decision bars.
        training_report: of the training that made the signals, with the hashes of its tables.
        conditions: settings, costs and capital.
        feature_manifest: of the features, that of the candles inside.
        trials: made on any candles, by their hash, see `TrialsDataset`.
        evaluation: the group ``evaluation``.

    Returns:
        The frames of `TRADED_FRAMES`, see `OutOfSample`, then the figures.

    Raises:
        LineageError: a table is not the one of the training.
    """
    tables = {
        "signals": signals,
        "oos_predictions": oos_predictions,
        "labels": labels,
        "bars_1m": bars_1m,
        "bars_15m": bars_15m,
    }
    check_belonging(tables, training_report)
    opportunities = find_opportunities(oos_predictions, labels, DECISION_MS, conditions.costs)
    validation = ValidationRule(evaluation.candidate_thresholds, evaluation.overfitting_blocks, _resampling(evaluation))
    known = trials.get(data_tags(feature_manifest["data"])["data_sha256"])
    record = TrialRecord(known["trials"], tuple(known["daily_sharpes"])) if known else TrialRecord()
    run = trade_out_of_sample(
        build_span(bars_1m, bars_15m, signals),
        opportunities,
        oos_predictions["label"].to_numpy(dtype=np.int64),
        conditions,
        Comparison(evaluation.random_traders, evaluation.cost_scales, validation, record),
        _progress,
    )
    return [*(run.frames[name] for name in TRADED_FRAMES), run.figures]


def score_out_of_sample(oos_predictions: pd.DataFrame, evaluation: EvaluationParameters) -> dict[str, Any]:
    """Return the scores of the predictions beside the prior's, with intervals, in total and by window."""
    return score_predictions(oos_predictions, _resampling(evaluation))


def examine_lineage(
    training_report: dict[str, Any],
    feature_manifest: dict[str, Any],
    data_quality: dict[str, Any],
    model_bundle: ModelBundle,
    features: pd.DataFrame,
    signals: pd.DataFrame,
) -> dict[str, Any]:
    """Return what the gates on data, features and the exported model judge.

    Raises:
        LineageError: the model was trained on candles of another source than the manifest's.
    """
    difference = bundle_difference(model_bundle, features, signals)
    return judge_lineage(training_report, feature_manifest, data_quality, model_bundle, difference)


def combine_figures(
    trading_figures: dict[str, Any], scores: dict[str, Any], lineage_figures: dict[str, Any]
) -> dict[str, Any]:
    """Return all figures of the evaluation as one record."""
    return combine(trading_figures, scores, lineage_figures)


def compare_with_champion(
    champion: dict[str, Any],
    features: pd.DataFrame,
    signals: pd.DataFrame,
    bars_1m: pd.DataFrame,
    bars_15m: pd.DataFrame,
    conditions: Conditions,
    evaluation: dict[str, Any],
) -> dict[str, Any]:
    """Return what the champion would have earned in the same final window."""
    kelly = evaluation["windows"][FINAL_WINDOW]["kelly"]
    return measure_rival(champion, features, signals, bars_1m, bars_15m, conditions, kelly)


def apply_gates(evaluation: dict[str, Any], rival: dict[str, Any], gates: GateParameters) -> dict[str, Any]:
    """Return the verdict of every gate; the model may become champion only if ``passed`` is true."""
    return gate_record(judge(evidence_of(evaluation, rival), GateLimits(**gates.model_dump())))


def pass_verdict(
    registered_model: dict[str, Any],
    oos_predictions: pd.DataFrame,
    gate_results: dict[str, Any],
    evaluation: dict[str, Any],
    judged_settings: dict[str, Any],
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
    return {
        "registered": registered_model,
        "gates": gate_results,
        "evaluation": evaluation,
        "settings": judged_settings,
    }


def cross_validate(
    features: pd.DataFrame,
    labels: pd.DataFrame,
    feature_manifest: dict[str, Any],
    feature_catalogue: dict[str, Any],
    folds: pd.DataFrame,
    bars_1m: pd.DataFrame,
    bars_15m: pd.DataFrame,
    conditions: Conditions,
    evaluation: EvaluationParameters,
    training: TrainingParameters,
    compute: ComputeParameters,
) -> dict[str, Any]:
    """Trade several backtests of the same recipe over the days before the final window.

    Returns:
        ``enabled``, and if it is (and this is no rehearsal) the distribution that `trade_paths` gives.

    Raises:
        FeatureError, LineageError: the features are not those of the catalogue or of the manifest.
        LearningError: there are too few days for so many groups.
    """
    rule = evaluation.combinatorial
    if not rule.enabled or training.dry_run:
        return {"enabled": False}
    manager = FeatureManager(feature_set_of(features, feature_manifest, feature_catalogue))
    paths = path_signals(
        Examples.join(manager.validate_features(features), labels),
        int(folds.loc[folds["window"] == FINAL_WINDOW, "test_from"].iloc[0].timestamp() * 1000),
        CombinatorialPurged(rule.n_groups, rule.n_test_groups, training.embargo_hours),
        ensemble_rule(training),
        manager,
        WithProgress(compute.where(), "Combinations of groups"),
    )
    return {"enabled": True, **trade_paths(paths, bars_1m, bars_15m, conditions)}


def draw_equity(curves: pd.DataFrame, evaluation: dict[str, Any]) -> go.Figure:
    """Return the equity curve beside its baselines."""
    return equity_plotly(curves, evaluation["trading"]["capital_jpy"])


def draw_trades(equity: pd.DataFrame, trades: pd.DataFrame, evaluation: dict[str, Any]) -> tuple[go.Figure, str]:
    """Return the trades on the price, zoomable: as a figure for kedro viz and as a page that works offline."""
    history = AccountHistory(equity, trades, evaluation["trading"]["capital_jpy"])
    return trades_plotly(history), trades_page(history)


def draw_reliability(evaluation: dict[str, Any]) -> go.Figure:
    """Return the reliability curves of the classes."""
    return reliability_plotly(evaluation["classification"]["reliability"])


def write_report(
    evaluation: dict[str, Any],
    gate_results: dict[str, Any],
    equity: pd.DataFrame,
    trades: pd.DataFrame,
    curves: pd.DataFrame,
    funnel: pd.DataFrame,
    training_report: dict[str, Any],
    folds: pd.DataFrame,
    feature_manifest: dict[str, Any],
    data_quality: dict[str, Any],
    path_figures: dict[str, Any],
) -> str:
    """Return the evaluation report as an HTML page."""
    history = AccountHistory(equity, trades, evaluation["trading"]["capital_jpy"])
    return evaluation_html(
        EvaluationRecords(
            evaluation,
            gate_results,
            history,
            curves,
            funnel,
            training_report,
            folds,
            feature_manifest,
            data_quality,
            path_figures,
        )
    )


def check_belonging(tables: dict[str, pd.DataFrame], training_report: dict[str, Any]) -> None:
    """Compare tables with the hashes that the training left.

    Raises:
        LineageError: a table is not the one of the training.
    """
    foreign = [name for name, frame in tables.items() if frame_sha256(frame) != training_report["tables"][name]]
    if foreign:
        raise LineageError(
            f"evaluation: {', '.join(foreign)} changed since the training; "
            "run `kedro run --pipelines training,evaluation`"
        )


def _progress(traders: Sequence[int]) -> Iterable[int]:
    return track(traders, description="Random traders")


def _resampling(evaluation: EvaluationParameters) -> Resampling:
    return Resampling(
        level=evaluation.confidence_level,
        replications=evaluation.bootstrap_replications,
        mean_block=evaluation.bootstrap_mean_days,
        seed=evaluation.seed,
    )
