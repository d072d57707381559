"""The commands as a user runs them: real processes in a project folder of their own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

PROJECT = Path(__file__).resolve().parents[1]
KEDRO = Path(sys.executable).with_name("kedro")
REHEARSAL = (
    "data.synthetic.days=60,training.dry_run=true,training.min_training_days=20,training.final_days=5,"
    "training.threads=1,evaluation.bootstrap_replications=100,evaluation.random_traders=20"
)


def kedro(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [KEDRO, *arguments],
        cwd=project,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project without data and outside any git repository, after one rehearsal of all pipelines."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(PROJECT / "conf" / "base", folder / "conf" / "base")
    shutil.copy(PROJECT / "conf" / "logging.yml", folder / "conf" / "logging.yml")
    shutil.copy(PROJECT / "pyproject.toml", folder / "pyproject.toml")
    (folder / "conf" / "local").mkdir()
    shutil.copytree(PROJECT / "src" / "crypto_kedro", folder / "src" / "crypto_kedro")
    run = kedro(folder, "run", "--params", REHEARSAL)
    assert run.returncode == 0, run.stderr[-3000:] + run.stdout[-3000:]
    (folder / "printed.txt").write_text(run.stdout + run.stderr)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under the data folders, but not MLflow's, which records failed runs as well."""
    return {str(path): path.read_bytes() for path in (folder / "data").glob("0*/**/*") if path.is_file()}


def test_given_a_fresh_project_when_run_then_report_run_and_verdict_are_named(project: Path) -> None:
    printed = (project / "printed.txt").read_text()

    assert "data/08_reporting/report.html" in printed
    assert "dry run: trained and logged, not registered" in printed
    assert (project / "data" / "08_reporting" / "report.html").read_text().startswith("<!")


def test_a_run_logs_its_differences_from_base_first(project: Path) -> None:
    printed = (project / "printed.txt").read_text()

    line = "data.synthetic.days = 60 (base 180), from --params"
    assert line in printed
    assert printed.index(line) < printed.index("Tracking this run")


def test_given_no_git_repository_when_run_then_the_lineage_says_so(project: Path) -> None:
    assert "not a git commit" in (project / "printed.txt").read_text()


@pytest.mark.slow
def test_given_results_on_disk_when_only_evaluation_is_run_then_it_starts_from_them(project: Path) -> None:
    before = (project / "data" / "07_model_output" / "oos_predictions.parquet").stat().st_mtime_ns

    run = kedro(project, "run", "--pipeline", "evaluation", "--params", REHEARSAL)

    assert run.returncode == 0, run.stderr[-3000:]
    assert (project / "data" / "07_model_output" / "oos_predictions.parquet").stat().st_mtime_ns == before


@pytest.mark.slow
def test_stages_with_other_parameters_or_candles_name_the_pipeline_to_run(project: Path, tmp_path: Path) -> None:
    mixed = tmp_path / "project"
    shutil.copytree(project, mixed)
    other = f"{REHEARSAL},data.synthetic.seed=8"

    refused = kedro(mixed, "run", "--pipelines", "training", "--params", other)
    assert refused.returncode == 1
    assert "data.synthetic.seed = 7, it is 8 now; run `kedro run --pipelines data`" in refused.stderr

    assert kedro(mixed, "run", "--pipelines", "data", "--params", other).returncode == 0
    before = contents(mixed)
    refused = kedro(mixed, "run", "--pipelines", "training", "--params", other)
    assert refused.returncode == 1
    assert "run `kedro run --pipelines features`" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert contents(mixed) == before


def test_given_an_evaluation_when_a_decision_is_explained_then_every_gate_is_printed(project: Path) -> None:
    decided = pd.read_parquet(project / "data" / "07_model_output" / "bar_reasons.parquet")["decided_at"].iloc[100]

    told = kedro(project, "explain", "--at", decided.isoformat())
    as_json = kedro(project, "explain", "--at", decided.isoformat(), "--json")

    assert told.returncode == 0, told.stderr[-3000:]
    assert all(name in told.stdout for name in ("Ensemble", "Reason", "data_age_ms", "margin_ratio"))
    record = json.loads(as_json.stdout.splitlines()[-1])
    assert pd.Timestamp(record["decided_at"]) == decided
    assert len(record["decision"]["gates"]) == told.stdout.count("pass") + told.stdout.count("FAIL")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--at", "yesterday"), "--at is 'yesterday'; write a moment as"),
        (("--at", "1999-01-01"), "no out-of-sample decision was taken at 1999-01-01"),
        (("--at", "2025-03-01", "--params", "training.confidence_threshold=0.9"), "the model was trained for 0.5"),
    ],
)
def test_given_what_cannot_be_explained_when_asked_then_one_sentence_says_why(
    project: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    refused = kedro(project, "explain", *arguments)
    assert refused.returncode == 1
    assert sentence in " ".join(refused.stderr.split())
    assert "Traceback" not in refused.stderr


def test_given_a_misspelt_parameter_when_run_then_one_sentence_names_it_and_nothing_changes(project: Path) -> None:
    before = contents(project)

    run = kedro(project, "run", "--params", "training.trainning_days=90")

    assert run.returncode == 1
    assert (
        run.stderr.strip().splitlines()[-1]
        == "Error: parameters: unknown key training.trainning_days; did you mean training.training_days?"
    )
    assert contents(project) == before


def test_given_damaged_candles_when_run_then_file_row_and_rule_are_named_and_the_last_data_stays(
    project: Path, tmp_path: Path
) -> None:
    before = contents(project)
    damaged = tmp_path / "damaged.csv"
    damaged.write_text(
        "timestamp,open,high,low,close,volume\n"
        "2018-01-03T00:00:00Z,100,101,99,100,1\n"
        "2018-01-03T00:01:00Z,100,90,99,100,1\n"
    )

    run = kedro(project, "run", "--pipelines", "data", "--params", f"data.source=file,data.path={damaged}")

    sentence = run.stderr.strip().splitlines()[-1]
    assert run.returncode == 1
    assert sentence.startswith("Error: ")
    assert "damaged.csv" in sentence
    assert contents(project) == before


def test_given_a_sound_project_when_examined_then_doctor_says_so(project: Path) -> None:
    own = project / "conf" / "local" / "parameters.yml"
    own.write_text("trading: {sizing: {risk_fraction: 0.002}}")
    try:
        run = kedro(project, "doctor")
    finally:
        own.unlink()

    assert run.returncode == 0, run.stdout
    assert "complete, unaltered, for this feature set" in run.stdout
    line = "trading.sizing.risk_fraction = 0.002 (base 0.01), from conf/local/parameters.yml"
    assert line in run.stdout.splitlines()


def test_given_an_altered_manifest_when_examined_then_doctor_fails_with_a_remedy(project: Path) -> None:
    file = project / "data" / "03_primary" / "data_manifest.json"
    sound = file.read_text()
    file.write_text(json.dumps({**json.loads(sound), "bars_sha256": "0" * 64}))
    try:
        run = kedro(project, "doctor")
    finally:
        file.write_text(sound)

    assert run.returncode == 1
    assert "bars and manifest do not belong together" in run.stdout
    assert "kedro run --pipelines data" in run.stdout


def test_given_a_broken_configuration_when_examined_then_doctor_names_the_key(project: Path) -> None:
    file = project / "conf" / "local" / "parameters.yml"
    file.write_text("gates:\n  min_tradez: 5\n")
    try:
        run = kedro(project, "doctor")
    finally:
        file.unlink()

    assert run.returncode == 1
    assert "did you mean gates.min_trades?" in run.stdout
