"""A SQLite store lies in its project, follows it, and is checked before any work."""

import os
import shutil
import socket
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.tracking.run import TrackingTarget, connect, finish, start
from crypto_kedro.tracking.store import Move, check_folders, check_store, moves

TARGET = TrackingTarget("sqlite:///data/mlflow.db", "data/mlartifacts", "tests")


@pytest.fixture
def copy(store: Path, tmp_path: Path) -> Path:
    """A copy of the module's store in another project."""
    shutil.copytree(store / "data", tmp_path / "copy" / "data")
    return tmp_path / "copy"


@pytest.fixture
def locked(copy: Path) -> Iterator[Path]:
    """A store that another connection writes to."""
    connection = sqlite3.connect(copy / "data" / "mlflow.db", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    yield copy
    connection.close()


@pytest.mark.parametrize(
    "name", ["a?b", "a%20b", "a%41b", "a#b", "a b", "日本 é", "%", "a?mode=memory", "a%3Fb", "x&y=z;"]
)
def test_a_store_lies_in_its_project_whatever_the_path(store: Path, tmp_path: Path, name: str) -> None:
    project = tmp_path / name
    shutil.copytree(store / "data", project / "data")

    connect(TARGET, project)
    run_id = start("named", {}, {})
    mlflow.log_text("content", "folder/file.txt")
    finish("FINISHED")

    assert [path.name for path in tmp_path.iterdir()] == [name]
    with sqlite3.connect(project / "data" / "mlflow.db") as database:
        assert database.execute("SELECT count(*) FROM runs WHERE run_uuid = ?", (run_id,)).fetchone() == (1,)
    assert (project / "data/mlartifacts" / run_id / "artifacts/folder/file.txt").read_text() == "content"
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/folder/file.txt") == "content"


def test_a_new_store_in_a_path_with_a_question_mark_makes_no_second_folder(tmp_path: Path) -> None:
    connect(TARGET, tmp_path / "a?b%41")

    assert [path.name for path in tmp_path.iterdir()] == ["a?b%41"]
    assert (tmp_path / "a?b%41" / "data" / "mlflow.db").stat().st_size > 0


def test_a_copied_project_neither_reads_nor_writes_the_original(store: Path, copy: Path) -> None:
    run_id = start("before", {}, {})
    mlflow.log_text("original", "file.txt")
    version = _version(run_id)
    finish("FINISHED")
    shutil.rmtree(copy)
    shutil.copytree(store / "data", copy / "data")
    (copy / "data/mlartifacts" / run_id / "artifacts/file.txt").write_text("copy")
    files = sorted((store / "data/mlartifacts").rglob("*"))

    assert moves(TARGET, copy) == (Move(store, copy),)
    connect(TARGET, copy)
    after = start("after", {}, {})
    mlflow.log_text("new", "file.txt")
    finish("FINISHED")

    assert mlflow.artifacts.load_text(f"runs:/{run_id}/file.txt") == "copy"
    assert MlflowClient().get_model_version("moved", version).source.startswith(copy.as_uri())
    assert (copy / "data/mlartifacts" / after / "artifacts/file.txt").exists()
    assert sorted((store / "data/mlartifacts").rglob("*")) == files
    assert moves(TARGET, copy) == ()
    assert moves(TARGET, store) == ()


def test_a_copy_inside_the_original_and_back_is_its_own(store: Path, copy: Path) -> None:
    inside = copy / "inside"
    connect(TARGET, copy)
    shutil.copytree(copy / "data", inside / "data")

    connect(TARGET, inside)
    assert mlflow.get_experiment_by_name("tests").artifact_location == (inside / "data/mlartifacts").as_uri()
    shutil.copy(inside / "data" / "mlflow.db", copy / "data" / "mlflow.db")
    connect(TARGET, copy)
    assert mlflow.get_experiment_by_name("tests").artifact_location == (copy / "data/mlartifacts").as_uri()


def test_a_shared_store_refuses_a_second_project(store: Path, tmp_path: Path) -> None:
    shared = TrackingTarget(f"sqlite:///{store}/data/mlflow.db", "data/mlartifacts", "tests")
    (store / "data" / "mlartifacts").mkdir(exist_ok=True)

    with pytest.raises(ConfigurationError, match=r"tests lie in .*, outside this project; set tracking\.artifact_root"):
        connect(shared, tmp_path)
    assert mlflow.get_experiment_by_name("tests").artifact_location == (store / "data/mlartifacts").as_uri()


def test_a_deleted_experiment_is_named_with_its_remedy(copy: Path) -> None:
    connect(TARGET, copy)
    MlflowClient().delete_experiment(mlflow.get_experiment_by_name("tests").experiment_id)

    with pytest.raises(ConfigurationError, match="tests was deleted in MLflow; restore it with `mlflow experiments"):
        connect(TARGET, copy)


@pytest.mark.slow
def test_a_locked_database_is_named_within_ten_seconds(locked: Path) -> None:
    began = time.monotonic()

    with pytest.raises(ConfigurationError, match="database is locked"):
        check_store(TARGET, locked)
    assert time.monotonic() - began < 10


def test_a_file_that_is_no_database_is_named_and_kept(copy: Path) -> None:
    database = copy / "data" / "mlflow.db"
    database.write_bytes(b"something else" * 1000)

    with pytest.raises(ConfigurationError, match="file is not a database"):
        connect(TARGET, copy)
    assert database.read_bytes() == b"something else" * 1000


@pytest.mark.parametrize(("place", "mode"), [("data", 0o555), ("data/mlflow.db", 0o444), ("data/mlartifacts", 0o555)])
def test_what_cannot_be_written_to_is_named(store: Path, place: str, mode: int) -> None:
    # Modes bind a user without root's rights, to whom pytest's own folder is closed.
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        shutil.copytree(store / "data", project / "data")
        (project / "data" / "mlartifacts").mkdir(exist_ok=True)
        for path in (project, *project.rglob("*")):
            path.chmod(0o777)
        (project / place).chmod(mode)

        child = os.fork()
        if child == 0:
            try:
                if os.getuid() == 0:
                    os.setuid(12345)
                check_store(TARGET, project)
                os._exit(1)
            except ConfigurationError as error:
                os._exit(0 if place.split("/")[-1] in str(error) else 2)
            finally:
                os._exit(3)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")

    with pytest.raises(ConfigurationError, match=r"data cannot be written to \(Not a directory\)"):
        check_folders([tmp_path / "data" / "06_models"])


def test_checking_a_store_leaves_it_as_it_is(copy: Path) -> None:
    database = copy / "data" / "mlflow.db"
    before = database.read_bytes()

    check_store(TARGET, copy)

    assert database.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["http", "postgresql"])
def test_a_server_that_never_answers_is_named_within_ten_seconds(scheme: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as silent:
        address = silent.getsockname()
        # One connection fills the queue, so that a second one waits for ever.
        with socket.create_connection(address), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(address)
            began = time.monotonic()
            with pytest.raises(ConfigurationError, match="cannot use MLflow at"):
                connect(TrackingTarget(f"{scheme}://127.0.0.1:{address[1]}/db", "", "tests"), tmp_path)
            assert time.monotonic() - began < 10


def _version(run_id: str) -> str:
    client = MlflowClient()
    client.create_registered_model("moved")
    source = f"{mlflow.get_artifact_uri()}"
    return str(client.create_model_version("moved", source, run_id).version)
