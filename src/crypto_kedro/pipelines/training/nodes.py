"""Nodes of the training pipeline."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from rich.progress import track

from crypto_kedro.compute import WithProgress
from crypto_kedro.errors import FeatureError, LineageError
from crypto_kedro.features import FeatureManager, FeatureSet, load_feature_set
from crypto_kedro.learning.ensemble import EnsembleRule
from crypto_kedro.learning.export import BundleContent
from crypto_kedro.learning.labels import BarrierRule, label_bars
from crypto_kedro.learning.leakage import check_foresight, check_recomputed, recompute_from, spread_rows
from crypto_kedro.learning.models import MODEL_KINDS
from crypto_kedro.learning.splits import WalkForward, fold_table
from crypto_kedro.learning.tuning import SearchRange, Tuner, TuningRule, study_storage, with_settings
from crypto_kedro.learning.walk_forward import (
    Examples,
    WalkForwardResult,
    fold_reliability,
    score_folds,
    score_windows,
    walk_forward,
)
from crypto_kedro.learning.weights import label_uniqueness
from crypto_kedro.market.fingerprint import frame_sha256
from crypto_kedro.market.frame import bars_from_frame
from crypto_kedro.market.moments import utc_iso
from crypto_kedro.market.resample import CONTEXT_MS, DECISION_MS
from crypto_kedro.parameters import (
    ComputeParameters,
    CostParameters,
    LabelParameters,
    TrackingParameters,
    TrainingParameters,
    TuningParameters,
)
from crypto_kedro.reporting.evaluation_figures import importance_bars, reliability_diagram
from crypto_kedro.reporting.fold_figures import fold_spans, folds_over_price
from crypto_kedro.serving.bundle import ModelBundle
from crypto_kedro.tracking.registry import Candidate
from crypto_kedro.tracking.tuning_log import log_trial

DRY_RUN_FOLDS = 2


def make_labels(
    bars_15m: pd.DataFrame, labels: LabelParameters, costs: CostParameters
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Label every bar with the trade that would have paid after it.

    Args:
        bars_15m: decision bars.
        labels: the group ``labels``.
        costs: the group ``costs``.

    Returns:
        The labels, see `LabelledBars.frame`; and their counts.
    """
    rule = BarrierRule(labels.atr_period, labels.take_profit_atr, labels.stop_loss_atr, labels.max_bars)
    labelled = label_bars(bars_from_frame(bars_15m, DECISION_MS), rule, costs.schedule(), labels.max_gap_minutes)
    labelled.frame.attrs = dict(bars_15m.attrs)
    return labelled.frame, {
        "rows": len(labelled.frame),
        "dropped": labelled.dropped,
        "shares": labelled.shares(),
        "mean_uniqueness": float(label_uniqueness(labelled.frame, DECISION_MS).mean()),
    }


def check_for_foresight(
    features: pd.DataFrame,
    feature_manifest: dict[str, Any],
    feature_catalogue: dict[str, Any],
    bars_15m: pd.DataFrame,
    bars_4h: pd.DataFrame,
    training: TrainingParameters,
) -> dict[str, Any]:
    """Fail the run if a feature knows what comes after its bar.

    Returns:
        What was checked: rows computed again, and the rank correlation of each feature with the next bar's return.

    Raises:
        LeakageError: a feature looks ahead.
        FeatureError, LineageError: the features are not those of the catalogue or of the manifest.
    """
    decision, context = bars_from_frame(bars_15m, DECISION_MS), bars_from_frame(bars_4h, CONTEXT_MS)
    feature_set = feature_set_of(features, feature_manifest, feature_catalogue)
    rows = spread_rows(len(features), training.recomputed_rows)
    recompute = recompute_from(feature_set, decision, context, feature_manifest["max_gap_minutes"])
    check_recomputed(features, recompute, rows)
    correlations = check_foresight(features, decision, training.max_foresight)
    return {"recomputed_rows": len(rows), "correlation_with_next_return": correlations}


