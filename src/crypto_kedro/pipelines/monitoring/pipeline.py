"""The monitoring pipeline."""

from kedro.pipeline import Pipeline, node

from crypto_kedro.pipelines.monitoring.nodes import compare_session, read_session, report_parity


def create_pipeline() -> Pipeline:
    """Return the pipeline that compares a session with the backtest of its days."""
    return Pipeline(
        [
            node(
                read_session,
                {
                    "project_path": "sessions",
                    "monitoring": "params:monitoring",
                    "session": "params:session",
                },
                "monitored_session",
                name="read_session",
            ),
            node(
                compare_session,
                {
                    "project_path": "sessions",
                    "monitored": "monitored_session",
                    "monitoring": "params:monitoring",
                    "session": "params:session",
                    "features": "params:features",
                    "costs": "params:costs",
                    "evaluation": "params:evaluation",
                },
                "parity_record",
                name="compare_session",
            ),
            node(report_parity, "parity_record", "parity_report", name="report_parity"),
        ],
        tags="monitoring",
    )
