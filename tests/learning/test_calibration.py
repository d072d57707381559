"""Calibration of votes that are too sure, say nothing, or lack a class."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_kedro.learning.calibration import fit_calibration
from crypto_kedro.learning.metrics import calibration_error, log_loss

PRIOR = np.array([0.4, 0.2, 0.4])


def votes(seed: int, rows: int, sharpness: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Votes ``sharpness`` times as sure as the truth, the classes drawn from the truth, and even weights."""
    rng = np.random.default_rng(seed)
    scores = np.log(PRIOR) + rng.normal(0.0, 0.7, size=(rows, 3))
    classes = np.argmax(scores + rng.gumbel(size=(rows, 3)), axis=1).astype(np.int8)
    voted = np.exp(sharpness * scores)
    return voted / voted.sum(axis=1, keepdims=True), classes, np.ones(rows)


def test_given_votes_that_are_too_sure_when_calibrated_then_fresh_rows_are_told_better() -> None:
    calibration = fit_calibration(*votes(1, 2000, sharpness=3.0), PRIOR)
    fresh, classes, weights = votes(2, 5000, sharpness=3.0)

    calibrated = calibration.apply(fresh)

    assert log_loss(classes, calibrated, weights) < log_loss(classes, fresh, weights) - 0.1
    assert calibration_error(classes, calibrated, weights) < 0.5 * calibration_error(classes, fresh, weights)


def test_given_votes_that_say_nothing_when_calibrated_then_the_answer_is_near_the_shares_of_the_classes() -> None:
    voted, _, weights = votes(3, 2000, sharpness=3.0)
    classes = np.random.default_rng(4).choice(3, size=2000, p=PRIOR).astype(np.int8)

    calibrated = fit_calibration(voted, classes, weights, PRIOR).apply(voted)

    assert np.abs(calibrated - PRIOR).max(axis=1).mean() < 0.05


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_given_a_class_that_never_came_true_when_calibrated_then_it_stays_possible(missing: int) -> None:
    voted, classes, weights = votes(5, 400, sharpness=1.0)
    kept = classes != missing

    calibrated = fit_calibration(voted[kept], classes[kept], weights[kept], PRIOR).apply(voted)

    assert np.all(calibrated[:, missing] > 0)
    assert 0.02 < calibrated[:, missing].mean() < PRIOR[missing]


def test_given_no_rows_at_all_when_calibrated_then_the_answer_is_the_prior() -> None:
    calibration = fit_calibration(np.empty((0, 3)), np.empty(0, dtype=np.int8), np.empty(0), PRIOR)
    np.testing.assert_allclose(calibration.apply(votes(6, 20, 1.0)[0]), np.tile(PRIOR, (20, 1)), atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), rows=st.integers(1, 200), sharpness=st.floats(0.0, 20.0))
def test_given_any_votes_when_calibrated_then_rows_are_distributions(seed: int, rows: int, sharpness: float) -> None:
    voted, classes, weights = votes(seed, rows, sharpness)
    calibrated = fit_calibration(voted, classes, weights, PRIOR).apply(voted)
    assert np.all(calibrated > 0)
    np.testing.assert_allclose(calibrated.sum(axis=1), 1.0, rtol=1e-12)
