"""Voting and calibration, the arithmetic that research and production share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crypto_kedro.market.bars import FloatArray

CLASS_NAMES = ("short", "flat", "long")


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A multinomial logistic map of log-probabilities to probabilities.

    Args:
        coefficients: shape (3, 3), row = class out, column = log-probability in.
        intercept: shape (3,).
        floor: probabilities are raised to it before the logarithm.

    Source: Kull et al., Beyond temperature scaling: obtaining well-calibrated multi-class probabilities with
    Dirichlet calibration (NeurIPS 2019).
    """

    coefficients: FloatArray
    intercept: FloatArray
    floor: float

    def logarithms(self, probabilities: FloatArray) -> FloatArray:
        """Return the log-probabilities that the map takes, shape (n, 3)."""
        return np.log(np.maximum(probabilities, self.floor))

    def apply(self, probabilities: FloatArray) -> FloatArray:
        """Return calibrated probabilities, shape (n, 3), for raw ones of the same shape; rows sum to 1.

        A row has the same bits alone and among others, which a matrix product does not promise.
        """
        logarithms = self.logarithms(probabilities)
        scores = sum(logarithms[:, [name]] * self.coefficients[:, name] for name in range(len(CLASS_NAMES)))
        scores = scores + self.intercept
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        calibrated: FloatArray = odds / odds.sum(axis=1, keepdims=True)
        return calibrated

    def as_dict(self) -> dict[str, Any]:
        """Return the map as JSON values."""
        return {
            "coefficients": self.coefficients.tolist(),
            "intercept": self.intercept.tolist(),
            "floor": self.floor,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Calibration":
        """Build the map from `as_dict`.

        Raises:
            KeyError, TypeError, ValueError: the values are not those of a map over the three classes.
        """
        coefficients = np.array(values["coefficients"], dtype=np.float64)
        intercept = np.array(values["intercept"], dtype=np.float64)
        classes = len(CLASS_NAMES)
        if coefficients.shape != (classes, classes) or intercept.shape != (classes,):
            raise ValueError(f"shapes {coefficients.shape} and {intercept.shape}")
        return cls(coefficients, intercept, float(values["floor"]))


def soft_vote(probabilities: Sequence[FloatArray], weights: Sequence[float]) -> FloatArray:
    """Return the weighted mean of the models' probabilities, shape (n, 3); rows sum to 1.

    Args:
        probabilities: one array of shape (n, 3) a model.
        weights: one positive number a model, of any total.
    """
    total = sum(
        weight * np.asarray(votes, dtype=np.float64) for weight, votes in zip(weights, probabilities, strict=True)
    )
    voted = np.asarray(total, dtype=np.float64)
    mean: FloatArray = voted / voted.sum(axis=1, keepdims=True)
    return mean


def served_features(values: FloatArray) -> FloatArray:
    """Round features to the single precision in which the models compare them with their thresholds.

    XGBoost and scikit-learn round on their own; rounding once for all of them keeps every tree's path the same
    wherever it is walked.
    """
    return values.astype(np.float32).astype(np.float64)
