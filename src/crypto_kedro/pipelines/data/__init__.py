"""From raw candles to sound bars of 1 minute, 15 minutes and 4 hours."""

from crypto_kedro.pipelines.data.pipeline import create_pipeline

__all__ = ["create_pipeline"]
