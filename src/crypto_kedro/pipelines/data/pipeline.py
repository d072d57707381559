"""The data pipeline."""

from kedro.pipeline import Pipeline, node

from crypto_kedro.pipelines.data.nodes import (
    describe_data,
    make_bars,
    make_context_bars,
    make_decision_bars,
    report_data_quality,
)


def create_pipeline(**_: object) -> Pipeline:
    """Return the nodes that turn ``candles`` into bars, their manifest and the data-quality report."""
    return Pipeline(
        [
            node(make_bars, ["candles", "params:data"], ["bars_1m", "candle_origin", "data_quality"], name="make_bars"),
            node(make_decision_bars, "bars_1m", "bars_15m", name="make_decision_bars"),
            node(make_context_bars, "bars_1m", "bars_4h", name="make_context_bars"),
            node(
                describe_data,
                ["candle_origin", "bars_1m", "bars_15m", "bars_4h", "params:data"],
                "data_manifest",
                name="describe_data",
            ),
            node(
                report_data_quality,
                ["data_quality", "data_manifest", "bars_15m"],
                "data_quality_report",
                name="report_data_quality",
            ),
        ],
        tags="data",
    )
