"""The features pipeline."""

from kedro.pipeline import Pipeline, node

from crypto_kedro.pipelines.features.nodes import draw_feature_overview, make_features


def create_pipeline(**_: object) -> Pipeline:
    """Return the nodes that turn bars into ``features``, their manifest and a picture of them."""
    return Pipeline(
        [
            node(
                make_features,
                ["bars_15m", "bars_4h", "data_manifest", "feature_catalogue", "params:features"],
                ["features", "feature_manifest"],
                name="make_features",
            ),
            node(
                draw_feature_overview,
                ["features", "feature_manifest"],
                "feature_overview",
                name="draw_feature_overview",
            ),
        ],
        tags="features",
    )
