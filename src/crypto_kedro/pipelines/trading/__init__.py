"""Trading pipeline: one session, on paper or with real money."""

from crypto_kedro.pipelines.trading.pipeline import create_pipeline

__all__ = ["create_pipeline"]
