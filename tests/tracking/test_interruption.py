"""A run that a signal ends is KILLED in the store, and the process ends with the signal's status."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
KEDRO = Path(sys.executable).with_name("kedro")
BOUND_S = 120.0
# A pipeline's work, without a pipeline: `swallow` is native code that drops the exception of a handler.
WORK = """
import sys, time
from pathlib import Path
from crypto_kedro.tracking import run
from crypto_kedro.tracking.interruption import Interruption

run.connect(run.TrackingTarget("sqlite:///data/mlflow.db", "data/mlartifacts", "tests"), Path.cwd())
interruption = Interruption(lambda: run.finish("KILLED"), run.kill)
interruption.watch()
with interruption.held():
    run.start("work", {}, {})
    if sys.argv[1] == "opening":
        print("ready", flush=True)
        time.sleep(1)
import mlflow
mlflow.start_run(nested=True)
if sys.argv[1] != "opening":
    print("ready", flush=True)
while True:
    try:
        time.sleep(60)
    except SystemExit:
        if sys.argv[1] != "swallow":
            raise
"""


def statuses(project: Path) -> list[str]:
    with sqlite3.connect(project / "data" / "mlflow.db") as database:
        return [row[0] for row in database.execute("SELECT status FROM runs WHERE name != '' ORDER BY start_time")]


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGINT, "work"),
        (signal.SIGTERM, "work"),
        (signal.SIGTERM, "opening"),
        pytest.param(signal.SIGTERM, "swallow", marks=pytest.mark.slow),
    ],
)
def test_a_signal_leaves_the_run_killed(store: Path, tmp_path: Path, number: signal.Signals, moment: str) -> None:
    shutil.copytree(store / "data", tmp_path / "data")
    before = len(statuses(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", WORK, moment], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        _, errors = process.communicate(timeout=BOUND_S)

    assert process.returncode == 128 + number
    assert set(statuses(tmp_path)[before:][:1]) == {"KILLED"}
    assert "Traceback" not in errors


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_kedro_run_leaves_its_run_killed(tmp_path: Path, number: signal.Signals) -> None:
    for folder in ("conf/base", "src/crypto_kedro"):
        shutil.copytree(PROJECT / folder, tmp_path / folder)
    for file in ("conf/logging.yml", "pyproject.toml"):
        shutil.copy(PROJECT / file, tmp_path / file)
    (tmp_path / "conf" / "local").mkdir()
    output = tmp_path / "output.txt"
    with output.open("w") as printed, subprocess.Popen(
        [KEDRO, "run", "--params", "data.synthetic.days=90"], cwd=tmp_path, env={**os.environ, "COLUMNS": "200"},
        stdout=printed, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + BOUND_S
        while "check_for_foresight" not in output.read_text() and process.poll() is None:
            assert time.monotonic() < deadline
        process.send_signal(number)
        process.wait(timeout=BOUND_S)

    printed_text = output.read_text()
    assert process.returncode == 128 + number, printed_text
    assert statuses(tmp_path) == ["KILLED"]
    assert "Traceback" not in printed_text
    assert f"Ended by {number.name}: the MLflow run is KILLED." in printed_text
