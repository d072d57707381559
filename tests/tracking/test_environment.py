"""The environment changes neither the commit that is named nor the store that is written to."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from crypto_kedro.tracking.environment import clear_environment, git_environment, overruled_variables
from crypto_kedro.tracking.provenance import code_version
from crypto_kedro.tracking.run import TrackingTarget, connect, finish, start

TARGET = TrackingTarget("sqlite:///data/mlflow.db", "data/mlartifacts", "tests")
GIT_VARIABLES = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_CEILING_DIRECTORIES",
    "GIT_NAMESPACE", "GIT_SHALLOW_FILE", "GIT_CONFIG", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM",
)  # fmt: skip
MLFLOW_VARIABLES = (
    "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_RUN_CONTEXT", "MLFLOW_WORKSPACE", "MLFLOW_ENABLE_ASYNC_LOGGING", "MLFLOW_ARTIFACT_URI",
    "MLFLOW_ACTIVE_MODEL_ID", "_MLFLOW_ACTIVE_MODEL_ID", "MLFLOW_READ_REPLICA_BACKEND_STORE_URI", "MLFLOW_OF_TOMORROW",
)  # fmt: skip


def git(directory: Path, *arguments: str) -> str:
    command = ["git", "-C", str(directory), "-c", "user.email=a@example.org", "-c", "user.name=A", *arguments]
    environment = git_environment(os.environ)
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip()


def repository(directory: Path, text: str) -> Path:
    directory.mkdir()
    (directory / "pyproject.toml").write_text(text)
    git(directory, "init", "-q")
    git(directory, "add", "pyproject.toml")
    git(directory, "commit", "-q", "-m", text)
    return directory


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two repositories with one commit each."""
    folder = tmp_path_factory.mktemp("repositories")
    return repository(folder / "own", "own"), repository(folder / "other", "other")


@pytest.mark.parametrize("variable", GIT_VARIABLES)
def test_a_git_variable_of_another_repository_has_no_effect(
    repositories: tuple[Path, Path], variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other = repositories
    values = {"GIT_WORK_TREE": other, "GIT_INDEX_FILE": other / ".git" / "index", "GIT_CEILING_DIRECTORIES": own.parent}
    monkeypatch.setenv(variable, str(values.get(variable, other / ".git")))

    code = code_version(own)

    assert (code.git_sha, code.dirty) == (git(own, "rev-parse", "HEAD"), False)
    assert variable in overruled_variables(os.environ, TARGET.uri)


def test_git_settings_of_the_environment_do_not_hide_a_change(
    repositories: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, _ = repositories
    settings = {"COUNT": "1", "KEY_0": "core.excludesFile", "VALUE_0": str(own / ".git" / "ignored")}
    (own / ".git" / "ignored").write_text("*\n")
    for name, value in settings.items():
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    new = own / "new.py"
    new.write_text("x = 1\n")
    try:
        assert code_version(own).dirty is True
    finally:
        new.unlink()


def test_another_repository_gives_no_commit_to_a_project_without_one(
    repositories: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text("other")
    monkeypatch.setenv("GIT_DIR", str(repositories[1] / ".git"))

    assert code_version(tmp_path).git_sha is None


def test_a_project_of_another_user_names_its_commit(tmp_path: Path) -> None:
    own = repository(tmp_path / "own", "own")
    if os.getuid() != 0:
        pytest.skip("only root can give a file away")
    for path in (own, *own.rglob("*")):
        os.chown(path, 12345, 12345)

    assert code_version(own).git_sha == git(own, "-c", "safe.directory=*", "rev-parse", "HEAD")


@pytest.mark.parametrize("variable", MLFLOW_VARIABLES)
def test_an_mlflow_variable_does_not_move_a_run(store: Path, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = start("first", {}, {})
    finish("FINISHED")
    values = {"MLFLOW_RUN_ID": before, "MLFLOW_EXPERIMENT_ID": "0", "MLFLOW_EXPERIMENT_NAME": "Default"}
    monkeypatch.setenv(variable, values.get(variable, "http://127.0.0.1:9"))

    assert overruled_variables(os.environ, TARGET.uri) == (variable,)
    connect(TARGET, store)
    run_id = start("second", {}, {"a": 1})
    MlflowClient().search_registered_models()
    finish("FINISHED")

    assert variable not in os.environ
    with sqlite3.connect(store / "data" / "mlflow.db") as database:
        rows = database.execute("SELECT name, experiment_id FROM runs WHERE run_uuid IN (?, ?)", (before, run_id))
        experiment = mlflow.get_experiment_by_name("tests").experiment_id
        assert sorted(rows) == [("first", int(experiment)), ("second", int(experiment))]


def test_a_child_process_inherits_no_place_to_write_to(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://127.0.0.1:9")
    connect(TARGET, store)

    script = "import os; print([name for name in os.environ if name.endswith(('_URI', 'EXPERIMENT_ID'))])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_reaching_the_server_stays_a_matter_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = ("MLFLOW_TRACKING_TOKEN", "MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_S3_ENDPOINT_URL", "GIT_AUTHOR_NAME")
    for name in kept:
        monkeypatch.setenv(name, "1")

    assert clear_environment("https://tracking.example.org") == ()
    assert clear_environment("https://bob:secret@tracking.example.org") == ("MLFLOW_TRACKING_TOKEN",)
