"""The catalogue: what it may say, and the hash that identifies a set."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crypto_kedro.errors import FeatureError
from crypto_kedro.features import FeatureSet, load_feature_set
from crypto_kedro.features.kernels import KERNELS, Kernel

Edit = Callable[[dict[str, Any]], object]


@pytest.fixture
def catalogue(catalogue_path: Path) -> dict[str, Any]:
    return json.loads(catalogue_path.read_text(encoding="utf-8"))


def edited(catalogue: dict[str, Any], edit: Edit) -> dict[str, Any]:
    changed = copy.deepcopy(catalogue)
    edit(changed["stationary12"])
    return changed


def test_given_the_shipped_catalogue_when_loaded_then_both_sets_hold_twelve_named_features(
    feature_set: FeatureSet,
) -> None:
    assert len(feature_set.names) == 12
    assert {feature.category for feature in feature_set.features} == {"basic", "technical", "calculations"}


def test_given_the_first_specification_when_loaded_then_classic12_keeps_its_order(catalogue_path: Path) -> None:
    assert load_feature_set(catalogue_path, "classic12").names == (
        "close",
        "volume",
        "returns_1",
        "rsi_14",
        "macd",
        "macd_signal",
        "atr_14",
        "bb_position",
        "ema_20",
        "ema_50",
        "volume_ratio",
        "zscore",
    )


def test_given_a_set_when_a_live_process_asks_then_the_windows_cover_the_longest_lookback(
    catalogue_path: Path,
) -> None:
    assert load_feature_set(catalogue_path, "classic12").decision_window_bars == 864
    assert load_feature_set(catalogue_path, "classic12").context_window_bars == 0
    assert load_feature_set(catalogue_path, "stationary12").decision_window_bars == 481
    assert load_feature_set(catalogue_path, "stationary12").context_window_bars == 31


def test_given_the_same_content_when_read_from_file_or_memory_then_the_hash_is_the_same(
    catalogue: dict[str, Any], catalogue_path: Path
) -> None:
    reordered = {name: dict(reversed(entry.items())) for name, entry in reversed(catalogue.items())}

    assert load_feature_set(reordered, "stationary12").hash == load_feature_set(catalogue_path, "stationary12").hash


CHANGES: dict[str, Edit] = {
    "name": lambda entry: entry["features"][0].update(name="renamed"),
    "category": lambda entry: entry["features"][0].update(category="calculations"),
    "source": lambda entry: entry["features"][0].update(source="context"),
    "parameter": lambda entry: entry["features"][5]["parameters"].update(floor_jpy=2.0),
    "period": lambda entry: entry["features"][0].update(parameters={"period": 2}, lookback=3),
    "kernel": lambda entry: entry["features"][2].update(kernel="jst_cosine"),
    "order": lambda entry: entry["features"].reverse(),
    "count": lambda entry: entry.update(count=11, features=entry["features"][:11]),
}


@pytest.mark.parametrize("what", CHANGES)
def test_given_any_change_of_a_set_when_loaded_then_its_hash_is_another(catalogue: dict[str, Any], what: str) -> None:
    before = load_feature_set(catalogue, "stationary12").hash

    assert load_feature_set(edited(catalogue, CHANGES[what]), "stationary12").hash != before


def test_given_another_kernel_version_when_loaded_then_the_hash_is_another(
    catalogue: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load_feature_set(catalogue, "stationary12").hash
    rsi = KERNELS["rsi"]
    newer = Kernel(rsi.compute, rsi.depends_on, rsi.parameters, rsi.least, version=rsi.version + 1)

    monkeypatch.setattr("crypto_kedro.features.catalogue.KERNELS", {**KERNELS, "rsi": newer})

    assert load_feature_set(catalogue, "stationary12").hash != before


def test_given_another_description_when_loaded_then_the_hash_stays(catalogue: dict[str, Any]) -> None:
    changed = edited(catalogue, lambda entry: entry.update(description="other words"))

    assert load_feature_set(changed, "stationary12").hash == load_feature_set(catalogue, "stationary12").hash


DAMAGES: dict[str, tuple[Edit, str]] = {
    "unknown kernel": (
        lambda entry: entry["features"][4].update(kernel="rsj"),
        "feature 'rsi_14': 'rsj' is not a known kernel; choose one of close, ",
    ),
    "unknown parameter": (
        lambda entry: entry["features"][4]["parameters"].update(perod=3),
        "feature 'rsi_14' has the unknown entry perod; it may have period",
    ),
    "missing parameter": (lambda entry: entry["features"][4].update(parameters={}), "feature 'rsi_14' lacks period"),
    "parameter of another type": (
        lambda entry: entry["features"][4].update(parameters={"period": 14.5}),
        "feature 'rsi_14', period: 14.5 is not a whole number of at least 1",
    ),
    "parameter out of range": (
        lambda entry: entry["features"][9].update(parameters={"period": 1}),
        "feature 'volume_rank_96', period: 1 is not a whole number of at least 2",
    ),
    "floor of zero": (
        lambda entry: entry["features"][5]["parameters"].update(floor_jpy=0),
        "feature 'mean_distance_96', floor_jpy: 0 is not a number greater than zero",
    ),
    "duplicate name": (
        lambda entry: entry["features"][1].update(name="return_1"),
        "names return_1 more than once",
    ),
    "eleven features": (lambda entry: entry["features"].pop(), "lists 11 features and counts 12"),
    "wrong lookback": (
        lambda entry: entry["features"][4].update(lookback=15),
        "feature 'rsi_14' says lookback 15; its kernel looks back 481 bars",
    ),
    "unknown category": (
        lambda entry: entry["features"][4].update(category="technic"),
        "'technic' is not a known category; choose one of basic, technical, calculations",
    ),
    "unknown source": (lambda entry: entry["features"][4].update(source="daily"), "'daily' is not a known source"),
    "missing entry": (lambda entry: entry["features"][4].pop("category"), "feature 5 lacks category"),
    "a name that is no column": (lambda entry: entry["features"][4].update(name="timestamp"), "'timestamp' cannot be"),
    "features that are no list": (lambda entry: entry.update(features={}), "'features' is not a list"),
    "a feature that is no object": (lambda entry: entry["features"].insert(0, "rsi"), "feature 1: 'rsi' is not an obj"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_given_a_malformed_catalogue_when_loaded_then_the_error_names_what_is_wrong(
    catalogue: dict[str, Any], damage: str
) -> None:
    edit, message = DAMAGES[damage]

    with pytest.raises(FeatureError) as error:
        load_feature_set(edited(catalogue, edit), "stationary12")

    assert message in str(error.value)


def test_given_an_unknown_set_when_loaded_then_the_known_ones_are_named(catalogue: dict[str, Any]) -> None:
    with pytest.raises(FeatureError, match=r"'classic13' is not in the catalogue; it holds classic12, stationary12"):
        load_feature_set(catalogue, "classic13")


def test_given_no_file_when_loaded_then_the_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match=r"nowhere\.json cannot be read: No such file"):
        load_feature_set(tmp_path / "nowhere.json", "classic12")


def test_given_a_file_that_is_not_json_when_loaded_then_the_path_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{", encoding="utf-8")

    with pytest.raises(FeatureError, match=r"broken\.json is not JSON"):
        load_feature_set(broken, "classic12")
