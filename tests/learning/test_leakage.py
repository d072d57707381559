"""The canaries: a feature that peeks one bar ahead must fail the run, an honest one must pass."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from known_predictions import random_walk
from taught_market import CATALOGUE, taught_examples

from crypto_kedro.errors import LeakageError
from crypto_kedro.features import FeatureSet, compute_features, load_feature_set
from crypto_kedro.features.frame import feature_frame
from crypto_kedro.learning.leakage import (
    check_folds,
    check_foresight,
    check_recomputed,
    recompute_from,
    spread_rows,
)
from crypto_kedro.learning.splits import WalkForward
from crypto_kedro.market.bars import HOUR_MS, Bars
from crypto_kedro.market.resample import resample

BELIEVABLE = 0.25
SPLITTER = WalkForward(n_folds=2, training_days=20, min_training_days=10, embargo_hours=6, final_days=5)


@pytest.fixture(scope="module")
def decision() -> Bars:
    return random_walk(days=30, seed=11)


@pytest.fixture(scope="module")
def context(decision: Bars) -> Bars:
    return resample(decision, 4 * HOUR_MS)


@pytest.fixture(scope="module")
def feature_set() -> FeatureSet:
    return load_feature_set(CATALOGUE, "stationary12")


@pytest.fixture
def honest(decision: Bars, context: Bars, feature_set: FeatureSet) -> pd.DataFrame:
    return feature_frame(compute_features(feature_set, decision, context, 60))


def peeking(features: pd.DataFrame, name: str) -> pd.DataFrame:
    """The same features with one that is known only when the next bar has closed."""
    return features.assign(**{name: features[name].shift(-1)}).iloc[:-1]


def test_given_honest_features_when_checked_then_nothing_is_raised(
    honest: pd.DataFrame, decision: Bars, context: Bars, feature_set: FeatureSet
) -> None:
    check_recomputed(honest, recompute_from(feature_set, decision, context, 60), spread_rows(len(honest), 40))
    correlations = check_foresight(honest, decision, BELIEVABLE)
    assert set(correlations) == set(feature_set.names)
    assert max(map(abs, correlations.values())) < 0.1


@pytest.mark.parametrize("name", ["return_1", "rsi_14", "context_trend_24"])
def test_given_a_feature_that_peeks_one_bar_ahead_when_computed_again_then_the_check_names_it(
    name: str, honest: pd.DataFrame, decision: Bars, context: Bars, feature_set: FeatureSet
) -> None:
    features = peeking(honest, name)
    with pytest.raises(LeakageError, match=f"feature '{name}' of the bar opened at 2025-"):
        check_recomputed(features, recompute_from(feature_set, decision, context, 60), spread_rows(len(features), 40))


@pytest.mark.parametrize("name", ["return_1", "return_4", "rsi_14"])
def test_given_a_feature_that_peeks_one_bar_ahead_when_correlated_then_the_check_names_it(
    name: str, honest: pd.DataFrame, decision: Bars
) -> None:
    with pytest.raises(LeakageError, match=f"feature '{name}' has a rank correlation of"):
        check_foresight(peeking(honest, name), decision, BELIEVABLE)


def test_given_a_value_off_by_one_bit_when_computed_again_then_the_check_fails(
    honest: pd.DataFrame, decision: Bars, context: Bars, feature_set: FeatureSet
) -> None:
    row = len(honest) // 2
    honest.loc[row, "return_4"] = np.nextafter(honest.loc[row, "return_4"], np.inf)
    recompute = recompute_from(feature_set, decision, context, 60)
    check_recomputed(honest, recompute, [row - 1, row + 1])
    with pytest.raises(LeakageError, match="'return_4'"):
        check_recomputed(honest, recompute, [row])


def test_given_a_feature_that_never_changes_when_correlated_then_it_counts_as_unrelated(decision: Bars) -> None:
    stamps = pd.DatetimeIndex(decision.open_time.astype("datetime64[ms]")).tz_localize("UTC")
    still = pd.DataFrame({"timestamp": stamps, "still": 1.0})
    assert check_foresight(still, decision, BELIEVABLE) == {"still": 0.0}


def test_given_purged_folds_when_checked_then_nothing_is_raised() -> None:
    labels = taught_examples(days=30).labels
    check_folds(SPLITTER.split(labels), labels, SPLITTER.embargo_hours)


def test_given_folds_without_purging_when_checked_then_the_check_names_fold_and_row() -> None:
    labels = taught_examples(days=30).labels
    fold = next(SPLITTER.split(labels))
    unpurged = replace(fold, train=np.arange(fold.train[0], fold.test[0]))
    with pytest.raises(LeakageError, match=r"training rows of fold-1 reach its test.*less 6 hours of embargo"):
        check_folds([unpurged], labels, SPLITTER.embargo_hours)


def test_given_one_label_that_ends_in_the_embargo_when_checked_then_it_is_found() -> None:
    labels = taught_examples(days=30).labels
    fold = next(SPLITTER.split(labels))
    first_test = labels["timestamp"].iloc[fold.test[0]]
    labels.loc[fold.train[5], "label_end"] = first_test - pd.Timedelta("6h") + pd.Timedelta("1ms")
    with pytest.raises(LeakageError, match="1 training rows of fold-1"):
        check_folds([fold], labels, SPLITTER.embargo_hours)


def test_given_a_training_row_after_the_test_begins_when_checked_then_it_is_found() -> None:
    labels = taught_examples(days=30).labels
    fold = next(SPLITTER.split(labels))
    shuffled = replace(fold, train=np.append(fold.train, fold.test[-1] + 1))
    with pytest.raises(LeakageError, match="1 training rows of fold-1"):
        check_folds([shuffled], labels, 0)


@pytest.mark.parametrize(("count", "checks", "expected"), [(10, 3, [0, 4, 9]), (2, 5, [0, 1]), (1, 1, [0])])
def test_given_a_number_of_checks_when_rows_are_chosen_then_they_reach_from_end_to_end(
    count: int, checks: int, expected: list[int]
) -> None:
    assert spread_rows(count, checks) == expected
