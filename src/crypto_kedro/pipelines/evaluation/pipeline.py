"""Wiring of the evaluation pipeline."""

from kedro.pipeline import Pipeline, node, pipeline

from crypto_kedro.pipelines.evaluation.nodes import (
    apply_gates,
    combine_figures,
    draw_equity,
    draw_reliability,
    score_out_of_sample,
    trade_out_of_sample,
    write_report,
)


def create_pipeline() -> Pipeline:
    """Return the pipeline from out-of-sample predictions to gate results and the report."""
    return pipeline(
        [
            node(
                trade_out_of_sample,
                inputs=[
                    "oos_predictions",
                    "labels",
                    "bars_15m",
                    "params:evaluation",
                    "params:training",
                    "params:costs",
                ],
                outputs=["trades", "equity", "trading_figures"],
                name="trade_out_of_sample",
            ),
            node(
                score_out_of_sample,
                inputs=["oos_predictions", "params:evaluation"],
                outputs="scores",
                name="score_out_of_sample",
            ),
            node(
                combine_figures,
                inputs=["trading_figures", "scores", "feature_manifest"],
                outputs="evaluation",
                name="combine_figures",
            ),
            node(apply_gates, inputs=["evaluation", "params:gates"], outputs="gate_results", name="apply_gates"),
            node(draw_equity, inputs="equity", outputs="equity_figure", name="draw_equity"),
            node(draw_reliability, inputs="evaluation", outputs="reliability_figure", name="draw_reliability"),
            node(
                write_report,
                inputs=[
                    "evaluation",
                    "gate_results",
                    "equity",
                    "training_report",
                    "folds",
                    "feature_manifest",
                    "data_quality",
                ],
                outputs="evaluation_report",
                name="write_evaluation_report",
            ),
        ]
    )
