"""The ensemble: three tree models vote, and the vote is calibrated on rows that they did not see."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crypto_kedro.errors import ConfigurationError, LearningError
from crypto_kedro.features.manager import FeatureManager
from crypto_kedro.learning.calibration import fit_calibration
from crypto_kedro.learning.labels import milliseconds
from crypto_kedro.learning.models import MODEL_KINDS, ClassArray, FittedModel, TrainingSet, model_parameters
from crypto_kedro.market.bars import FloatArray
from crypto_kedro.serving.probability import CLASS_NAMES, Calibration, served_features, soft_vote


@dataclass(frozen=True, slots=True)
class EnsembleRule:
    """The recipe of the ensemble.

    Args:
        weights: vote of each model by its name in `MODEL_KINDS`.
        parameters: settings of the models that differ from their defaults.
        seed: of every random choice.
        threads: used for fitting, at least 1; a fixed number keeps the bytes of the models the same everywhere.
        calibration_fraction: last part of the training rows, kept from the models for the calibration.
        calibration_strength: inverse of the calibration's shrinkage.
        calibration_prior_rows: independent observations that the training shares count for in the calibration.
        min_class_rows: rows that each class must have in the models' part.

    Raises:
        ConfigurationError: a model or parameter is unknown, or a value is out of range.
    """

    weights: Mapping[str, float] = field(
        default_factory=lambda: {"lightgbm": 0.4, "xgboost": 0.4, "random_forest": 0.2}
    )
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seed: int = 7
    threads: int = 2
    calibration_fraction: float = 0.2
    calibration_strength: float = 1.0
    calibration_prior_rows: float = 100.0
    min_class_rows: int = 20

    def __post_init__(self) -> None:
        for name in (*self.weights, *self.parameters):
            model_parameters(name, self.parameters.get(name, {}))
        if not self.weights or min(self.weights.values()) <= 0:
            raise ConfigurationError(f"training.weights is {dict(self.weights)}; give each model a weight above 0")
        if not 0 < self.calibration_fraction < 1:
            raise ConfigurationError(
                f"training.calibration_fraction is {self.calibration_fraction}; it must lie between 0 and 1"
            )
        for name in ("threads", "min_class_rows", "calibration_strength", "calibration_prior_rows"):
            if not getattr(self, name) > 0:
                raise ConfigurationError(f"training.{name} is {getattr(self, name)}; it must be above 0")


class ProductionEnsemble:
    """Soft vote of the rule's models with calibrated probabilities.

    The models stay as fitted on the first part of the training rows; they are not fitted again on all of it, since
    the calibration would then belong to other models.

    Args:
        rule: the recipe.
        features: the feature set that every frame must hold exactly.
    """

    def __init__(self, rule: EnsembleRule, features: FeatureManager) -> None:
        self.rule = rule
        self.feature_manager = features
        self._models: dict[str, FittedModel] = {}
        self._calibration: Calibration | None = None

    def fit(self, features: pd.DataFrame, labels: pd.DataFrame, weights: FloatArray) -> Self:
        """Train the models, then the calibration on the purged tail.

        Args:
            features: n rows, oldest first, as `FeatureManager` demands them.
            labels: n rows: ``timestamp``, ``label``, ``label_end``.
            weights: shape (n,), uniqueness of each label.

        Raises:
            FeatureError: the frame does not hold exactly the feature set.
            LearningError: the rows do not belong together, or a class is too rare to be learnt.
        """
        values = self._values(features)
        if not 0 < len(values) == len(labels) == weights.size:
            raise LearningError(
                f"training: {len(values)} rows of features, {len(labels)} labels and {weights.size} weights; "
                "the three need the same rows, at least one"
            )
        classes = labels["label"].to_numpy(dtype=np.int8)
        early, tail = self._parts(labels)
        self._check_classes(classes[early])
        data = TrainingSet(
            values[early], classes[early], weights[early] / weights[early].mean(), self.rule.seed, self.rule.threads
        )
        self._models = {
            name: MODEL_KINDS[name].fit(model_parameters(name, self.rule.parameters.get(name, {})), data)
            for name in self.rule.weights
        }
        self._calibration = fit_calibration(
            self._vote(values[tail]),
            classes[tail],
            weights[tail],
            class_shares(classes[early], weights[early]),
            self.rule.calibration_strength,
            self.rule.calibration_prior_rows,
        )
        return self

    def predict_proba(self, features: pd.DataFrame) -> FloatArray:
        """Return calibrated probabilities of short, flat and long, shape (n, 3).

        Raises:
            FeatureError: the frame does not hold exactly the feature set.
            LearningError: the ensemble has not been fitted.
        """
        return self.calibration.apply(self._vote(self._values(features)))

    def predict_by_model(self, features: pd.DataFrame) -> dict[str, FloatArray]:
        """Return each model's own probabilities, shape (n, 3), before voting and calibration.

        Raises:
            FeatureError: the frame does not hold exactly the feature set.
            LearningError: the ensemble has not been fitted.
        """
        values = self._values(features)
        return {name: model.predict_proba(values) for name, model in self.models.items()}

    @property
    def models(self) -> Mapping[str, FittedModel]:
        """The fitted models by name, in the order of the rule's weights."""
        if not self._models:
            raise LearningError("the ensemble has not been fitted; call fit first")
        return self._models

    @property
    def calibration(self) -> Calibration:
        """The fitted calibration."""
        if self._calibration is None:
            raise LearningError("the ensemble has not been fitted; call fit first")
        return self._calibration

    def importances(self) -> dict[str, dict[str, float]]:
        """Return the share of each feature in each model's gain, by model and feature."""
        names = self.feature_manager.get_feature_names()
        return {
            model: dict(zip(names, fitted.importances().tolist(), strict=True)) for model, fitted in self.models.items()
        }

    def _values(self, features: pd.DataFrame) -> FloatArray:
        checked = self.feature_manager.validate_features(features)
        return served_features(checked[self.feature_manager.get_feature_names()].to_numpy(dtype=np.float64))

    def _vote(self, values: FloatArray) -> FloatArray:
        votes = [model.predict_proba(values) for model in self.models.values()]
        return soft_vote(votes, list(self.rule.weights.values()))

    def _parts(self, labels: pd.DataFrame) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return the rows of the models and those of the calibration; no label of the first reaches the second."""
        begun = milliseconds(labels["timestamp"])
        first_of_tail = begun[int(len(begun) * (1 - self.rule.calibration_fraction))]
        return milliseconds(labels["label_end"]) <= first_of_tail, begun >= first_of_tail

    def _check_classes(self, classes: ClassArray) -> None:
        counts = np.bincount(classes, minlength=len(CLASS_NAMES))
        rarest = int(counts.argmin())
        if counts[rarest] < self.rule.min_class_rows:
            raise LearningError(
                f"training: class {CLASS_NAMES[rarest]!r} has {counts[rarest]} of {classes.size} training rows "
                f"and needs {self.rule.min_class_rows}; bring the barriers nearer (labels.take_profit_atr), allow more "
                "time (labels.max_bars) or train on more days"
            )


def class_shares(classes: ClassArray, weights: FloatArray) -> FloatArray:
    """Return the weighted shares of short, flat and long, shape (3,); every class keeps a share above zero.

    Half an observation of each class is added (Jeffreys' prior), so that a class that has not been seen is improbable
    rather than impossible.
    """
    counts = np.bincount(classes, weights, len(CLASS_NAMES)) + 0.5
    shares: FloatArray = counts / counts.sum()
    return shares
