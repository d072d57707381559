"""The evaluation pipeline."""

from kedro.pipeline import Pipeline, node

from crypto_kedro.pipelines.evaluation.nodes import (
    apply_gates,
    combine_figures,
    draw_equity,
    draw_reliability,
    pass_verdict,
    score_out_of_sample,
    trade_out_of_sample,
    write_report,
)


def create_pipeline(**_: object) -> Pipeline:
    """Return the nodes that judge out-of-sample predictions: scores, profit, gates and the report."""
    return Pipeline(
        [
            node(
                trade_out_of_sample,
                [
                    "oos_predictions",
                    "labels",
                    "bars_15m",
                    "training_report",
                    "params:evaluation",
                    "params:training",
                    "params:costs",
                ],
                ["trades", "equity", "trading_figures"],
                name="trade_out_of_sample",
            ),
            node(
                score_out_of_sample,
                ["oos_predictions", "params:evaluation"],
                "scores",
                name="score_out_of_sample",
            ),
            node(
                combine_figures,
                ["trading_figures", "scores", "training_report", "feature_manifest"],
                "evaluation",
                name="combine_figures",
            ),
            node(apply_gates, ["evaluation", "params:gates"], "gate_results", name="apply_gates"),
            node(
                pass_verdict,
                inputs=["registered_model", "oos_predictions", "gate_results", "evaluation"],
                outputs="promotion",
                name="pass_verdict",
            ),
            node(draw_equity, "equity", "equity_figure", name="draw_equity"),
            node(draw_reliability, "evaluation", "reliability_figure", name="draw_reliability"),
            node(
                write_report,
                [
                    "evaluation",
                    "gate_results",
                    "equity",
                    "training_report",
                    "folds",
                    "feature_manifest",
                    "data_quality",
                ],
                "evaluation_report",
                name="write_report",
            ),
        ],
        tags="evaluation",
    )
