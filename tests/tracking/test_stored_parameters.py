"""A run logs the parameters of the data that it reads."""

from typing import Any

from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node

from crypto_kedro.tracking.stored_parameters import used_parameters

NOW = {
    "data": {"source": "file"},
    "features": {"feature_set": "classic12"},
    "labels": {"max_bars": 8},
    "training": {"seed": 2},
    "costs": {"fee": 1},
}
DATA = {"sha256": "d", "parameters": {"source": "synthetic"}}
FEATURES = {"hash": "f", "parameters": {"feature_set": "stationary12"}, "data": DATA}
REPORT = {"parameters": {"labels": {"max_bars": 24}, "training": {"seed": 1}}}


def used(reads: list[str], makes: str = "result", **stored: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    content = {"data_manifest": DATA, "feature_manifest": FEATURES, "training_report": REPORT, **stored}
    catalog = DataCatalog({name: MemoryDataset(value) for name, value in content.items()})
    return used_parameters(NOW, Pipeline([node(lambda *_: None, reads, makes, name="work")]), catalog)


def test_training_logs_the_parameters_of_its_features_and_candles() -> None:
    assert used(["feature_manifest"]) == (
        {**NOW, "data": {"source": "synthetic"}, "features": {"feature_set": "stationary12"}},
        (),
    )


def test_features_log_the_parameters_of_their_candles() -> None:
    assert used(["data_manifest"]) == ({**NOW, "data": {"source": "synthetic"}}, ())


def test_evaluation_logs_the_parameters_of_the_training_too() -> None:
    assert used(["training_report", "feature_manifest"])[0] == {
        "data": {"source": "synthetic"},
        "features": {"feature_set": "stationary12"},
        "labels": {"max_bars": 24},
        "training": {"seed": 1},
        "costs": {"fee": 1},
    }


def test_a_run_that_makes_its_data_logs_its_own_parameters() -> None:
    assert used(["candles"], "data_manifest") == (NOW, ())


def test_a_manifest_without_parameters_leaves_its_groups_out() -> None:
    logged, missing = used(["feature_manifest"], feature_manifest={"hash": "f", "data": {"sha256": "d"}})

    assert missing == ("data", "features")
    assert sorted(logged) == ["costs", "labels", "training"]
