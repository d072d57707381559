"""The tree models of the ensemble behind one small interface; a new model is one entry of `MODEL_KINDS`."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Protocol

import lightgbm
import numpy as np
import treelite
import xgboost
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.market.bars import FloatArray
from crypto_kedro.serving.probability import CLASS_NAMES

ClassArray = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class LightGBMParameters:
    """Small, slow-learning trees with many rows a leaf, as suits returns that are mostly noise."""

    rounds: int = 120
    learning_rate: float = 0.03
    leaves: int = 8
    min_leaf_rows: int = 300
    row_share: float = 0.7
    feature_share: float = 0.7
    l2: float = 10.0


@dataclass(frozen=True, slots=True)
class XGBoostParameters:
    """As `LightGBMParameters`; ``min_leaf_weight`` is in units of the Hessian, about 0.2 a row."""

    rounds: int = 120
    learning_rate: float = 0.03
    depth: int = 3
    min_leaf_weight: float = 60.0
    row_share: float = 0.7
    feature_share: float = 0.7
    l2: float = 10.0


@dataclass(frozen=True, slots=True)
class RandomForestParameters:
    """Shallow trees with many rows a leaf."""

    trees: int = 200
    depth: int = 6
    min_leaf_rows: int = 200
    feature_share: float = 0.4
    row_share: float = 0.5


class FittedModel(Protocol):
    """What the ensemble asks of a trained model."""

    def predict_proba(self, features: FloatArray) -> FloatArray:
        """Return probabilities of short, flat and long, shape (n, 3)."""

    def importances(self) -> FloatArray:
        """Return the share of each feature in the loss that the trees removed, shape (features,), summing to 1."""

    def to_treelite(self) -> treelite.Model:
        """Return the trees in the form in which they are served."""


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """What a model learns from.

    Args:
        features: shape (n, features).
        classes: shape (n,), all three classes present.
        weights: shape (n,), of mean 1.
        seed: of every random choice.
        threads: used for fitting; part of the recipe, since sums may depend on how rows are shared out.
    """

    features: FloatArray
    classes: ClassArray
    weights: FloatArray
    seed: int
    threads: int


@dataclass(frozen=True, slots=True)
class ModelKind:
    """One entry of the registry.

    Args:
        parameters: a dataclass with defaults.
        fit: ``fit(parameters, training_set)``.
        dry_run: parameters that make the model tiny, for a rehearsal.
    """

    parameters: type[Any]
    fit: Callable[[Any, TrainingSet], FittedModel]
    dry_run: Mapping[str, Any]


class _LightGBM:
    def __init__(self, booster: lightgbm.Booster) -> None:
        self._booster = booster

    @classmethod
    def fit(cls, parameters: LightGBMParameters, data: TrainingSet) -> "_LightGBM":
        settings = {
            "objective": "multiclass",
            "num_class": len(CLASS_NAMES),
            "learning_rate": parameters.learning_rate,
            "num_leaves": parameters.leaves,
            "min_data_in_leaf": parameters.min_leaf_rows,
            "bagging_fraction": parameters.row_share,
            "bagging_freq": 1,
            "feature_fraction": parameters.feature_share,
            "lambda_l2": parameters.l2,
            "seed": data.seed,
            "num_threads": data.threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }
        rows = lightgbm.Dataset(data.features, label=data.classes, weight=data.weights)
        return cls(lightgbm.train(settings, rows, num_boost_round=parameters.rounds))

    def predict_proba(self, features: FloatArray) -> FloatArray:
        return np.asarray(self._booster.predict(features, num_threads=1), dtype=np.float64)

    def importances(self) -> FloatArray:
        return _shares(self._booster.feature_importance("gain"))

    def to_treelite(self) -> treelite.Model:
        return treelite.frontend.from_lightgbm(self._booster)


class _XGBoost:
    def __init__(self, booster: xgboost.Booster, features: int) -> None:
        self._booster = booster
        self._features = features

    @classmethod
    def fit(cls, parameters: XGBoostParameters, data: TrainingSet) -> "_XGBoost":
        settings = {
            "objective": "multi:softprob",
            "num_class": len(CLASS_NAMES),
            "tree_method": "hist",
            "learning_rate": parameters.learning_rate,
            "max_depth": parameters.depth,
            "min_child_weight": parameters.min_leaf_weight,
            "subsample": parameters.row_share,
            "colsample_bytree": parameters.feature_share,
            "reg_lambda": parameters.l2,
            "seed": data.seed,
            "nthread": data.threads,
            "verbosity": 0,
        }
        rows = xgboost.DMatrix(data.features, label=data.classes, weight=data.weights, nthread=data.threads)
        return cls(xgboost.train(settings, rows, num_boost_round=parameters.rounds), data.features.shape[1])

    def predict_proba(self, features: FloatArray) -> FloatArray:
        return np.asarray(self._booster.predict(xgboost.DMatrix(features, nthread=1)), dtype=np.float64)

    def importances(self) -> FloatArray:
        gains = self._booster.get_score(importance_type="total_gain")
        return _shares(np.array([gains.get(f"f{at}", 0.0) for at in range(self._features)]))

    def to_treelite(self) -> treelite.Model:
        return treelite.frontend.from_xgboost(self._booster)


class _RandomForest:
    def __init__(self, forest: RandomForestClassifier) -> None:
        self._forest = forest

    @classmethod
    def fit(cls, parameters: RandomForestParameters, data: TrainingSet) -> "_RandomForest":
        forest = RandomForestClassifier(
            n_estimators=parameters.trees,
            max_depth=parameters.depth,
            min_samples_leaf=parameters.min_leaf_rows,
            max_features=parameters.feature_share,
            max_samples=parameters.row_share,
            random_state=data.seed,
            n_jobs=data.threads,
        ).fit(data.features, data.classes, sample_weight=data.weights)
        # Threads would add up the trees' votes in the order in which they happen to finish.
        forest.n_jobs = 1
        return cls(forest)

    def predict_proba(self, features: FloatArray) -> FloatArray:
        return np.asarray(self._forest.predict_proba(features), dtype=np.float64)

    def importances(self) -> FloatArray:
        return _shares(self._forest.feature_importances_)

    def to_treelite(self) -> treelite.Model:
        return treelite.sklearn.import_model(self._forest)


MODEL_KINDS: Mapping[str, ModelKind] = MappingProxyType(
    {
        "lightgbm": ModelKind(LightGBMParameters, _LightGBM.fit, {"rounds": 10}),
        "xgboost": ModelKind(XGBoostParameters, _XGBoost.fit, {"rounds": 10}),
        "random_forest": ModelKind(RandomForestParameters, _RandomForest.fit, {"trees": 10}),
    }
)


def model_parameters(name: str, values: Mapping[str, Any]) -> Any:
    """Return the parameters of a model, defaults filled in.

    Raises:
        ConfigurationError: the model or one of its parameters is unknown; the nearest known name is told.
    """
    if name not in MODEL_KINDS:
        raise ConfigurationError(f"training.models.{name} is unknown; {_nearest(name, list(MODEL_KINDS))}")
    known = [field.name for field in fields(MODEL_KINDS[name].parameters)]
    for key in values:
        if key not in known:
            raise ConfigurationError(f"training.models.{name}.{key} is unknown; {_nearest(key, known)}")
    return MODEL_KINDS[name].parameters(**values)


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"choose one of {', '.join(known)}"


def _shares(gains: FloatArray) -> FloatArray:
    total = float(np.sum(gains))
    return np.asarray(gains, dtype=np.float64) / total if total > 0 else np.zeros(len(gains))
