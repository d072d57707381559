"""From bars to the features of a feature set."""

from crypto_kedro.pipelines.features.pipeline import create_pipeline

__all__ = ["create_pipeline"]
