"""A session trades what the registry holds at its start, without MLflow in its process."""

import json
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from taught_market import small_ensemble

from crypto_kedro.errors import BundleError, LineageError
from crypto_kedro.learning.export import BundleContent, write_bundle
from crypto_kedro.serving.bundle import ModelBundle, load_bundle
from crypto_kedro.tracking.kept_shelf import SHELF, KeptShelf, bring_up_to_date, kept_of, registry_stamp
from crypto_kedro.tracking.shelf_keeper import keep_shelf
from crypto_kedro.tracking.target import TrackingTarget
from crypto_kedro.tracking.traded_model import ModelShelf

NAME = "kept"
TARGET = TrackingTarget("sqlite:///data/mlflow.db", "data/mlartifacts", "tests")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    path = tmp_path_factory.mktemp("models") / "bundle"
    moment = "2018-01-01T00:00:00Z"
    write_bundle(path, BundleContent(small_ensemble(), 0.65, "file", moment, moment, {}))
    return load_bundle(path)


@pytest.fixture
def project(store: Path, bundle: ModelBundle) -> Path:
    """A project with one version, the champion, whose bundle lies in a run's artifacts."""
    client = MlflowClient()
    if not client.search_registered_models(f"name = '{NAME}'"):
        client.create_registered_model(NAME)
        with mlflow.start_run() as run:
            mlflow.log_artifacts(str(bundle.path), "model/bundle")
        source = f"{run.info.artifact_uri}/model"
        client.create_model_version(NAME, source, run.info.run_id, tags={"verdict": "good", "gate.real_data": "fail"})
    client.set_registered_model_alias(NAME, "champion", "1")
    return store


def kept(project: Path) -> KeptShelf:
    bring_up_to_date(TARGET, project, NAME)
    return KeptShelf(NAME, project / SHELF)


def test_given_a_champion_when_kept_then_it_is_what_mlflow_says(project: Path) -> None:
    expected, found = ModelShelf(NAME).first_of(["champion"]), kept(project).first_of(["paper-champion", "champion"])

    assert expected is not None
    assert found is not None
    assert (found.alias, found.version, found.run_id, dict(found.tags), found.kelly, found.failed_gates) == (
        "champion", expected.version, expected.run_id, dict(expected.tags), None, ("real_data",),
    )  # fmt: skip
    assert found.bundle.digest == expected.bundle.digest


@pytest.mark.slow
def test_given_a_champion_demoted_a_moment_ago_then_no_session_finds_it(project: Path) -> None:
    assert kept(project).first_of(["champion"]) is not None

    MlflowClient().delete_registered_model_alias(NAME, "champion")

    assert kept(project).first_of(["champion"]) is None


@pytest.mark.slow
def test_given_a_tag_changed_a_moment_ago_then_the_session_sees_it(project: Path) -> None:
    kept(project)

    MlflowClient().set_model_version_tag(NAME, "1", "overruled_by", "somebody")

    model = kept(project).first_of(["champion"])
    assert model is not None
    assert model.tags["overruled_by"] == "somebody"


def test_given_an_unchanged_registry_then_it_is_not_read_again(project: Path) -> None:
    kept(project)
    file = project / SHELF / "shelf.json"
    before = file.stat().st_mtime_ns

    kept(project)

    assert file.stat().st_mtime_ns == before


def test_given_an_evaluation_that_mlflow_lost_then_only_its_version_is_refused(project: Path) -> None:
    MlflowClient().set_model_version_tag(NAME, "1", "evaluation_run_id", "0" * 32)
    try:
        shelf = kept(project)

        assert shelf.first_of(["challenger"]) is None
        with pytest.raises(LineageError, match="kept version 1 names an evaluation that MLflow does not know"):
            shelf.first_of(["champion"])
    finally:
        MlflowClient().delete_model_version_tag(NAME, "1", "evaluation_run_id")


def test_given_an_altered_bundle_then_it_is_refused(project: Path) -> None:
    shelf = kept(project)
    model = shelf.first_of(["champion"])
    assert model is not None
    trees = sorted(path for path in model.bundle.path.iterdir() if path.name != "bundle.json")[0]
    whole = trees.read_bytes()
    trees.chmod(0o644)
    trees.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        with pytest.raises(BundleError, match="altered after the export"):
            shelf.first_of(["champion"])
    finally:
        trees.write_bytes(whole)


def test_given_no_registry_then_nothing_is_kept_of_an_older_one(project: Path, tmp_path: Path) -> None:
    keep_shelf(TARGET.database(project), NAME, tmp_path / SHELF)
    assert KeptShelf(NAME, tmp_path / SHELF).first_of(["champion"]) is not None

    bring_up_to_date(TARGET, tmp_path, NAME)

    assert KeptShelf(NAME, tmp_path / SHELF).first_of(["champion"]) is None
    assert not (tmp_path / "data" / "mlflow.db").exists()


def test_given_a_server_that_does_not_answer_then_the_reason_names_it_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    target = TrackingTarget("http://bob:hunter2@127.0.0.1:9", "", "tests")

    assert registry_stamp(target.database(tmp_path)) is None
    with pytest.raises(LineageError, match="kept") as caught:
        bring_up_to_date(target, tmp_path, NAME)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", json.dumps({"format": 99, "registered_model": NAME})])
def test_given_a_shelf_that_cannot_be_read_then_nothing_is_kept(tmp_path: Path, content: str) -> None:
    (tmp_path / "shelf.json").write_text(content)

    assert kept_of(tmp_path, NAME) is None
    with pytest.raises(LineageError, match="no version is kept"):
        KeptShelf(NAME, tmp_path).first_of(["champion"])


def test_given_a_session_then_its_rooms_import_neither_mlflow_nor_pandas_nor_other_exchanges() -> None:
    script = (
        "import sys\n"
        "import crypto_kedro.pipelines.trading, crypto_kedro.settings, crypto_kedro.tracking.shelf_dataset\n"
        "import crypto_kedro.json_dataset\n"
        "heavy = {'mlflow', 'pandas', 'sklearn', 'lightgbm', 'xgboost', 'matplotlib', 'pyarrow', 'plotly'}\n"
        "print(sorted(heavy & set(sys.modules)), [m for m in sys.modules if m.startswith('ccxt.binance')])\n"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert said.splitlines()[-1] == "[] []"


def test_given_ccxt_after_the_connector_then_it_is_whole_and_of_the_same_classes() -> None:
    script = (
        "from crypto_kedro.exchange.bitbank.ccxt_alone import BaseError, bitbank\n"
        "import ccxt, ccxt.async_support\n"
        "print(ccxt.async_support.bitbank is bitbank, ccxt.BaseError is BaseError, ccxt.binance().id)\n"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert said.split() == ["True", "True", "binance"]
