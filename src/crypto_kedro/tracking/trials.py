"""How often the same candles have been tried, counted from MLflow: every run is a trial, also one that failed."""

from collections import defaultdict
from typing import Any

import mlflow
import numpy as np
from kedro.io import AbstractDataset
from mlflow.entities import Run, ViewType

from crypto_kedro.errors import LineageError
from crypto_kedro.learning.performance import DAYS_PER_YEAR

SHARPE_METRIC = "evaluation.trading.strategy.sharpe"
TRIAL_TAG = "trial"
DATA_TAG = "data_sha256"
_PARENT_TAG = "mlflow.parentRunId"


class TrialsDataset(AbstractDataset[None, dict[str, dict[str, Any]]]):
    """Loading gives, by the hash of the candles, ``trials`` and the ``daily_sharpes`` that are known of them.

    A run counts if it names its candles, whatever became of it, deleted ones included; of the runs inside another one
    those that tuning has tagged as trials.

    Args:
        metadata: for kedro viz.
    """

    def __init__(self, metadata: dict[str, Any] | None = None) -> None:
        self.metadata = metadata

    def load(self) -> dict[str, dict[str, Any]]:
        """Return the trials of all candles that the tracking store knows."""
        records: dict[str, dict[str, Any]] = defaultdict(lambda: {"trials": 0, "daily_sharpes": []})
        for run in _runs():
            tags = run.data.tags
            if DATA_TAG not in tags or (_PARENT_TAG in tags and TRIAL_TAG not in tags):
                continue
            record = records[tags[DATA_TAG]]
            record["trials"] += 1
            if SHARPE_METRIC in run.data.metrics:
                record["daily_sharpes"].append(run.data.metrics[SHARPE_METRIC] / float(np.sqrt(DAYS_PER_YEAR)))
        return dict(records)

    def save(self, data: None) -> None:  # noqa: ARG002  (Kedro prescribes the signature)
        """Refuse: trials are counted, not written."""
        raise LineageError("trials: they are counted from the runs in MLflow; save nothing here")

    def _describe(self) -> dict[str, Any]:
        return {"tracking_uri": "of the active run"}


def _runs() -> list[Run]:
    """Return all runs of all experiments of the active tracking store."""
    experiments = [experiment.experiment_id for experiment in mlflow.search_experiments(view_type=ViewType.ALL)]
    runs: list[Run] = mlflow.search_runs(experiments, run_view_type=ViewType.ALL, output_format="list")
    return runs
