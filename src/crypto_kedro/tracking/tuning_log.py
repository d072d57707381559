"""Trials of a tuning as child runs in MLflow, which count as trials of the candles."""

import mlflow

from crypto_kedro.errors import LineageError
from crypto_kedro.learning.tuning import TuningTrial
from crypto_kedro.tracking.trials import DATA_TAG, TRIAL_TAG


def log_trial(trial: TuningTrial, data_sha256: str) -> None:
    """Log a trial inside the active run, as failed if it failed.

    Args:
        trial: the trial.
        data_sha256: hash of the candles.

    Raises:
        LineageError: no run is active, so the trial would not be counted.
    """
    if mlflow.active_run() is None:
        raise LineageError("tuning: no MLflow run is active; tune with `kedro run --pipelines training`")
    tags = {TRIAL_TAG: "true", DATA_TAG: data_sha256, "window": trial.window}
    if trial.error is not None:
        tags["error"] = trial.error[:500]
    mlflow.start_run(run_name=f"{trial.window} trial {trial.number}", nested=True, tags=tags, log_system_metrics=False)
    mlflow.log_params(dict(trial.settings))
    losses = {"direction_log_loss": trial.direction_log_loss, "log_loss": trial.log_loss}
    mlflow.log_metrics({f"tuning.{name}": loss for name, loss in losses.items() if loss is not None})
    mlflow.end_run("FINISHED" if trial.error is None else "FAILED")
