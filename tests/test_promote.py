"""The command ``kedro promote`` as a person uses it: real processes over a real store."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from taught_market import small_ensemble

from crypto_kedro.learning.export import BundleContent, write_bundle
from crypto_kedro.tracking.run import TrackingTarget, connect

PROJECT = Path(__file__).resolve().parents[1]
KEDRO = Path(sys.executable).with_name("kedro")
MODEL = "btc-jpy-ensemble"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project in which version 1 was judged on real candles and version 2 on synthetic ones."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(PROJECT / "conf" / "base", folder / "conf" / "base")
    for name in ("local", "demo"):
        (folder / "conf" / name).mkdir()
    shutil.copy(PROJECT / "conf" / "logging.yml", folder / "conf" / "logging.yml")
    shutil.copy(PROJECT / "pyproject.toml", folder / "pyproject.toml")
    shutil.copytree(PROJECT / "src" / "crypto_kedro", folder / "src" / "crypto_kedro")
    before = mlflow.get_tracking_uri()
    connect(TrackingTarget("sqlite:///data/mlflow.db", "data/mlartifacts", "crypto-kedro"), folder)
    client = MlflowClient()
    client.create_registered_model(MODEL)
    moment = "2018-01-01T00:00:00Z"
    write_bundle(folder / "model" / "bundle", BundleContent(small_ensemble(), 0.65, "file", moment, moment, {}))
    for source in ("bitbank", "synthetic"):
        tags = {
            "data_source": source,
            "verdict": "stays challenger",
            "gate.profitable": "fail",
            "gate.calibrated": "pass",
        }
        client.create_model_version(MODEL, source=str(folder / "model"), tags=tags)
    yield folder
    mlflow.set_tracking_uri(before)


def promote(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [KEDRO, "promote", *arguments],
        cwd=project,
        env={**os.environ, "COLUMNS": "200", "LOGNAME": "hanako"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_given_a_reason_when_promoted_then_the_version_is_for_paper_and_the_list_says_why(project: Path) -> None:
    done = promote(project, "--version", "1", "--reason", "watch it for a month")
    listed = promote(project, "--list")

    assert done.returncode == 0, done.stderr
    assert "Version 1 is paper-champion now. Gates that had failed: profitable." in done.stdout
    aliases = MlflowClient().get_registered_model(MODEL).aliases
    assert {name: str(version) for name, version in aliases.items()} == {"paper-champion": "1"}
    assert "paper-champion" in listed.stdout
    assert "hanako: watch it for a month" in listed.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--version", "7", "--reason", "so"), "Error: promote: btc-jpy-ensemble has no version 7; choose one of 2, 1"),
        (("--version", "1"), "Error: promote: the reason is empty; say with --reason why the gates are overruled"),
        ((), "Error: promote: give either --list, or --version with --reason"),
    ],
)
def test_given_a_wrong_call_then_one_sentence_says_what_to_do(
    project: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    refused = promote(project, *arguments)

    assert refused.returncode != 0
    assert refused.stderr.strip().splitlines()[-1] == sentence


def test_given_a_damaged_model_when_promoted_then_one_sentence_refuses_it_and_no_alias_moves(project: Path) -> None:
    model, kept = project / "model" / "bundle" / "xgboost.treelite", project / "model" / "kept"
    kept.write_bytes(model.read_bytes())
    model.write_bytes(b"")
    try:
        done = promote(project, "--version", "2", "--reason", "show it", "--env", "demo")
    finally:
        kept.replace(model)
    assert done.returncode == 1
    assert "xgboost.treelite was altered after the export" in done.stderr
    assert "Traceback" not in done.stderr


def test_given_a_synthetic_model_then_only_the_demonstration_takes_it(project: Path) -> None:
    refused = promote(project, "--version", "2", "--reason", "show it")
    shown = promote(project, "--version", "2", "--reason", "show it", "--env", "demo")

    assert (refused.returncode, shown.returncode) == (1, 0)
    assert "trained on synthetic candles, which are no evidence" in refused.stderr
