"""The trial of the judge: how often the gates promote noise, and how often a real signal."""

from crypto_kedro.pipelines.gate_trial.pipeline import create_pipeline

__all__ = ["create_pipeline"]
