"""From features and bars to an out-of-sample tested, exported ensemble."""

from crypto_kedro.pipelines.training.pipeline import create_pipeline

__all__ = ["create_pipeline"]