def tune_models(
    features: pd.DataFrame,
    labels: pd.DataFrame,
    feature_manifest: dict[str, Any],
    feature_catalogue: dict[str, Any],
    leakage_checks: dict[str, Any],  # noqa: ARG001  (nothing is fitted before the checks)
    training: TrainingParameters,
    tuning: TuningParameters,
) -> dict[str, Any]:
    """Choose the settings of the models of each window inside its own training rows, if tuning is enabled.

    A rehearsal tunes nothing: its models are tiny whatever is chosen.

    Returns:
        JSON-able: ``enabled``, and ``windows`` with ``settings`` (by model), ``trials``, ``failed`` and
        ``direction_log_loss`` (of the choice, on inner test rows) of each window by name.

    Raises:
        ConfigurationError: the search space does not fit the models.
        FeatureError, LineageError: the features are not those of the catalogue or of the manifest.
        LearningError: no trial of a window could be trained.
    """
    if not tuning.enabled or training.dry_run:
        return {"enabled": False, "windows": {}}
    manager = FeatureManager(feature_set_of(features, feature_manifest, feature_catalogue))
    examples = Examples.join(manager.validate_features(features), labels)
    splitter = _splitter(training)
    tuner = Tuner(
        rule=_tuning_rule(tuning),
        splitter=splitter,
        base=ensemble_rule(training),
        features=manager,
        interval_ms=DECISION_MS,
        storage=study_storage(Path(tuning.storage)),
        on_trial=partial(log_trial, data_sha256=feature_manifest["data"]["sha256"]),
    )
    folds = list(splitter.split(examples.labels))
    tuned = [tuner.tune(fold, examples) for fold in track(folds, description="Tuning windows")]
    return {"enabled": True, "windows": {window.window: window.record() for window in tuned}}


