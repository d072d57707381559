"""The public face: names, categories and the check of a frame."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crypto_kedro.errors import FeatureError
from crypto_kedro.features import FeatureManager, FeatureSet, load_feature_set


@pytest.fixture
def manager(catalogue_path: Path) -> FeatureManager:
    return FeatureManager(load_feature_set(catalogue_path, "stationary12"))


@pytest.fixture
def frame(manager: FeatureManager) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    columns = {name: rng.normal(size=5) for name in manager.get_feature_names()}
    return pd.DataFrame({"timestamp": pd.date_range("2024-01-01", periods=5, freq="15min", tz="UTC"), **columns})


def test_given_a_set_when_asked_then_names_count_and_categories_agree(feature_set: FeatureSet) -> None:
    manager = FeatureManager(feature_set)

    categories = manager.get_feature_categories()

    assert manager.get_feature_count() == 12
    assert list(categories) == ["basic", "technical", "calculations"]
    assert [name for names in categories.values() for name in names] == manager.get_feature_names()


def test_given_exactly_the_features_when_validated_then_the_frame_comes_back(
    manager: FeatureManager, frame: pd.DataFrame
) -> None:
    assert manager.validate_features(frame) is frame
    bare = frame.drop(columns="timestamp")
    assert manager.validate_features(bare) is bare


def with_value(frame: pd.DataFrame, value: float) -> pd.DataFrame:
    frame.loc[3, "rsi_14"] = value
    return frame


def swapped(frame: pd.DataFrame) -> pd.DataFrame:
    names = list(frame.columns)
    names[1], names[2] = names[2], names[1]
    return frame[names]


DAMAGES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "missing": (
        lambda frame: frame.drop(columns="rsi_14"),
        "feature 'rsi_14' of feature set 'stationary12' is missing",
    ),
    "extra": (lambda frame: frame.assign(rsi_15=0.0), "column 'rsi_15' is not a feature of feature set 'stationary12'"),
    "repeated": (
        lambda frame: pd.concat([frame, frame[["rsi_14"]]], axis=1),
        "'rsi_14' is in the frame more than once",
    ),
    "reordered": (swapped, "feature 'return_4' stands at place 1, where 'return_1'"),
    "timestamp at the end": (
        lambda frame: frame[[*frame.columns[1:], "timestamp"]],
        "column 'timestamp' is not a feature",
    ),
    "NaN": (
        lambda frame: with_value(frame, np.nan),
        "feature 'rsi_14' is nan in row 3 (bar opened at 2024-01-01 00:45:00+00:00) (1 such rows)",
    ),
    "infinite": (lambda frame: with_value(frame, -np.inf), "feature 'rsi_14' is -inf in row 3"),
    "without timestamp": (
        lambda frame: with_value(frame, np.nan).drop(columns="timestamp"),
        "feature 'rsi_14' is nan in row 3 (1 such rows)",
    ),
    "of another type": (lambda frame: frame.astype({"rsi_14": "float32"}), "feature 'rsi_14' has dtype float32"),
    "text": (lambda frame: frame.astype({"rsi_14": str}), "feature 'rsi_14' has dtype str"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_given_any_other_frame_when_validated_then_the_error_names_the_feature(
    manager: FeatureManager, frame: pd.DataFrame, damage: str
) -> None:
    spoil, message = DAMAGES[damage]

    with pytest.raises(FeatureError) as error:
        manager.validate_features(spoil(frame))

    assert message in str(error.value)


def test_given_a_live_process_when_it_imports_the_features_then_pandas_is_not_loaded() -> None:
    code = "import sys, crypto_kedro.features, crypto_kedro.features.kernels; sys.exit('pandas' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
