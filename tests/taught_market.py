"""Examples in which the features tell the class by a known rule, and a small ensemble that has learnt it."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from crypto_kedro.features import FeatureManager, load_feature_set
from crypto_kedro.learning.ensemble import EnsembleRule, ProductionEnsemble
from crypto_kedro.learning.walk_forward import Examples
from crypto_kedro.learning.weights import label_uniqueness
from crypto_kedro.market.bars import MINUTE_MS

INTERVAL_MS = 15 * MINUTE_MS
CATALOGUE = Path(__file__).parents[1] / "conf" / "base" / "feature_order.json"
TELLING_FEATURE = "rsi_14"
SMALL_RULE = EnsembleRule(
    parameters={
        "lightgbm": {"rounds": 20, "min_leaf_rows": 50, "learning_rate": 0.1},
        "xgboost": {"rounds": 20, "min_leaf_weight": 10.0, "learning_rate": 0.1},
        "random_forest": {"trees": 20, "min_leaf_rows": 30},
    },
    threads=1,
)


def feature_manager() -> FeatureManager:
    return FeatureManager(load_feature_set(CATALOGUE, "stationary12"))


def taught_examples(days: int = 30, seed: int = 0, strength: float = 1.5) -> Examples:
    """Twelve independent normal features; the first telling one draws the class, the others say nothing."""
    rng = np.random.default_rng(seed)
    n = days * 96
    stamps = pd.date_range("2024-01-01", periods=n, freq="15min", tz="UTC", unit="ms")
    features = pd.DataFrame(
        {"timestamp": stamps, **{name: rng.standard_normal(n) for name in feature_manager().get_feature_names()}}
    )
    scores = strength * features[TELLING_FEATURE].to_numpy()[:, np.newaxis] * np.array([-1.0, 0.0, 1.0])
    label = np.argmax(scores + rng.gumbel(size=(n, 3)), axis=1).astype(np.int8)
    life = pd.to_timedelta(15 * rng.integers(2, 6, size=n), unit="min")
    labels = pd.DataFrame({"timestamp": stamps, "label": label, "label_end": stamps + life})
    return Examples(features, labels, features)


def fit_small(examples: Examples) -> ProductionEnsemble:
    weights = label_uniqueness(examples.labels, INTERVAL_MS)
    return ProductionEnsemble(SMALL_RULE, feature_manager()).fit(examples.features, examples.labels, weights)


@cache
def small_ensemble() -> ProductionEnsemble:
    """The same fitted ensemble for all tests that only read it."""
    return fit_small(taught_examples())
