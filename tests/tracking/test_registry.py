"""Registering and judging a real bundle in a real SQLite store."""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from mlflow import MlflowClient
from taught_market import small_ensemble

from crypto_kedro.errors import LineageError
from crypto_kedro.learning.export import BundleContent, write_bundle
from crypto_kedro.serving.bundle import ModelBundle, load_bundle
from crypto_kedro.tracking.datasets import PromotionDataset, RegisteredModelDataset
from crypto_kedro.tracking.registry import CHALLENGER, CHAMPION, Candidate, record_verdict, register
from crypto_kedro.tracking.run import finish, start

SCORES = {"log_loss": 1.0, "brier": 0.6}
REPORT: dict[str, Any] = {
    "windows": {
        name: {"metrics": {"log_loss": loss, "brier": 0.5}, "prior": SCORES, "models": {"lightgbm": SCORES}}
        for name, loss in (("fold-1", 0.9), ("final", 0.8))
    },
    "total": {"metrics": {"log_loss": 0.9, "brier": 0.5}, "prior": SCORES, "models": {"lightgbm": SCORES}},
    "importances": {"lightgbm": {"returns_1": 1.0}},
}
MANIFEST = {"feature_set": "stationary12", "hash": "f" * 64, "data": {"source": "file", "sha256": "d" * 64}}
CODE = {"git_sha": "a" * 40, "git_dirty": "false"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    """A bundle of three small models, exported as training exports it."""
    path = tmp_path_factory.mktemp("models") / "bundle"
    moment = "2018-01-01T00:00:00Z"
    write_bundle(path, BundleContent(small_ensemble(), 0.65, "file", moment, moment, {}))
    return load_bundle(path)


def candidate(bundle: ModelBundle, name: str, *, dry_run: bool = False, source: str = "file") -> Candidate:
    return Candidate(
        registered_model=name,
        bundle=bundle,
        feature_manifest={**MANIFEST, "data": {"source": source, "sha256": "d" * 64}},
        predictions_sha256="p" * 64,
        example=pd.DataFrame(np.zeros((2, len(bundle.feature_names))), columns=list(bundle.feature_names)),
        report=REPORT,
        figures={"empty": Figure()},
        dry_run=dry_run,
    )


def gates(*failed: str) -> dict[str, Any]:
    names = ("real_data", "enough_trades")
    verdicts = [{"name": name, "verdict": "fail" if name in failed else "pass"} for name in names]
    return {"passed": not failed, "failed": list(failed), "gates": verdicts}


def test_given_a_candidate_then_the_challenger_leads_back_to_code_data_and_features(bundle: ModelBundle) -> None:
    run_id = start("training", CODE, {})
    registered = register(candidate(bundle, "traced"))
    finish("FINISHED")

    version = MlflowClient().get_model_version_by_alias("traced", CHALLENGER)
    assert (str(version.version), version.run_id) == (registered["version"], run_id)
    assert version.tags == {
        **CODE,
        "data_source": "file",
        "data_sha256": "d" * 64,
        "feature_set": "stationary12",
        "feature_set_hash": "f" * 64,
        "bundle_digest": bundle.digest,
    }


def test_given_a_registered_model_then_mlflow_loads_it_and_predicts_as_the_bundle_does(bundle: ModelBundle) -> None:
    start("training", CODE, {})
    register(candidate(bundle, "loaded"))
    finish("FINISHED")
    features = np.random.default_rng(5).normal(size=(20, len(bundle.feature_names)))
    frame = pd.DataFrame(features, columns=list(bundle.feature_names))

    served = mlflow.pyfunc.load_model(f"models:/loaded@{CHALLENGER}").predict(frame)

    np.testing.assert_array_equal(served.to_numpy(), bundle.predict_proba(features))
    assert list(served.columns) == ["short", "flat", "long"]


def test_given_a_registered_model_then_it_holds_no_pickle(bundle: ModelBundle) -> None:
    start("training", CODE, {})
    register(candidate(bundle, "plain"))
    finish("FINISHED")

    local = Path(mlflow.artifacts.download_artifacts(f"models:/plain@{CHALLENGER}"))
    names = [path.name for path in local.rglob("*") if path.is_file()]
    assert "bundle.json" in names
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".joblib"))]


