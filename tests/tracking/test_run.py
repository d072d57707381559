"""A run in a real SQLite store holds what it was asked to do, on which data, and how it ended."""

from pathlib import Path

import mlflow
import pytest

from crypto_kedro.errors import ConfigurationError, LineageError
from crypto_kedro.tracking.run import TrackingTarget, connect, finish, flatten, start, tag_features

MANIFEST = {
    "feature_set": "stationary12",
    "hash": "f" * 64,
    "data": {"source": "file", "sha256": "d" * 64},
}


def test_given_a_relative_sqlite_uri_then_the_store_lies_in_the_project(store: Path) -> None:
    assert (store / "data" / "mlflow.db").is_file()
    assert mlflow.get_experiment_by_name("tests").artifact_location == (store / "data" / "mlartifacts").as_uri()


def test_given_a_finished_run_then_settings_and_lineage_can_be_read_back() -> None:
    run_id = start("training", {"git_sha": "abc"}, {"training": {"training_days": 180, "seed": 1}})
    tag_features(MANIFEST)
    finish("FINISHED")

    run = mlflow.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"training.training_days": "180", "training.seed": "1"}
    assert run.data.tags["git_sha"] == "abc"
    assert run.data.tags["data_source"] == "file"
    assert run.data.tags["feature_set_hash"] == "f" * 64


def test_given_a_failed_run_then_it_is_kept_with_the_first_line_of_its_error() -> None:
    run_id = start("training", {}, {})
    finish("FAILED", ValueError("went wrong\nsecond line"))

    run = mlflow.get_run(run_id)
    assert run.info.status == "FAILED"
    assert run.data.tags["error"] == "ValueError: went wrong"


def test_given_a_manifest_without_a_hash_then_the_missing_link_is_an_error() -> None:
    start("training", {}, {})

    with pytest.raises(LineageError, match="data manifest: sha256 is missing"):
        tag_features({**MANIFEST, "data": {"source": "file"}})


def test_given_no_open_run_then_finishing_does_nothing() -> None:
    finish("FINISHED")

    assert mlflow.active_run() is None


def test_given_credentials_in_the_uri_then_they_are_not_printed() -> None:
    target = TrackingTarget("https://someone:secret@tracking.example.org/path", "", "")

    assert target.printable_uri() == "https://tracking.example.org/path"
    assert target.resolved_uri(Path("/project")) == target.uri


def test_given_a_server_that_does_not_answer_then_the_error_names_it_without_the_credentials(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    with pytest.raises(ConfigurationError, match=r"cannot use MLflow at http://127\.0\.0\.1:9 ") as caught:
        connect(TrackingTarget("http://bob:hunter2@127.0.0.1:9", "", "tests"), tmp_path)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_flatten_names_leaves_by_their_path() -> None:
    assert dict(flatten({"a": {"b": 1, "c": {"d": 2}}, "e": [3]})) == {"a.b": 1, "a.c.d": 2, "e": [3]}
