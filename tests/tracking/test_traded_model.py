"""Which registered version a session trades, and what it is told of it."""

from pathlib import Path

import pytest
from mlflow import MlflowClient
from registered_models import judged, trained
from taught_market import small_ensemble

from crypto_kedro.errors import BundleError, LineageError
from crypto_kedro.learning.export import BundleContent, write_bundle
from crypto_kedro.serving.bundle import ModelBundle, load_bundle
from crypto_kedro.tracking.registry import CHALLENGER, CHAMPION
from crypto_kedro.tracking.traded_model import ModelShelf


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    """A bundle of three small models, exported as training exports it."""
    path = tmp_path_factory.mktemp("models") / "bundle"
    moment = "2018-01-01T00:00:00Z"
    write_bundle(path, BundleContent(small_ensemble(), 0.65, "file", moment, moment, {}))
    return load_bundle(path)


def test_given_several_aliases_then_the_first_that_exists_is_traded(bundle: ModelBundle) -> None:
    judged(trained(bundle, "ordered"))
    newest = trained(bundle, "ordered")
    shelf = ModelShelf("ordered")

    champion = shelf.first_of(("paper-champion", CHAMPION, CHALLENGER))
    challenger = shelf.first_of((CHALLENGER, CHAMPION))

    assert champion is not None
    assert challenger is not None
    assert (champion.alias, champion.version) == (CHAMPION, "ordered version 1")
    assert (challenger.alias, challenger.version) == (CHALLENGER, f"ordered version {newest['version']}")
    assert challenger.run_id == newest["run_id"]


def test_given_no_such_alias_or_no_such_model_then_nothing_is_traded(bundle: ModelBundle) -> None:
    trained(bundle, "without-champion")

    assert ModelShelf("without-champion").first_of((CHAMPION,)) is None
    assert ModelShelf("never-heard-of").first_of((CHAMPION, CHALLENGER)) is None


def test_given_a_champion_then_bundle_lineage_and_kelly_come_with_it(bundle: ModelBundle) -> None:
    judged(trained(bundle, "proven"), kelly=1.75)

    model = ModelShelf("proven").first_of((CHAMPION,))

    assert model is not None
    assert model.bundle.digest == bundle.digest == model.tags["bundle_digest"]
    assert {name: model.tags[name] for name in ("git_sha", "data_sha256", "data_source")} == {
        "git_sha": "a" * 40,
        "data_sha256": "d" * 64,
        "data_source": "file",
    }
    assert model.kelly == 1.75
    assert model.failed_gates == ()


def test_given_failed_gates_then_they_are_named(bundle: ModelBundle) -> None:
    judged(trained(bundle, "failing"), "profitable", "calibrated")

    model = ModelShelf("failing").first_of((CHALLENGER,))

    assert model is not None
    assert model.failed_gates == ("calibrated", "profitable")


def test_given_no_evaluation_then_neither_verdict_nor_kelly_is_known(bundle: ModelBundle) -> None:
    trained(bundle, "unjudged")

    model = ModelShelf("unjudged").first_of((CHALLENGER,))

    assert model is not None
    assert model.failed_gates is None
    assert model.kelly is None


def test_given_an_evaluation_without_trades_then_kelly_is_unknown(bundle: ModelBundle) -> None:
    judged(trained(bundle, "idle"), "profitable")

    model = ModelShelf("idle").first_of((CHALLENGER,))

    assert model is not None
    assert model.kelly is None


def test_given_an_evaluation_that_mlflow_lost_then_the_version_and_the_remedy_are_named(bundle: ModelBundle) -> None:
    registered = trained(bundle, "lost")
    MlflowClient().set_model_version_tag("lost", registered["version"], "evaluation_run_id", "0" * 32)

    with pytest.raises(LineageError, match="lost version 1 names an evaluation that MLflow does not know"):
        ModelShelf("lost").first_of((CHALLENGER,))


def test_given_an_altered_bundle_then_it_is_not_traded(bundle: ModelBundle) -> None:
    registered = trained(bundle, "altered")
    version = MlflowClient().get_model_version("altered", registered["version"])
    root = Path(MlflowClient().get_model_version_download_uri("altered", version.version).removeprefix("file://"))
    stored = next(root.rglob("bundle.json"))
    stored.write_text(stored.read_text().replace("0.65", "0.66"))

    with pytest.raises(BundleError):
        ModelShelf("altered").first_of((CHALLENGER,))