def test_given_a_report_then_folds_totals_and_each_model_are_logged_beside_the_prior(bundle: ModelBundle) -> None:
    run_id = start("training", CODE, {})
    register(candidate(bundle, "scored"))
    finish("FINISHED")

    client = MlflowClient()
    assert [point.value for point in client.get_metric_history(run_id, "log_loss")] == [0.9, 0.8]
    assert client.get_run(run_id).data.metrics["total.prior.log_loss"] == 1.0
    children = client.search_runs([client.get_run(run_id).info.experiment_id], f"tags.mlflow.parentRunId = '{run_id}'")
    assert [child.data.tags["model"] for child in children] == ["lightgbm"]
    assert {"figures", "training_report.json"} <= {file.path for file in client.list_artifacts(run_id)}


def test_given_a_dry_run_then_the_training_is_logged_and_nothing_registered(bundle: ModelBundle) -> None:
    run_id = start("training", CODE, {})
    registered = register(candidate(bundle, "rehearsed", dry_run=True))
    verdict = record_verdict(registered, gates(), {})
    finish("FINISHED")

    assert registered["version"] is None
    assert verdict["verdict"].startswith("not promoted: dry run")
    assert "total.log_loss" in mlflow.get_run(run_id).data.metrics
    assert not MlflowClient().search_registered_models("name = 'rehearsed'")


def test_given_a_run_that_does_not_name_its_code_then_nothing_is_registered(bundle: ModelBundle) -> None:
    start("training", {}, {})

    with pytest.raises(LineageError, match="the run has no git_sha, git_dirty"):
        register(candidate(bundle, "untraced"))
    assert not MlflowClient().search_registered_models("name = 'untraced'")


def test_given_no_open_run_then_neither_registration_nor_verdict_is_possible(bundle: ModelBundle) -> None:
    with pytest.raises(LineageError, match="no MLflow run is active"):
        register(candidate(bundle, "orphan"))
    with pytest.raises(LineageError, match="no MLflow run is active"):
        record_verdict({}, gates(), {})


def test_given_synthetic_candles_then_not_even_passing_every_gate_makes_a_champion(bundle: ModelBundle) -> None:
    start("training + evaluation", CODE, {})
    registered = register(candidate(bundle, "pretended", source="synthetic"))
    verdict = record_verdict(registered, gates(), {})
    finish("FINISHED")

    assert verdict["promoted"] is False
    assert CHAMPION not in MlflowClient().get_registered_model("pretended").aliases


@pytest.mark.parametrize("failed", [(), ("enough_trades",)])
def test_the_alias_champion_moves_only_if_every_gate_passed(
    bundle: ModelBundle, tmp_path: Path, failed: tuple[str, ...]
) -> None:
    name = "judged" if failed else "promoted"
    registration = RegisteredModelDataset(filepath=str(tmp_path / "registered_model.json"))
    promotion = PromotionDataset(filepath=str(tmp_path / "promotion.json"))
    run_id = start("training + evaluation", CODE, {})

    registration.save(candidate(bundle, name))
    evaluation = {"trading": {"strategy": {"trades": 3, "sharpe": None}}}
    promotion.save({"registered": registration.load(), "gates": gates(*failed), "evaluation": evaluation})
    finish("FINISHED")

    aliases = MlflowClient().get_registered_model(name).aliases
    assert (CHAMPION in aliases) is not bool(failed)
    assert promotion.load()["promoted"] is not bool(failed)
    assert promotion.load()["failed"] == list(failed)
    run = mlflow.get_run(run_id)
    assert run.data.tags["gate.enough_trades"] == ("fail" if failed else "pass")
    assert run.data.metrics["evaluation.trading.strategy.trades"] == 3.0
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []
