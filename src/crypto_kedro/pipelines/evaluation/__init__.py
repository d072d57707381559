"""The evaluation pipeline: out-of-sample predictions to profit, gates and the report."""

from crypto_kedro.pipelines.evaluation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