def train(
    features: pd.DataFrame,
    labels: pd.DataFrame,
    feature_manifest: dict[str, Any],
    feature_catalogue: dict[str, Any],
    tuning_result: dict[str, Any],
    training: TrainingParameters,
    compute: ComputeParameters,
) -> tuple[WalkForwardResult, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Train and test the ensemble over time.

    Returns:
        The whole result with the final model; the out-of-sample predictions of labelled bars; what was said at all
        bars of the test windows; the table of windows.

    Raises:
        FeatureError, LineageError: the features are not those of the catalogue or of the manifest.
        LearningError: there is too little data, or a window cannot be trained.
    """
    manager = FeatureManager(feature_set_of(features, feature_manifest, feature_catalogue))
    examples = Examples.join(manager.validate_features(features), labels)
    rule = ensemble_rule(training)
    tuned = {name: with_settings(rule, window["settings"]) for name, window in tuning_result["windows"].items()}
    run_each = WithProgress(compute.where(), "Training windows")
    result = walk_forward(examples, _splitter(training), rule, manager, DECISION_MS, run_each, tuned)
    for frame in (result.predictions, result.signals):
        frame.attrs = dict(labels.attrs)
    return result, result.predictions, result.signals, fold_table(result.folds)


def package_model(
    trained: WalkForwardResult,
    feature_manifest: dict[str, Any],
    labels: LabelParameters,
    training: TrainingParameters,
) -> BundleContent:
    """Return the final model with its lineage, for the catalog to export.

    Args:
        trained: the result of `train`.
        feature_manifest: lineage of the features, that of the candles inside.
        labels: the group ``labels``.
        training: the group ``training``.
    """
    window, data = trained.folds[-1], feature_manifest["data"]
    return BundleContent(
        ensemble=trained.final_model,
        confidence_threshold=training.confidence_threshold,
        data_source=data["source"],
        trained_from=utc_iso(window.train_from_ms),
        trained_to=utc_iso(window.train_to_ms),
        provenance={
            "data_sha256": data["sha256"],
            "features_sha256": feature_manifest["features_sha256"],
            "max_gap_minutes": feature_manifest["max_gap_minutes"],
            "labels": labels.model_dump(mode="json"),
            "training": training.model_dump(mode="json"),
            "models": {name: dict(values) for name, values in trained.final_model.rule.parameters.items()},
        },
    )


def report_training(
    trained: WalkForwardResult,
    oos_predictions: pd.DataFrame,
    signals: pd.DataFrame,
    labels: pd.DataFrame,
    bars_1m: pd.DataFrame,
    bars_15m: pd.DataFrame,
    label_summary: dict[str, Any],
    leakage_checks: dict[str, Any],
    tuning_result: dict[str, Any],
    feature_manifest: dict[str, Any],
    label_parameters: LabelParameters,
    training: TrainingParameters,
) -> dict[str, Any]:
    """Return what is to be remembered of a training: scores beside the prior's, importances, checks and parameters.

    The hashes of its tables are in it, so that an evaluation can tell whether what it reads belongs together.
    """
    tables = {
        "oos_predictions": oos_predictions,
        "signals": signals,
        "labels": labels,
        "bars_1m": bars_1m,
        "bars_15m": bars_15m,
    }
    return {
        "tables": {name: frame_sha256(frame) for name, frame in tables.items()},
        "data_source": feature_manifest["data"]["source"],
        "dry_run": training.dry_run,
        "confidence_threshold": training.confidence_threshold,
        "windows": score_windows(trained),
        "total": score_folds(trained),
        "reliability": fold_reliability(trained),
        "importances": trained.final_model.importances(),
        "labels": label_summary,
        "leakage_checks": leakage_checks,
        "tuning": tuning_result,
        "parameters": {
            "labels": label_parameters.model_dump(mode="json"),
            "training": training.model_dump(mode="json"),
        },
    }


def draw_folds(folds: pd.DataFrame, bars_15m: pd.DataFrame) -> go.Figure:
    """Return the training and test windows under the price that they cover."""
    return folds_over_price(folds, bars_15m)


def propose_model(
    model_bundle: ModelBundle,
    training_report: dict[str, Any],
    features: pd.DataFrame,
    feature_manifest: dict[str, Any],
    folds: pd.DataFrame,
    bars_15m: pd.DataFrame,
    tracking: TrackingParameters,
) -> Candidate:
    """Return the trained model with what is to be remembered of it, for the catalog to register."""
    return Candidate(
        registered_model=tracking.registered_model,
        bundle=model_bundle,
        feature_manifest=feature_manifest,
        predictions_sha256=training_report["tables"]["oos_predictions"],
        example=features[feature_manifest["names"]].tail(2),
        report=training_report,
        figures={
            "reliability": reliability_diagram(training_report["reliability"]),
            "importance": importance_bars(training_report["importances"]),
            "folds_over_price": fold_spans(folds, bars_15m),
        },
        dry_run=training_report["dry_run"],
    )


def feature_set_of(
    features: pd.DataFrame, feature_manifest: dict[str, Any], feature_catalogue: dict[str, Any]
) -> FeatureSet:
    """Return the feature set of features on disk.

    Raises:
        FeatureError, LineageError: the features are not those of the catalogue or of the manifest.
    """
    feature_set = load_feature_set(feature_catalogue, feature_manifest["feature_set"])
    if feature_set.hash != feature_manifest["hash"]:
        raise FeatureError(
            f"training: the features on disk were made by another {feature_set.name} ({feature_manifest['hash'][:12]}) "
            f"than the catalogue's ({feature_set.hash[:12]}); run `kedro run --pipelines features` first"
        )
    if frame_sha256(features) != feature_manifest["features_sha256"]:
        raise LineageError(
            "training: features is not the table that feature_manifest describes; "
            "run `kedro run --pipelines features` first"
        )
    return feature_set


def _splitter(training: TrainingParameters) -> WalkForward:
    return WalkForward(
        n_folds=min(training.n_folds, DRY_RUN_FOLDS) if training.dry_run else training.n_folds,
        training_days=training.training_days,
        min_training_days=training.min_training_days,
        min_training_share=training.min_training_share,
        embargo_hours=training.embargo_hours,
        final_days=training.final_days,
    )


def _tuning_rule(tuning: TuningParameters) -> TuningRule:
    space = {
        model: {name: SearchRange(**span.model_dump()) for name, span in spans.items()}
        for model, spans in tuning.space.items()
    }
    return TuningRule(space, tuning.trials, tuning.seconds, tuning.inner_folds, tuning.seed)


def ensemble_rule(training: TrainingParameters) -> EnsembleRule:
    """Return the recipe of the ensemble as configured, with tiny models in a rehearsal."""
    tiny = {name: kind.dry_run if training.dry_run else {} for name, kind in MODEL_KINDS.items()}
    return EnsembleRule(
        weights=training.weights,
        parameters={name: {**values, **tiny.get(name, {})} for name, values in training.models.items()},
        seed=training.seed,
        threads=training.threads,
        calibration_fraction=training.calibration_fraction,
        calibration_strength=training.calibration_strength,
        calibration_prior_rows=training.calibration_prior_rows,
        min_class_rows=training.min_class_rows,
    )
