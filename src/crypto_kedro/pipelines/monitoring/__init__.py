"""Monitoring pipeline: a session beside the backtest of its days."""

from crypto_kedro.pipelines.monitoring.pipeline import create_pipeline

__all__ = ["create_pipeline"]
