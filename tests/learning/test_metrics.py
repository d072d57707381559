"""Scores against numbers worked out by hand, and rules that hold for any prediction."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import matthews_corrcoef

from crypto_kedro.learning.metrics import METRICS, calibration_error, matthews_correlation, reliability, score

CLASSES = np.array([0, 1, 2, 2], dtype=np.int8)
PROBABILITIES = np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.7, 0.2, 0.1]])
EVEN = np.ones(4)


def drawn(seed: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 3, rows).astype(np.int8), rng.dirichlet(np.ones(3), rows)


def test_given_four_rows_when_scored_then_the_figures_are_those_worked_out_by_hand() -> None:
    scores = score(CLASSES, PROBABILITIES, EVEN)
    assert scores["log_loss"] == pytest.approx(-sum(map(math.log, (0.5, 0.8, 0.6, 0.1))) / 4)
    assert scores["direction_log_loss"] == pytest.approx(-sum(map(math.log, (0.5 / 0.75, 0.6 / 0.8, 0.1 / 0.8))) / 3)
    assert scores["brier"] == pytest.approx((0.375 + 0.06 + 0.24 + (0.49 + 0.04 + 0.81)) / 4)
    # Predicted 0, 1, 2, 0: F1 of short 2/3, of flat 1, of long 2/3.
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 1 + 2 / 3) / 3)
    # Gorodkin's R3 with c = 3, s = 4, predicted (2, 1, 1), true (1, 1, 2).
    assert scores["mcc"] == pytest.approx((3 * 4 - (2 + 1 + 2)) / math.sqrt((16 - 6) * (16 - 6)))


def test_given_certain_and_right_predictions_when_scored_then_every_score_is_perfect() -> None:
    scores = score(CLASSES, np.eye(3)[CLASSES], EVEN)
    perfect = {"log_loss": 0.0, "brier": 0.0, "ece": 0.0, "macro_f1": 1.0, "mcc": 1.0, "direction_log_loss": 0.0}
    assert scores == pytest.approx(perfect)


def test_given_a_model_that_tells_when_but_not_where_to_when_scored_then_only_the_direction_gains_nothing() -> None:
    rng = np.random.default_rng(8)
    moves = rng.uniform(0.2, 0.8, 20_000)
    classes = np.where(rng.random(20_000) < moves, rng.choice([0, 2], 20_000), 1).astype(np.int8)
    told = np.column_stack([moves / 2, 1 - moves, moves / 2])
    prior = np.tile([0.25, 0.5, 0.25], (20_000, 1))
    weights = np.ones(20_000)
    assert score(classes, told, weights)["log_loss"] < score(classes, prior, weights)["log_loss"] - 0.03
    assert score(classes, told, weights)["direction_log_loss"] == pytest.approx(math.log(2))


def test_given_rows_that_are_all_flat_when_scored_then_there_is_no_direction_to_lose() -> None:
    flat = np.ones(4, dtype=np.int8)
    assert score(flat, PROBABILITIES, EVEN)["direction_log_loss"] == 0.0


def test_given_a_certain_and_wrong_prediction_when_scored_then_the_loss_is_large_but_finite() -> None:
    wrong = np.eye(3)[(CLASSES + 1) % 3]
    assert score(CLASSES, wrong, EVEN)["log_loss"] == pytest.approx(-math.log(1e-15))


def test_given_one_answer_for_all_rows_when_scored_then_the_calibration_error_is_its_distance_from_the_shares() -> None:
    constant = np.tile([0.5, 0.3, 0.2], (4, 1))
    expected = (abs(0.5 - 0.25) + abs(0.3 - 0.25) + abs(0.2 - 0.5)) / 3
    assert calibration_error(CLASSES, constant, EVEN) == pytest.approx(expected)
    assert score(CLASSES, constant, EVEN)["mcc"] == 0.0


def test_given_outcomes_drawn_from_the_predictions_when_scored_then_the_calibration_error_is_small() -> None:
    rng = np.random.default_rng(5)
    probabilities = rng.dirichlet(np.ones(3), 20_000)
    classes = np.argmax(np.log(probabilities) + rng.gumbel(size=(20_000, 3)), axis=1).astype(np.int8)
    assert calibration_error(classes, probabilities, np.ones(20_000)) < 0.015
    assert calibration_error(classes, np.roll(probabilities, 1, axis=1), np.ones(20_000)) > 0.1


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 9999), rows=st.integers(2, 60))
def test_given_whole_weights_when_scored_then_they_act_like_repeated_rows(seed: int, rows: int) -> None:
    classes, probabilities = drawn(seed, rows)
    weights = np.random.default_rng(seed + 1).integers(1, 4, rows)
    weighted = score(classes, probabilities, weights.astype(np.float64))
    repeated = score(np.repeat(classes, weights), np.repeat(probabilities, weights, axis=0), np.ones(weights.sum()))
    for name in set(METRICS) - {"ece"}:
        assert weighted[name] == pytest.approx(repeated[name], abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 9999), rows=st.integers(1, 200))
def test_given_any_predictions_when_binned_then_no_weight_is_lost_and_predictions_rise(seed: int, rows: int) -> None:
    classes, probabilities = drawn(seed, rows)
    weights = np.random.default_rng(seed).uniform(0.1, 1.0, rows)
    for at, curve in enumerate(reliability(classes, probabilities, weights).values()):
        assert sum(point["weight"] for point in curve) == pytest.approx(weights.sum())
        predicted = [point["predicted"] for point in curve]
        assert predicted == sorted(predicted)
        happened = sum(point["weight"] * point["observed"] for point in curve)
        assert happened == pytest.approx(weights[classes == at].sum())
        assert all(point["low"] - 1e-12 <= point["observed"] <= point["high"] + 1e-12 for point in curve)


def test_given_honest_probabilities_when_binned_then_the_intervals_hold_the_prediction_as_often_as_they_claim() -> None:
    rng = np.random.default_rng(3)
    held = []
    for _ in range(200):
        long = rng.uniform(0.1, 0.6, 1000)
        probabilities = np.column_stack([0.3 * (1 - long), 0.7 * (1 - long), long])
        classes = (rng.random((1000, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
        curves = reliability(classes, probabilities, np.ones(1000))
        held += [point["low"] <= point["predicted"] <= point["high"] for curve in curves.values() for point in curve]
    assert np.mean(held) == pytest.approx(0.95, abs=0.01)


def test_given_overlapping_labels_when_binned_then_the_intervals_are_wider() -> None:
    classes, probabilities = drawn(5, 400)
    alone = reliability(classes, probabilities, np.ones(400))["long"]
    shared = reliability(classes, probabilities, np.full(400, 0.125))["long"]
    assert [point["observed"] for point in shared] == pytest.approx([point["observed"] for point in alone])
    assert all(
        many["high"] - many["low"] > 2 * (one["high"] - one["low"]) for one, many in zip(alone, shared, strict=True)
    )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 9999))
def test_given_any_predictions_when_correlated_then_the_result_is_that_of_scikit_learn(seed: int) -> None:
    classes, probabilities = drawn(seed, 200)
    weights = np.random.default_rng(seed).uniform(0.1, 1.0, 200)
    expected = matthews_corrcoef(classes, probabilities.argmax(axis=1), sample_weight=weights)
    assert matthews_correlation(classes, probabilities, weights) == pytest.approx(expected, abs=1e-12)
