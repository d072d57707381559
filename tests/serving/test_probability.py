"""Voting and calibration, the arithmetic that research and production share."""

import json

import numpy as np
import pytest

from crypto_kedro.serving.probability import Calibration, served_features, soft_vote

CALIBRATION = Calibration(
    np.array([[1.0, 0.5, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]]), np.array([0.1, 0.0, -0.1]), 1e-6
)


def test_given_three_votes_when_taken_together_then_the_weights_decide() -> None:
    votes = [np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 1.0, 0.0]]), np.array([[0.0, 0.5, 0.5]])]
    np.testing.assert_allclose(soft_vote(votes, (0.4, 0.4, 0.2)), [[0.4, 0.5, 0.1]])
    np.testing.assert_allclose(soft_vote(votes, (4, 4, 2)), [[0.4, 0.5, 0.1]])


def test_given_a_vote_too_many_when_taken_together_then_it_refuses() -> None:
    with pytest.raises(ValueError, match="shorter"):
        soft_vote([np.full((1, 3), 1 / 3)], (0.5, 0.5))


def test_given_the_identity_when_applied_then_probabilities_stay() -> None:
    probabilities = np.random.default_rng(1).dirichlet(np.ones(3), 20)
    identity = Calibration(np.eye(3), np.zeros(3), 1e-6)
    np.testing.assert_allclose(identity.apply(probabilities), probabilities, atol=1e-9)


def test_given_a_map_when_applied_then_the_result_is_the_one_worked_out_by_hand() -> None:
    scores = np.exp([np.log(0.5) + 0.5 * np.log(0.3) + 0.1, 2 * np.log(0.3), np.log(0.2) - 0.1])
    np.testing.assert_allclose(CALIBRATION.apply(np.array([[0.5, 0.3, 0.2]])), [scores / scores.sum()])


def test_given_a_probability_of_zero_when_applied_then_the_result_is_finite() -> None:
    assert np.all(np.isfinite(CALIBRATION.apply(np.array([[1.0, 0.0, 0.0]]))))


def test_given_a_map_when_written_as_json_and_read_then_it_is_the_same() -> None:
    read = Calibration.from_dict(json.loads(json.dumps(CALIBRATION.as_dict())))
    np.testing.assert_array_equal(read.coefficients, CALIBRATION.coefficients)
    np.testing.assert_array_equal(read.intercept, CALIBRATION.intercept)
    assert read.floor == CALIBRATION.floor


def test_given_double_precision_when_served_then_values_are_those_of_single_precision() -> None:
    served = served_features(np.array([[0.1, 1e-40]]))
    assert served.dtype == np.float64
    np.testing.assert_array_equal(served, np.array([[0.1, 1e-40]], dtype=np.float32))
