"""The evaluation pipeline."""

from kedro.pipeline import Pipeline, node

from crypto_kedro.pipelines.evaluation.nodes import (
    TRADED_FRAMES,
    apply_gates,
    combine_figures,
    compare_with_champion,
    cross_validate,
    draw_equity,
    draw_reliability,
    draw_trades,
    examine_lineage,
    pass_verdict,
    record_settings,
    score_out_of_sample,
    set_conditions,
    trade,
    write_report,
)


def create_pipeline(**_: object) -> Pipeline:
    """Return the nodes that judge out-of-sample predictions: scores, profit, gates and the report."""
    return Pipeline(
        [
            node(
                set_conditions,
                [
                    "training_report",
                    "params:evaluation",
                    "params:training",
                    "params:labels",
                    "params:trading",
                    "params:costs",
                ],
                "conditions",
                name="set_conditions",
            ),
            node(
                record_settings,
                ["params:features", "params:labels", "params:trading", "params:costs", "params:evaluation"],
                "judged_settings",
                name="record_settings",
            ),
            node(
                trade,
                [
                    "signals",
                    "oos_predictions",
                    "labels",
                    "bars_1m",
                    "bars_15m",
                    "training_report",
                    "conditions",
                    "feature_manifest",
                    "trials",
                    "params:evaluation",
                ],
                [*TRADED_FRAMES, "trading_figures"],
                name="trade_out_of_sample",
            ),
            node(
                score_out_of_sample,
                ["oos_predictions", "params:evaluation"],
                "scores",
                name="score_out_of_sample",
            ),
            node(
                examine_lineage,
                ["training_report", "feature_manifest", "data_quality", "model_bundle", "features", "signals"],
                "lineage_figures",
                name="examine_lineage",
            ),
            node(
                combine_figures,
                ["trading_figures", "scores", "lineage_figures"],
                "evaluation",
                name="combine_figures",
            ),
            node(
                compare_with_champion,
                ["champion", "features", "signals", "bars_1m", "bars_15m", "conditions", "evaluation"],
                "rival",
                name="compare_with_champion",
            ),
            node(apply_gates, ["evaluation", "rival", "params:gates"], "gate_results", name="apply_gates"),
            node(
                pass_verdict,
                inputs=["registered_model", "oos_predictions", "gate_results", "evaluation", "judged_settings"],
                outputs="promotion",
                name="pass_verdict",
            ),
            node(
                cross_validate,
                [
                    "features",
                    "labels",
                    "feature_manifest",
                    "feature_catalogue",
                    "folds",
                    "bars_1m",
                    "bars_15m",
                    "conditions",
                    "params:evaluation",
                    "params:training",
                    "params:compute",
                ],
                "path_figures",
                name="cross_validate",
            ),
            node(draw_equity, ["curves", "evaluation"], "equity_figure", name="draw_equity"),
            node(draw_trades, ["equity", "trades", "evaluation"], ["trades_figure", "trades_page"], name="draw_trades"),
            node(draw_reliability, "evaluation", "reliability_figure", name="draw_reliability"),
            node(
                write_report,
                [
                    "evaluation",
                    "gate_results",
                    "equity",
                    "trades",
                    "curves",
                    "funnel",
                    "training_report",
                    "folds",
                    "feature_manifest",
                    "data_quality",
                    "path_figures",
                ],
                "evaluation_report",
                name="write_report",
            ),
        ],
        tags="evaluation",
    )
