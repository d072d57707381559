"""Registering and judging a real bundle in a real SQLite store."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError
from matplotlib.figure import Figure
from mlflow import MlflowClient
from taught_market import small_ensemble

from crypto_kedro.errors import LineageError
from crypto_kedro.learning.export import BundleContent, write_bundle
from crypto_kedro.serving.bundle import ModelBundle, load_bundle
from crypto_kedro.tracking.champion import ChampionDataset
from crypto_kedro.tracking.datasets import PromotionDataset, RegisteredModelDataset
from crypto_kedro.tracking.overrule import PAPER_CHAMPION, Overruling, overrule, standings
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
    "parameters": {"labels": {"max_bars": 48}},
}
SETTINGS = {"labels": {"max_bars": 48}, "trading": {"min_agreement": 0.6}}
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
    verdicts = [
        {
            "name": name,
            "verdict": "fail" if name in failed else "pass",
            "explanation": "7 trades.",
            "threshold": ">= 100",
        }
        for name in names
    ]
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
        "judged_settings": '{"labels":{"max_bars":48}}',
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
    verdict = record_verdict(registered, gates(), {}, SETTINGS)
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
        record_verdict({}, gates(), {}, SETTINGS)


def test_given_synthetic_candles_then_not_even_passing_every_gate_makes_a_champion(bundle: ModelBundle) -> None:
    start("training + evaluation", CODE, {})
    registered = register(candidate(bundle, "pretended", source="synthetic"))
    verdict = record_verdict(registered, gates(), {}, SETTINGS)
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
    promotion.save(
        {"registered": registration.load(), "gates": gates(*failed), "evaluation": evaluation, "settings": SETTINGS}
    )
    finish("FINISHED")

    aliases = MlflowClient().get_registered_model(name).aliases
    assert (CHAMPION in aliases) is not bool(failed)
    assert promotion.load()["promoted"] is not bool(failed)
    assert promotion.load()["failed"] == list(failed)
    run = mlflow.get_run(run_id)
    assert run.data.tags["gate.enough_trades"] == ("fail" if failed else "pass")
    assert run.data.metrics["evaluation.trading.strategy.trades"] == 3.0
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def judged(bundle: ModelBundle, name: str, *failed: str, source: str = "file") -> dict[str, Any]:
    """Register a candidate, judge it in the same run, and return what was registered."""
    start("training + evaluation", CODE, {})
    registered = register(candidate(bundle, name, source=source))
    record_verdict(registered, gates(*failed), {}, SETTINGS)
    finish("FINISHED")
    return registered


def decision(version: str, reason: str = "watch it", *, demonstration: bool = False) -> Overruling:
    return Overruling(version, reason, "hanako", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), demonstration)


def test_given_a_failed_gate_then_the_version_keeps_its_reason(bundle: ModelBundle) -> None:
    judged(bundle, "reasoned", "enough_trades")

    tags = MlflowClient().get_model_version("reasoned", "1").tags
    assert tags["gate.enough_trades"] == "fail"
    assert tags["reason.enough_trades"] == "7 trades. Needed: >= 100."
    assert tags["verdict"] == "version 1 stays challenger: failed enough_trades"


def test_given_a_new_champion_then_it_names_the_one_before_which_stays_reachable(bundle: ModelBundle) -> None:
    for _ in range(2):
        judged(bundle, "succession")

    client = MlflowClient()
    champion = client.get_model_version_by_alias("succession", CHAMPION)
    assert (str(champion.version), champion.tags["replaces_champion_version"]) == ("2", "1")
    assert (
        mlflow.pyfunc.load_model("models:/succession/1").metadata.run_id
        == client.get_model_version("succession", "1").run_id
    )


def test_given_a_second_evaluation_of_a_version_then_the_second_opening_is_said_and_counted(
    bundle: ModelBundle, caplog: pytest.LogCaptureFixture
) -> None:
    registered = judged(bundle, "opened")
    first = MlflowClient().get_model_version("opened", "1").tags
    with caplog.at_level(logging.WARNING):
        start("evaluation", CODE, {})
        record_verdict(registered, gates(), {}, SETTINGS)
        finish("FINISHED")

    second = MlflowClient().get_model_version("opened", "1").tags
    assert (first["final_window_openings"], second["final_window_openings"]) == ("1", "2")
    assert second["final_window_opened_at"] == first["final_window_opened_at"]
    assert "opened version 1 was opened before" in caplog.text


def test_given_a_person_who_overrules_then_paper_gets_the_version_and_the_lineage_says_so(bundle: ModelBundle) -> None:
    judged(bundle, "overruled", "enough_trades")

    standing = overrule("overruled", decision("1"))

    version = MlflowClient().get_model_version_by_alias("overruled", PAPER_CHAMPION)
    assert CHAMPION not in MlflowClient().get_registered_model("overruled").aliases
    assert {key: value for key, value in version.tags.items() if key.startswith("overruled")} == {
        "overruled_for": "paper",
        "overruled_by": "hanako",
        "overruled_at": "2026-01-02T03:04:05+00:00",
        "overruled_reason": "watch it",
        "overruled_gates": "enough_trades",
    }
    assert standing.aliases == (CHALLENGER, PAPER_CHAMPION)
    assert standing.failed == ("enough_trades",)


def test_given_versions_then_they_are_listed_newest_first_with_their_standing(bundle: ModelBundle) -> None:
    judged(bundle, "listed")
    start("training", CODE, {})
    register(candidate(bundle, "listed"))
    finish("FINISHED")

    newest, first = standings("listed")
    assert (newest.version, newest.aliases, newest.verdict, newest.openings) == ("2", (CHALLENGER,), None, 0)
    assert (first.version, first.aliases, first.openings) == ("1", (CHAMPION,), 1)
    assert first.verdict == "version 1 is champion: every gate passed"
    assert standings("never registered") == []


@pytest.mark.parametrize(
    ("overruling", "message"),
    [
        (decision("9"), "has no version 9; choose one of 1"),
        (decision("nine"), "has no version nine; choose one of 1"),
        (decision("1", "  "), "the reason is empty"),
        (decision("1"), "trained on synthetic candles"),
    ],
)
def test_given_an_impossible_overruling_then_it_is_refused_and_no_alias_moves(
    bundle: ModelBundle, overruling: Overruling, message: str
) -> None:
    if not standings("refused"):
        judged(bundle, "refused", source="synthetic")

    with pytest.raises(LineageError, match=message):
        overrule("refused", overruling)
    assert PAPER_CHAMPION not in MlflowClient().get_registered_model("refused").aliases


def test_given_a_version_without_a_verdict_then_there_is_nothing_to_overrule(bundle: ModelBundle) -> None:
    start("training", CODE, {})
    register(candidate(bundle, "unjudged"))
    finish("FINISHED")

    with pytest.raises(LineageError, match="no verdict to overrule"):
        overrule("unjudged", decision("1"))


def test_given_a_demonstration_then_a_synthetic_model_may_trade_on_paper(bundle: ModelBundle) -> None:
    judged(bundle, "shown", source="synthetic")

    assert PAPER_CHAMPION in overrule("shown", decision("1", demonstration=True)).aliases


def test_given_a_champion_then_the_catalog_gives_its_version_and_its_own_bundle(bundle: ModelBundle) -> None:
    start("training", CODE, {})
    registered = register(candidate(bundle, "reigning"))
    record_verdict(registered, gates(), {}, SETTINGS)
    finish("FINISHED")
    champion = ChampionDataset("reigning").load()
    assert champion["version"] == "reigning version 1"
    assert champion["bundle"].digest == bundle.digest


def test_given_no_champion_then_the_catalog_gives_none_and_takes_none(bundle: ModelBundle) -> None:
    assert ChampionDataset("nobody").load() == {"version": None, "bundle": None}
    with pytest.raises(DatasetError, match="set by the verdict"):
        ChampionDataset("nobody").save("a model")
