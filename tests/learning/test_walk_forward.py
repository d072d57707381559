"""Training over time: every prediction comes from a model that knew only what lay before it."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from taught_market import INTERVAL_MS, SMALL_RULE, feature_manager, taught_examples

from crypto_kedro.compute import Backend, Compute, WithProgress
from crypto_kedro.errors import LearningError
from crypto_kedro.learning.ensemble import class_shares
from crypto_kedro.learning.metrics import METRICS
from crypto_kedro.learning.splits import WalkForward
from crypto_kedro.learning.walk_forward import (
    Examples,
    WalkForwardResult,
    fold_reliability,
    score_folds,
    score_windows,
    walk_forward,
)
from crypto_kedro.learning.weights import label_uniqueness

SPLITTER = WalkForward(n_folds=2, training_days=20, min_training_days=12, embargo_hours=6, final_days=5)
PROBABILITIES = ["p_short", "p_flat", "p_long"]


def run(examples: Examples) -> WalkForwardResult:
    return walk_forward(examples, SPLITTER, SMALL_RULE, feature_manager(), INTERVAL_MS)


@pytest.fixture(scope="module")
def examples() -> Examples:
    return taught_examples(days=25)


@pytest.fixture(scope="module")
def result(examples: Examples) -> WalkForwardResult:
    return run(examples)


def test_given_examples_when_walked_then_every_tested_bar_is_predicted_once_in_order(
    result: WalkForwardResult, examples: Examples
) -> None:
    predictions = result.predictions
    tested = np.concatenate([fold.test for fold in result.folds])
    assert predictions["timestamp"].tolist() == examples.labels["timestamp"].iloc[tested].tolist()
    assert predictions["label"].tolist() == examples.labels["label"].iloc[tested].tolist()
    assert predictions["window"].unique().tolist() == ["fold-1", "fold-2", "final"]
    for prefix in ("p", "lightgbm", "xgboost", "random_forest", "prior"):
        columns = [f"{prefix}_{name}" for name in ("short", "flat", "long")]
        np.testing.assert_allclose(predictions[columns].sum(axis=1), 1.0, atol=1e-6)


def test_given_bars_without_a_label_when_walked_then_signals_hold_them_and_predictions_do_not() -> None:
    whole = taught_examples(days=25)
    labelled = np.ones(len(whole.labels), dtype=bool)
    labelled[-10:] = False
    labelled[[2000, 2001]] = False
    examples = Examples(
        whole.features[labelled].reset_index(drop=True), whole.labels[labelled].reset_index(drop=True), whole.observed
    )
    result = run(examples)
    first = result.folds[0].test_from_ms
    heard = whole.features["timestamp"][whole.features["timestamp"] >= pd.Timestamp(first, unit="ms", tz="UTC")]
    assert result.signals["timestamp"].tolist() == heard.tolist()
    assert len(result.signals) == len(result.predictions) + 12
    shared = result.signals.merge(result.predictions, on=["timestamp", "window"], suffixes=("", "_tested"))
    assert shared["p_long"].tolist() == shared["p_long_tested"].tolist()


def test_given_other_labels_from_a_test_on_when_walked_then_its_predictions_and_all_before_stay(
    result: WalkForwardResult, examples: Examples
) -> None:
    second = result.folds[1]
    labels = examples.labels.copy()
    later = slice(int(second.test[0]), None)
    labels.iloc[later, labels.columns.get_loc("label")] = 1

    other = run(Examples(examples.features, labels, examples.observed)).predictions

    until = result.predictions["timestamp"] <= examples.labels["timestamp"].iloc[second.test[-1]]
    pd.testing.assert_frame_equal(other.loc[until, PROBABILITIES], result.predictions.loc[until, PROBABILITIES])
    assert not other.loc[~until, PROBABILITIES].equals(result.predictions.loc[~until, PROBABILITIES])


def test_given_a_window_when_predicted_then_its_prior_is_the_class_shares_of_its_training_rows(
    result: WalkForwardResult, examples: Examples
) -> None:
    for fold in result.folds:
        trained = examples.labels.iloc[fold.train]
        shares = class_shares(trained["label"].to_numpy(), label_uniqueness(trained, INTERVAL_MS))
        rows = result.predictions[result.predictions["window"] == fold.name]
        np.testing.assert_array_equal(rows[["prior_short", "prior_flat", "prior_long"]].drop_duplicates(), [shares])


def test_given_the_final_model_when_it_predicts_the_final_window_then_it_repeats_what_was_tested(
    result: WalkForwardResult, examples: Examples
) -> None:
    again = result.final_model.predict_proba(examples.features.iloc[result.folds[-1].test])
    tested = result.predictions[result.predictions["window"] == "final"]
    np.testing.assert_array_equal(again, tested[PROBABILITIES])


def test_given_taught_examples_when_scored_then_every_window_beats_its_prior(result: WalkForwardResult) -> None:
    for scores in [*score_windows(result).values(), score_folds(result)]:
        assert scores["metrics"]["log_loss"] < scores["prior"]["log_loss"]
        assert set(scores["metrics"]) == set(scores["prior"]) == set(METRICS)
        assert set(scores["models"]) == {"lightgbm", "xgboost", "random_forest"}


def test_given_the_folds_when_scored_together_then_the_final_window_is_left_out(result: WalkForwardResult) -> None:
    windows = score_windows(result)
    assert score_folds(result)["rows"] == windows["fold-1"]["rows"] + windows["fold-2"]["rows"]
    weight = result.predictions.loc[result.predictions["window"] != "final", "weight"].sum()
    for curve in fold_reliability(result).values():
        assert sum(point["weight"] for point in curve) == pytest.approx(weight)


def test_given_a_window_that_cannot_be_trained_when_walked_then_the_error_names_it(examples: Examples) -> None:
    labels = examples.labels.assign(label=np.int8(1))
    with pytest.raises(LearningError, match="window fold-1: training: class 'short' has 0 of"):
        run(Examples(examples.features, labels, examples.observed))


def test_given_a_runner_that_loses_a_window_when_walked_then_it_refuses(examples: Examples) -> None:
    def first_only(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        return [function(item) for item in items[:1]]

    with pytest.raises(LearningError, match="1 of 3 windows"):
        walk_forward(examples, SPLITTER, SMALL_RULE, feature_manager(), INTERVAL_MS, first_only)


def test_given_two_processes_when_walked_then_every_probability_is_the_same(
    examples: Examples, result: WalkForwardResult
) -> None:
    run_each = WithProgress(Compute(Backend.JOBLIB, workers=2), "windows")
    spread = walk_forward(examples, SPLITTER, SMALL_RULE, feature_manager(), INTERVAL_MS, run_each)
    pd.testing.assert_frame_equal(spread.signals, result.signals)
    pd.testing.assert_frame_equal(spread.predictions, result.predictions)


def test_given_features_and_labels_of_different_bars_when_joined_then_the_common_ones_stay_in_order() -> None:
    whole = taught_examples(days=1)
    joined = Examples.join(whole.features.iloc[10:].iloc[::-1], whole.labels.iloc[:20])
    assert joined.features["timestamp"].tolist() == whole.labels["timestamp"].iloc[10:20].tolist()
    pd.testing.assert_frame_equal(joined.labels, whole.labels.iloc[10:20].reset_index(drop=True))
    pd.testing.assert_frame_equal(joined.features, whole.features.iloc[10:20].reset_index(drop=True))


def test_given_no_common_bar_when_joined_then_it_refuses() -> None:
    whole = taught_examples(days=1)
    with pytest.raises(LearningError, match="no bar has both features and a label"):
        Examples.join(whole.features.iloc[:10], whole.labels.iloc[10:])
