"""The trial of the judge."""

from kedro.pipeline import Pipeline, node

from crypto_kedro.pipelines.gate_trial.nodes import draw_trial, judge_markets, plan_trial, report_trial, summarise


def create_pipeline(**_: object) -> Pipeline:
    """Return the nodes that judge models of many synthetic markets and count whom the gates let through."""
    return Pipeline(
        [
            node(
                plan_trial,
                ["parameters", "feature_catalogue", "params:gate_trial"],
                "planned_markets",
                name="plan_trial",
            ),
            node(
                judge_markets,
                ["planned_markets", "parameters", "feature_catalogue", "trial_outcomes", "params:compute"],
                "market_outcomes",
                name="judge_markets",
            ),
            node(summarise, ["market_outcomes", "params:gate_trial"], "trial_result", name="summarise_trial"),
            node(draw_trial, "trial_result", "trial_figure", name="draw_trial"),
            node(report_trial, "trial_result", "trial_report", name="report_trial"),
        ],
        tags="gate_trial",
    )
