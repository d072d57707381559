"""The training pipeline."""

from kedro.pipeline import Pipeline, node

from crypto_kedro.pipelines.training.nodes import (
    check_for_foresight,
    draw_folds,
    make_labels,
    package_model,
    propose_model,
    report_training,
    train,
    tune_models,
)


def create_pipeline(**_: object) -> Pipeline:
    """Return the nodes that label bars, check for leakage, train over time and export the final model."""
    return Pipeline(
        [
            node(
                make_labels,
                ["bars_15m", "params:labels", "params:costs"],
                ["labels", "label_summary"],
                name="make_labels",
            ),
            node(
                check_for_foresight,
                ["features", "feature_manifest", "feature_catalogue", "bars_15m", "bars_4h", "params:training"],
                "leakage_checks",
                name="check_for_foresight",
            ),
            node(
                tune_models,
                [
                    "features",
                    "labels",
                    "feature_manifest",
                    "feature_catalogue",
                    "leakage_checks",
                    "params:training",
                    "params:tuning",
                ],
                "tuning_result",
                name="tune_models",
            ),
            node(
                train,
                [
                    "features",
                    "labels",
                    "feature_manifest",
                    "feature_catalogue",
                    "tuning_result",
                    "params:training",
                    "params:compute",
                ],
                ["trained", "oos_predictions", "signals", "folds"],
                name="train",
            ),
            node(
                package_model,
                ["trained", "feature_manifest", "params:labels", "params:training"],
                "model_bundle",
                name="package_model",
            ),
            node(
                report_training,
                [
                    "trained",
                    "oos_predictions",
                    "signals",
                    "labels",
                    "bars_1m",
                    "bars_15m",
                    "label_summary",
                    "leakage_checks",
                    "tuning_result",
                    "feature_manifest",
                    "params:labels",
                    "params:training",
                ],
                "training_report",
                name="report_training",
            ),
            node(
                propose_model,
                [
                    "model_bundle",
                    "training_report",
                    "features",
                    "feature_manifest",
                    "folds",
                    "bars_15m",
                    "params:tracking",
                ],
                "registered_model",
                name="register_model",
            ),
            node(draw_folds, ["folds", "bars_15m"], "folds_over_price", name="draw_folds"),
        ],
        tags="training",
    )
