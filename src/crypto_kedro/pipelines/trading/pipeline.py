"""The trading pipeline."""

from kedro.pipeline import Pipeline, node

from crypto_kedro.pipelines.trading.nodes import run_session


def create_pipeline() -> Pipeline:
    """Return the pipeline that trades one session."""
    return Pipeline(
        [
            node(
                run_session,
                {
                    "project_path": "sessions",
                    "shelf": "model_shelf",
                    "session": "params:session",
                    "trading": "params:trading",
                    "labels": "params:labels",
                    "features": "params:features",
                    "costs": "params:costs",
                    "evaluation": "params:evaluation",
                    "credentials": "credentials",
                },
                "session_record",
                name="run_session",
            ),
        ],
        tags="trading",
    )
