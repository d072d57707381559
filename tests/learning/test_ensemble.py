"""The ensemble: one face, three models, no row used twice."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from taught_market import (
    INTERVAL_MS,
    SMALL_RULE,
    TELLING_FEATURE,
    feature_manager,
    fit_small,
    small_ensemble,
    taught_examples,
)

from crypto_kedro.errors import ConfigurationError, FeatureError, LearningError
from crypto_kedro.learning.ensemble import EnsembleRule, ProductionEnsemble, class_shares
from crypto_kedro.learning.labels import milliseconds
from crypto_kedro.learning.metrics import log_loss
from crypto_kedro.learning.walk_forward import Examples
from crypto_kedro.learning.weights import label_uniqueness


def test_given_taught_examples_when_fitted_then_fresh_rows_are_told_better_than_by_the_class_shares() -> None:
    fresh = taught_examples(seed=1)
    classes = fresh.labels["label"].to_numpy()
    weights = np.ones(classes.size)
    prior = np.tile(class_shares(classes, weights), (classes.size, 1))

    told = log_loss(classes, small_ensemble().predict_proba(fresh.features), weights)

    assert told < 0.85 * log_loss(classes, prior, weights)


def test_given_the_telling_feature_when_low_middle_or_high_then_the_columns_are_short_flat_and_long() -> None:
    rows = taught_examples(days=1).features.head(3).copy()
    rows.loc[:, feature_manager().get_feature_names()] = 0.0
    rows[TELLING_FEATURE] = [-3.0, 0.0, 3.0]

    probabilities = small_ensemble().predict_proba(rows)

    assert probabilities.shape == (3, 3)
    assert probabilities[0].argmax() == 0
    assert probabilities[2].argmax() == 2
    assert probabilities[1, 1] > max(probabilities[0, 1], probabilities[2, 1])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-12)


def test_given_one_informative_feature_when_asked_for_importances_then_every_model_names_it() -> None:
    for shares in small_ensemble().importances().values():
        assert max(shares, key=lambda name: shares[name]) == TELLING_FEATURE
        assert sum(shares.values()) == pytest.approx(1.0)


def with_labels(examples: Examples, rows: np.ndarray, seed: int) -> Examples:
    """The same examples with the classes of some rows drawn anew."""
    labels = examples.labels.copy()
    labels.loc[rows, "label"] = np.random.default_rng(seed).integers(0, 3, rows.sum()).astype(np.int8)
    return Examples(examples.features, labels, examples.observed)


def test_given_other_labels_in_and_around_the_calibration_tail_when_fitted_then_the_models_are_the_same() -> None:
    examples = taught_examples(days=20)
    tail_begins = milliseconds(examples.labels["timestamp"])[int(20 * 96 * 0.8)]
    reaches_tail = milliseconds(examples.labels["label_end"]) > tail_begins

    first, other = fit_small(examples), fit_small(with_labels(examples, reaches_tail, seed=3))

    expected = first.predict_by_model(examples.features)
    for name, probabilities in other.predict_by_model(examples.features).items():
        np.testing.assert_array_equal(probabilities, expected[name])
    assert not np.array_equal(other.predict_proba(examples.features), first.predict_proba(examples.features))


@pytest.mark.parametrize("damage", ["reordered", "missing", "not finite"])
def test_given_a_frame_that_is_not_the_feature_set_when_predicting_then_it_refuses(damage: str) -> None:
    rows = taught_examples(days=1).features
    if damage == "reordered":
        rows = rows[["timestamp", *reversed(feature_manager().get_feature_names())]]
    elif damage == "missing":
        rows = rows.drop(columns=TELLING_FEATURE)
    else:
        rows.loc[5, TELLING_FEATURE] = np.nan
    with pytest.raises(FeatureError):
        small_ensemble().predict_proba(rows)


def test_given_a_class_that_hardly_occurs_when_fitted_then_the_error_names_it_and_the_remedy() -> None:
    examples = taught_examples(days=20)
    labels = examples.labels.assign(label=examples.labels["label"].where(examples.labels["label"] != 2, 1))
    labels.loc[:4, "label"] = 2
    with pytest.raises(LearningError, match=r"class 'long' has 5 of \d+ training rows and needs 20; bring"):
        fit_small(Examples(examples.features, labels.astype({"label": np.int8}), examples.observed))


def test_given_rows_that_do_not_match_when_fitted_then_it_refuses() -> None:
    examples = taught_examples(days=2)
    weights = label_uniqueness(examples.labels, INTERVAL_MS)
    ensemble = ProductionEnsemble(SMALL_RULE, feature_manager())
    with pytest.raises(LearningError, match="192 rows of features, 191 labels and 192 weights"):
        ensemble.fit(examples.features, examples.labels.iloc[1:], weights)


def test_given_an_ensemble_that_is_not_fitted_when_predicting_then_it_says_so() -> None:
    with pytest.raises(LearningError, match="has not been fitted"):
        ProductionEnsemble(SMALL_RULE, feature_manager()).predict_proba(taught_examples(days=1).features)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": {"lightgmb": 1.0}}, r"training\.models\.lightgmb is unknown; did you mean lightgbm\?"),
        ({"parameters": {"xgboost": {"dept": 3}}}, r"training\.models\.xgboost\.dept is unknown; did you mean depth\?"),
        ({"weights": {"lightgbm": 0.0}}, r"training\.weights"),
        ({"weights": {}}, r"training\.weights"),
        ({"calibration_fraction": 1.0}, r"training\.calibration_fraction is 1\.0"),
        ({"threads": 0}, r"training\.threads is 0"),
        ({"calibration_prior_rows": 0.0}, r"training\.calibration_prior_rows is 0\.0"),
    ],
)
def test_given_a_recipe_that_cannot_be_cooked_when_made_then_the_error_names_the_setting(
    change: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        replace(EnsembleRule(), **change)


def test_given_a_class_without_rows_when_shares_are_taken_then_it_stays_above_zero() -> None:
    shares = class_shares(np.array([0, 0, 1], dtype=np.int8), np.array([1.0, 1.0, 2.0]))
    np.testing.assert_allclose(shares, np.array([2.5, 2.5, 0.5]) / 5.5)


def test_given_only_one_model_when_fitted_then_its_vote_is_the_ensemble() -> None:
    examples = taught_examples(days=10)
    rule = replace(SMALL_RULE, weights={"random_forest": 3.0})
    weights = label_uniqueness(examples.labels, INTERVAL_MS)
    ensemble = ProductionEnsemble(rule, feature_manager()).fit(examples.features, examples.labels, weights)
    rows: pd.DataFrame = examples.features.head(50)
    alone = ensemble.predict_by_model(rows)["random_forest"]
    np.testing.assert_allclose(ensemble.predict_proba(rows), ensemble.calibration.apply(alone), rtol=1e-9)
