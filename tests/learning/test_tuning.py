"""Tuning looks only at the training rows of its window, goes on after an interruption, and remembers every trial."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from optuna.storages import BaseStorage, InMemoryStorage
from taught_market import INTERVAL_MS, SMALL_RULE, feature_manager, taught_examples

from crypto_kedro.errors import ConfigurationError, LearningError
from crypto_kedro.learning.ensemble import EnsembleRule
from crypto_kedro.learning.splits import Fold, WalkForward
from crypto_kedro.learning.tuning import (
    SearchRange,
    TunedWindow,
    Tuner,
    TuningRule,
    TuningTrial,
    inner_splitter,
    study_storage,
    training_part,
    with_settings,
)
from crypto_kedro.learning.walk_forward import Examples
from crypto_kedro.market.bars import DAY_MS

SPLITTER = WalkForward(n_folds=1, training_days=60, min_training_days=12, embargo_hours=2, final_days=3)
# A single model keeps the trials short.
BASE = replace(SMALL_RULE, weights={"lightgbm": 1.0}, parameters={"lightgbm": SMALL_RULE.parameters["lightgbm"]})
RULE = TuningRule(
    space={"lightgbm": {"rounds": SearchRange(1, 40), "learning_rate": SearchRange(0.001, 0.3, log=True)}},
    trials=4,
    seconds=None,
    inner_folds=2,
    seed=3,
)


@pytest.fixture(scope="module")
def examples() -> Examples:
    return taught_examples(days=20, seed=2)


@pytest.fixture(scope="module")
def final(examples: Examples) -> Fold:
    return list(SPLITTER.split(examples.labels))[-1]


def tuner(
    rule: TuningRule = RULE,
    storage: BaseStorage | None = None,
    heard: Callable[[TuningTrial], None] = lambda _: None,
    base: EnsembleRule = BASE,
) -> Tuner:
    return Tuner(rule, SPLITTER, base, feature_manager(), INTERVAL_MS, storage or InMemoryStorage(), heard)


@pytest.fixture(scope="module")
def tuned(examples: Examples, final: Fold) -> TunedWindow:
    return tuner().tune(final, examples)


def test_given_a_search_then_the_configured_settings_are_tried_first_and_the_best_is_chosen(tuned: TunedWindow) -> None:
    losses = [trial.direction_log_loss for trial in tuned.trials]

    assert tuned.trials[0].settings == {"lightgbm.rounds": 20, "lightgbm.learning_rate": 0.1}
    assert tuned.best.direction_log_loss == min(losses)
    assert tuned.settings == {"lightgbm": {name.split(".")[1]: value for name, value in tuned.best.settings.items()}}
    assert len(tuned.trials) == 4
    assert len(set(losses)) == 4


def test_given_values_that_follow_the_training_rows_when_changed_then_the_choice_is_the_same(
    examples: Examples, final: Fold, tuned: TunedWindow
) -> None:
    later = pd.Series(np.arange(len(examples.labels)) > final.train.max())
    features, labels = examples.features.copy(), examples.labels.copy()
    features.loc[later, feature_manager().get_feature_names()] = 7.0
    labels.loc[later, "label"] = np.int8(0)

    again = tuner().tune(final, Examples(features, labels, features))

    assert again.trials == tuned.trials


def test_given_training_rows_then_no_inner_training_label_reaches_its_inner_test(
    examples: Examples, final: Fold
) -> None:
    inner = training_part(final, examples)
    folds = list(inner_splitter(SPLITTER, inner, 3).split(inner.labels))
    ends = pd.DatetimeIndex(inner.labels["label_end"]).as_unit("ms").asi8

    assert len(folds) == 3
    assert all(ends[fold.train].max() <= fold.test_from_ms - 2 * 3_600_000 for fold in folds)
    assert folds[-1].test_to_ms <= final.train_to_ms + DAY_MS
    assert len(inner.labels) == final.train.size
    assert inner.observed is inner.features


@pytest.mark.parametrize("cut", [1, 3])
def test_given_an_interrupted_search_when_run_again_then_it_ends_as_if_it_had_not_been(
    examples: Examples, final: Fold, tuned: TunedWindow, tmp_path: Path, cut: int
) -> None:
    def stop(trial: TuningTrial) -> None:
        if trial.number == cut - 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tuner(storage=study_storage(tmp_path / "tuning.db"), heard=stop).tune(final, examples)
    heard: list[TuningTrial] = []
    resumed = tuner(storage=study_storage(tmp_path / "tuning.db"), heard=heard.append).tune(final, examples)

    assert resumed.trials == tuned.trials
    assert [trial.number for trial in heard] == list(range(cut, 4))


def test_given_a_trial_that_a_kill_left_open_when_run_again_then_it_counts_as_failed(
    examples: Examples, final: Fold, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = InMemoryStorage()
    with monkeypatch.context() as patched:
        patched.setattr(Tuner, "_losses", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            tuner(storage=storage).tune(final, examples)
    heard: list[TuningTrial] = []

    resumed = tuner(replace(RULE, trials=2), storage, heard.append).tune(final, examples)

    assert [trial.error for trial in resumed.trials] == ["interrupted before its end", None]
    assert heard == list(resumed.trials)
    assert resumed.record()["failed"] == 1


def test_given_other_rows_then_the_search_begins_anew(examples: Examples, final: Fold) -> None:
    storage, once = InMemoryStorage(), replace(RULE, trials=1)
    tuner(once, storage).tune(final, examples)
    first = next(iter(SPLITTER.split(examples.labels)))

    again = tuner(once, storage).tune(first, examples)

    assert [trial.number for trial in again.trials] == [0]


def test_given_no_time_at_all_then_the_configured_settings_are_still_tried(examples: Examples, final: Fold) -> None:
    assert len(tuner(replace(RULE, seconds=1e-9)).tune(final, examples).trials) == 1


def test_given_classes_too_rare_to_learn_then_every_trial_fails_and_the_reason_is_said(
    examples: Examples, final: Fold
) -> None:
    heard: list[TuningTrial] = []

    with pytest.raises(LearningError, match=r"none of 2 trials of final succeeded .*needs 100000"):
        tuner(replace(RULE, trials=2), heard=heard.append, base=replace(BASE, min_class_rows=100_000)).tune(
            final, examples
        )
    assert [trial.direction_log_loss for trial in heard] == [None, None]


def test_given_too_few_days_for_the_inner_folds_then_the_error_says_what_to_change(
    examples: Examples, final: Fold
) -> None:
    with pytest.raises(LearningError, match=r"too few for 15 inner folds; raise training\.min_training_days"):
        tuner(replace(RULE, inner_folds=15)).tune(final, examples)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"lightgbm": {"rounds": SearchRange(50, 90)}}, r"lightgbm\.rounds goes from 50 to 90 and leaves out .* 20"),
        ({"lightgbm": {"round": SearchRange(1, 40)}}, r"lightgbm\.round is unknown; did you mean rounds\?"),
        ({"xgboost": {"rounds": SearchRange(1, 40)}}, r"xgboost is tuned but does not vote"),
    ],
)
def test_given_a_space_that_does_not_fit_the_models_then_it_is_refused(
    space: dict[str, dict[str, SearchRange]], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        tuner(replace(RULE, space=space))


@pytest.mark.parametrize("span", [SearchRange(5, 5), SearchRange(9, 3), SearchRange(0.0, 3.0, log=True)])
def test_given_an_impossible_range_then_it_is_refused(span: SearchRange) -> None:
    with pytest.raises(ConfigurationError, match=r"tuning\.space\.lightgbm\.l2 goes from"):
        replace(RULE, space={"lightgbm": {"l2": span}})


def test_given_chosen_settings_then_the_others_stay_as_configured() -> None:
    rule = with_settings(SMALL_RULE, {"lightgbm": {"rounds": 33}})

    assert rule.parameters["lightgbm"] == {**SMALL_RULE.parameters["lightgbm"], "rounds": 33}
    assert rule.parameters["xgboost"] == SMALL_RULE.parameters["xgboost"]
