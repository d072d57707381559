"""Training over time: every prediction is made by a model that had seen only what lies before it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

import numpy as np
import pandas as pd

from crypto_kedro.errors import LearningError
from crypto_kedro.features.manager import FeatureManager
from crypto_kedro.learning.ensemble import EnsembleRule, ProductionEnsemble, class_shares
from crypto_kedro.learning.leakage import check_folds
from crypto_kedro.learning.metrics import reliability, score
from crypto_kedro.learning.models import ClassArray
from crypto_kedro.learning.splits import FINAL_WINDOW, Fold, WalkForward
from crypto_kedro.learning.weights import label_uniqueness
from crypto_kedro.market.bars import FloatArray, IntArray
from crypto_kedro.market.frame import open_times
from crypto_kedro.serving.probability import CLASS_NAMES

Done = TypeVar("Done")


class RunEach(Protocol):
    """Calls a function for each item and returns the results in the order of the items."""

    def __call__(self, function: Callable[[Any], Done], items: Sequence[Any]) -> list[Done]:
        """Call the function, which is picklable as its items are."""
        ...


def one_by_one(function: Callable[[Any], Done], items: Sequence[Any]) -> list[Done]:
    """Call the function for one item after the other, in this process."""
    return [function(item) for item in items]


@dataclass(frozen=True, slots=True, eq=False)
class WalkForwardResult:
    """Everything that the walk forward produced.

    Args:
        folds: the windows, the final one last.
        predictions: one row a tested bar: ``timestamp``, ``window``, calibrated ``p_short``, ``p_flat``, ``p_long``,
            raw ``<model>_short`` ... of each model, ``prior_short`` ... (shares of the classes in the window's training
            rows), ``label``, ``weight`` (uniqueness among the window's tested labels).
        signals: one row a bar of the test windows that has features, labelled or not, which is what a live trader
            hears: ``timestamp``, ``window``, ``p_short`` ... and ``<model>_short`` ... as above.
        train_shares: shares of the classes in the training rows of each window.
        final_model: the ensemble of the final window, the one to register.
    """

    folds: tuple[Fold, ...]
    predictions: pd.DataFrame
    signals: pd.DataFrame
    train_shares: dict[str, dict[str, float]]
    final_model: ProductionEnsemble


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Features and labels of the same bars.

    Args:
        features: ``timestamp`` and one column a feature, n rows, oldest first.
        labels: the labels of the same rows, as `label_bars` gives them.
        observed: the features of all bars, oldest first, those included that have no label, as near the end.
    """

    features: pd.DataFrame
    labels: pd.DataFrame
    observed: pd.DataFrame

    @classmethod
    def join(cls, features: pd.DataFrame, labels: pd.DataFrame) -> "Examples":
        """Keep the bars that have both features and a label.

        Raises:
            LearningError: there are none.
        """
        common = features[["timestamp"]].merge(labels, on="timestamp", how="inner", validate="one_to_one")
        common = common.sort_values("timestamp", ignore_index=True)
        if common.empty:
            raise LearningError("training: no bar has both features and a label; run the features pipeline again")
        observed = features.sort_values("timestamp", ignore_index=True)
        kept = observed[observed["timestamp"].isin(common["timestamp"])].reset_index(drop=True)
        return cls(kept, common, observed)


def walk_forward(
    examples: Examples,
    splitter: WalkForward,
    rule: EnsembleRule,
    features: FeatureManager,
    interval_ms: int,
    run_each: RunEach = one_by_one,
    own_rules: Mapping[str, EnsembleRule] = MappingProxyType({}),
) -> WalkForwardResult:
    """Train each fold and the final model and predict their test windows.

    Args:
        examples: all rows.
        splitter: the windows.
        rule: the recipe of the ensemble in every window that has none of its own.
        features: the feature set.
        interval_ms: length of a bar.
        run_each: calls a function for each fold, here or in other processes, and returns the results in their order.
        own_rules: recipes of single windows, by the window's name.

    Raises:
        LearningError: a window cannot be trained; the message names it.
        LeakageError: a training label reaches its test.
    """
    folds = tuple(splitter.split(examples.labels))
    check_folds(folds, examples.labels, splitter.embargo_hours)
    windows = run_each(partial(_test_window, examples, rule, dict(own_rules), features, interval_ms), folds)
    if len(windows) != len(folds):
        raise LearningError(f"training: {len(windows)} of {len(folds)} windows came back; run all of them")
    return WalkForwardResult(
        folds,
        pd.concat([window.predictions for window in windows], ignore_index=True),
        pd.concat([window.signals for window in windows], ignore_index=True),
        {fold.name: window.train_shares for fold, window in zip(folds, windows, strict=True)},
        windows[-1].ensemble,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _TestedWindow:
    ensemble: ProductionEnsemble
    train_shares: dict[str, float]
    signals: pd.DataFrame
    predictions: pd.DataFrame


def _test_window(
    examples: Examples,
    rule: EnsembleRule,
    own_rules: Mapping[str, EnsembleRule],
    features: FeatureManager,
    interval_ms: int,
    fold: Fold,
) -> _TestedWindow:
    ensemble = train_rows(fold.name, fold.train, examples, own_rules.get(fold.name, rule), features, interval_ms)
    labels = examples.labels.iloc[fold.train]
    prior = class_shares(labels["label"].to_numpy(dtype=np.int8), label_uniqueness(labels, interval_ms))
    at = open_times(examples.observed)
    rows = examples.observed[(at >= fold.test_from_ms) & (at < fold.test_to_ms)]
    signals = say(ensemble, rows, fold.name)
    return _TestedWindow(
        ensemble,
        dict(zip(CLASS_NAMES, prior.tolist(), strict=True)),
        signals,
        _predictions(fold, examples.labels, signals, prior, interval_ms),
    )


def train_rows(
    name: str, rows: IntArray, examples: Examples, rule: EnsembleRule, features: FeatureManager, interval_ms: int
) -> ProductionEnsemble:
    """Return an ensemble trained on some rows of the examples.

    Args:
        name: of the window, for errors.
        rows: row numbers, ascending.
        examples: all rows.
        rule: the recipe.
        features: the feature set.
        interval_ms: length of a bar.

    Raises:
        LearningError: the rows cannot be learnt from; the message names the window.
    """
    labels = examples.labels.iloc[rows]
    weights = label_uniqueness(labels, interval_ms)
    try:
        return ProductionEnsemble(rule, features).fit(examples.features.iloc[rows], labels, weights)
    except LearningError as error:
        raise LearningError(f"window {name}: {error}") from error


def say(ensemble: ProductionEnsemble, rows: pd.DataFrame, window: str) -> pd.DataFrame:
    """Return what an ensemble says about rows of features, in the columns of ``signals``."""
    return signal_table(rows["timestamp"], window, ensemble.predict_proba(rows), ensemble.predict_by_model(rows))


def signal_table(
    timestamp: "pd.Series[pd.Timestamp]", window: str, calibrated: FloatArray, by_model: Mapping[str, FloatArray]
) -> pd.DataFrame:
    """Return probabilities of n bars in the columns of ``signals``.

    Args:
        timestamp: open of each bar.
        window: name of the test window.
        calibrated: of short, flat and long, shape (n, 3).
        by_model: those of each single model, each of shape (n, 3).
    """
    columns: dict[str, Any] = {"timestamp": timestamp.array, "window": window}
    for prefix, probabilities in {"p": calibrated, **by_model}.items():
        columns |= {f"{prefix}_{name}": probabilities[:, at] for at, name in enumerate(CLASS_NAMES)}
    return pd.DataFrame(columns)


def _predictions(
    fold: Fold, labels: pd.DataFrame, signals: pd.DataFrame, prior: FloatArray, interval_ms: int
) -> pd.DataFrame:
    tested = labels.iloc[fold.test]
    said = signals[signals["timestamp"].isin(tested["timestamp"])].reset_index(drop=True)
    return said.assign(
        **{f"prior_{name}": share for name, share in zip(CLASS_NAMES, prior, strict=True)},
        label=tested["label"].to_numpy(),
        weight=label_uniqueness(tested, interval_ms),
    )


def score_windows(result: WalkForwardResult) -> dict[str, dict[str, Any]]:
    """Return the scores of every window: the calibrated ensemble, the prior and each model's raw probabilities.

    Returns:
        By window: ``rows``, ``train_rows``, ``metrics``, ``prior``, ``models``, ``class_shares`` of train and test.
    """
    scores = {}
    for fold in result.folds:
        tested = result.predictions[result.predictions["window"] == fold.name]
        scores[fold.name] = _scores(tested, result) | {"train_rows": int(fold.train.size)}
        scores[fold.name]["class_shares"]["train"] = result.train_shares[fold.name]
    return scores


def score_folds(result: WalkForwardResult) -> dict[str, Any]:
    """Return the scores over all folds together, without the final window, and their reliability curves."""
    return _scores(_folds_only(result), result)


def fold_reliability(result: WalkForwardResult) -> dict[str, list[dict[str, float]]]:
    """Return the reliability curves of the calibrated ensemble over all folds together."""
    tested = _folds_only(result)
    return reliability(*predicted_classes(tested))


def predicted_classes(predictions: pd.DataFrame) -> tuple[ClassArray, FloatArray, FloatArray]:
    """Return what came true, the calibrated probabilities and the weights of predictions, as the metrics take them."""
    return _classes(predictions), _probabilities(predictions, "p"), predictions["weight"].to_numpy(dtype=np.float64)


def _folds_only(result: WalkForwardResult) -> pd.DataFrame:
    return result.predictions[result.predictions["window"] != FINAL_WINDOW]


def _scores(tested: pd.DataFrame, result: WalkForwardResult) -> dict[str, Any]:
    classes, weights = _classes(tested), tested["weight"].to_numpy()
    shares = np.bincount(classes, weights, len(CLASS_NAMES)) / weights.sum()
    return {
        "rows": len(tested),
        "metrics": score(*predicted_classes(tested)),
        "prior": score(classes, _probabilities(tested, "prior"), weights),
        "models": {name: score(classes, _probabilities(tested, name), weights) for name in result.final_model.models},
        "class_shares": {"test": dict(zip(CLASS_NAMES, shares.tolist(), strict=True))},
    }


def _classes(tested: pd.DataFrame) -> ClassArray:
    return tested["label"].to_numpy(dtype=np.int8)


def _probabilities(tested: pd.DataFrame, prefix: str) -> FloatArray:
    probabilities = tested[[f"{prefix}_{name}" for name in CLASS_NAMES]].to_numpy(dtype=np.float64)
    total: FloatArray = probabilities.sum(axis=1, keepdims=True)
    return probabilities / total
