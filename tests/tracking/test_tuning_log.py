"""Every trial of a tuning is a run of its own in MLflow and counts as a trial of its candles."""

import mlflow
import pytest
from mlflow import MlflowClient

from crypto_kedro.errors import LineageError
from crypto_kedro.learning.tuning import TuningTrial
from crypto_kedro.tracking.run import finish, start
from crypto_kedro.tracking.trials import TrialsDataset
from crypto_kedro.tracking.tuning_log import log_trial

TRAINED = TuningTrial("fold-1", 0, {"lightgbm.rounds": 40}, 0.69, 1.01, None)
FAILED = TuningTrial("fold-1", 1, {"lightgbm.rounds": 50}, None, None, "class 'long' has 0 rows")


def test_given_trials_when_logged_then_settings_losses_and_failures_can_be_read_back() -> None:
    parent = start("training", {}, {})
    for trial in (TRAINED, FAILED):
        log_trial(trial, "a" * 64)
    assert mlflow.active_run().info.run_id == parent
    finish("FINISHED")

    client = MlflowClient()
    runs = client.search_runs(
        [client.get_run(parent).info.experiment_id], f"tags.mlflow.parentRunId = '{parent}'", order_by=["start_time"]
    )
    assert [run.info.status for run in runs] == ["FINISHED", "FAILED"]
    assert [run.data.params["lightgbm.rounds"] for run in runs] == ["40", "50"]
    assert runs[0].data.metrics == {"tuning.direction_log_loss": 0.69, "tuning.log_loss": 1.01}
    assert runs[1].data.tags["error"] == "class 'long' has 0 rows"


def test_given_a_training_with_tuning_then_it_and_each_of_its_trials_count_but_not_its_models() -> None:
    start("training", {"data_sha256": "b" * 64}, {})
    for trial in (TRAINED, FAILED):
        log_trial(trial, "b" * 64)
    with mlflow.start_run(run_name="lightgbm", nested=True, tags={"data_sha256": "b" * 64}):
        pass
    finish("FAILED", ValueError("later"))

    assert TrialsDataset().load()["b" * 64] == {"trials": 3, "daily_sharpes": []}


def test_given_no_open_run_then_a_trial_is_not_lost_silently() -> None:
    with pytest.raises(LineageError, match="tuning: no MLflow run is active"):
        log_trial(TRAINED, "c" * 64)
