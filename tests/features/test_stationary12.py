"""What the default feature set promises: no scale, no repetition."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crypto_kedro.features import FeatureSet, compute_features, load_feature_set
from crypto_kedro.features.frame import feature_frame
from crypto_kedro.market.bars import Bars
from crypto_kedro.market.resample import CONTEXT_MS, resample


@pytest.fixture
def stationary(catalogue_path: Path) -> FeatureSet:
    return load_feature_set(catalogue_path, "stationary12")


def test_given_prices_and_volumes_doubled_when_computed_then_no_feature_moves(
    stationary: FeatureSet, random_walk: Callable[..., Bars]
) -> None:
    bars = random_walk(days=30, seed=2)[-1_300:]
    doubled = replace(bars, **{name: 2.0 * getattr(bars, name) for name in ("open", "high", "low", "close", "volume")})

    before = compute_features(stationary, bars, resample(bars, CONTEXT_MS), 60)
    after = compute_features(stationary, doubled, resample(doubled, CONTEXT_MS), 60)

    assert before.valid.sum() > 500
    np.testing.assert_array_equal(after.values[before.valid], before.values[before.valid])


def test_given_a_market_when_features_are_compared_then_no_two_say_nearly_the_same(
    stationary: FeatureSet, market: tuple[Bars, Bars]
) -> None:
    features = feature_frame(compute_features(stationary, *market, 60)).drop(columns="timestamp")

    correlation = features.corr("spearman").abs().to_numpy()

    assert np.max(correlation - np.eye(len(correlation))) < 0.9


def test_given_a_market_when_computed_then_every_feature_varies(
    stationary: FeatureSet, market: tuple[Bars, Bars]
) -> None:
    features = feature_frame(compute_features(stationary, *market, 60)).drop(columns="timestamp")

    assert (features.nunique() > 80).all()
