"""Combinatorial purged folds agree with skfolio, purgedcv and Lopez de Prado's own table of paths."""

import numpy as np
import pandas as pd
import purgedcv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skfolio.model_selection import CombinatorialPurgedCV

from crypto_kedro.errors import ConfigurationError, LearningError
from crypto_kedro.learning.combinatorial import CombinatorialFold, CombinatorialPurged, backtest_paths
from crypto_kedro.learning.labels import milliseconds
from crypto_kedro.market.bars import DAY_MS, HOUR_MS

BAR = pd.Timedelta("15min")
BARS_A_DAY = 96

rules = st.integers(2, 7).flatmap(
    lambda groups: st.builds(
        CombinatorialPurged,
        n_groups=st.just(groups),
        n_test_groups=st.integers(1, groups - 1),
        embargo_hours=st.integers(0, 30),
    )
)


def labelled_rows(days: int, seed: int = 0, longest_bars: int = 24, missing: float = 0.0) -> pd.DataFrame:
    """Rows every 15 minutes, some missing, whose labels last from one bar to the longest."""
    rng = np.random.default_rng(seed)
    stamps = pd.date_range("2024-01-01", periods=days * BARS_A_DAY, freq="15min", tz="UTC", unit="ms")
    stamps = stamps[rng.random(len(stamps)) >= missing]
    return pd.DataFrame(
        {"timestamp": stamps, "label_end": stamps + rng.integers(1, longest_bars + 1, len(stamps)) * BAR}
    )


@pytest.mark.parametrize(("groups", "tested"), [(6, 2), (5, 3), (4, 3)])
@pytest.mark.parametrize("embargo_hours", [0, 6])
def test_given_labels_of_one_length_when_split_then_the_folds_are_those_of_skfolio(
    groups: int, tested: int, embargo_hours: int
) -> None:
    bars = 10
    frame = labelled_rows(days=20 - 20 % groups)
    frame["label_end"] = frame["timestamp"] + bars * BAR
    theirs = CombinatorialPurgedCV(groups, tested, purged_size=bars - 1 + 4 * embargo_hours)
    folds = list(CombinatorialPurged(groups, tested, embargo_hours).split(frame))
    assert len(folds) == theirs.n_splits
    for fold, (train, test) in zip(folds, theirs.split(frame), strict=True):
        np.testing.assert_array_equal(fold.train, train)
        np.testing.assert_array_equal(fold.test, np.concatenate(test))


@settings(max_examples=25, deadline=None)
@given(rule=rules, seed=st.integers(0, 99), missing=st.floats(0, 0.5))
def test_given_labels_of_any_length_when_split_then_the_training_is_what_purgedcv_keeps(
    rule: CombinatorialPurged, seed: int, missing: float
) -> None:
    frame = labelled_rows(42, seed, longest_bars=100, missing=missing)
    begun, ended = (frame[name].dt.tz_localize(None) for name in ("timestamp", "label_end"))
    for fold in rule.split(frame):
        others = np.setdiff1d(np.arange(len(frame)), fold.test)
        embargo = pd.Timedelta(hours=rule.embargo_hours)
        np.testing.assert_array_equal(fold.train, purgedcv.purge(others, fold.test, begun, ended, embargo))
        assert fold.purged == others.size - fold.train.size


@settings(max_examples=25, deadline=None)
@given(rule=rules, seed=st.integers(0, 99))
def test_given_any_setting_when_split_then_no_training_label_lives_within_the_embargo_of_a_tested_one(
    rule: CombinatorialPurged, seed: int
) -> None:
    frame = labelled_rows(42, seed, longest_bars=100)
    begun, ended = milliseconds(frame["timestamp"]), milliseconds(frame["label_end"])
    for fold in rule.split(frame):
        following = np.searchsorted(begun[fold.test], ended[fold.train])
        preceding = np.searchsorted(begun[fold.test], begun[fold.train])
        np.testing.assert_array_equal(following, preceding)
        latest_end = np.maximum.accumulate(ended[fold.test])
        after, before = preceding > 0, following < fold.test.size
        since = begun[fold.train][after] - latest_end[preceding[after] - 1]
        until = begun[fold.test][following[before]] - ended[fold.train][before]
        assert min(since.min(initial=DAY_MS * 99), until.min(initial=DAY_MS * 99)) >= rule.embargo_hours * HOUR_MS


@settings(max_examples=25, deadline=None)
@given(rule=rules, days=st.integers(20, 40))
def test_given_any_setting_when_split_then_groups_are_whole_days_of_nearly_equal_number(
    rule: CombinatorialPurged, days: int
) -> None:
    frame = labelled_rows(days, longest_bars=4)
    tested = {
        group: fold.test
        for fold in CombinatorialPurged(rule.n_groups, 1, embargo_hours=0).split(frame)
        for group in fold.groups
    }
    lengths = [tested[group].size / BARS_A_DAY for group in range(rule.n_groups)]
    assert all(length == int(length) for length in lengths)
    assert max(lengths) - min(lengths) <= 1
    assert sum(lengths) == days


def test_given_six_groups_of_which_two_are_tested_when_put_together_then_the_paths_are_those_of_the_book() -> None:
    frame = labelled_rows(6)
    folds = list(CombinatorialPurged(6, 2, embargo_hours=0).split(frame))
    numbered = [np.full(fold.test.size, number + 1) for number, fold in enumerate(folds)]
    paths = backtest_paths(folds, numbered)[:, ::BARS_A_DAY]
    assert paths[0].tolist() == [1, 1, 2, 3, 4, 5]
    assert paths[1].tolist() == [2, 6, 6, 7, 8, 9]
    np.testing.assert_array_equal(paths.T - 1, CombinatorialPurgedCV(6, 2).recombined_paths)


@settings(max_examples=25, deadline=None)
@given(rule=rules)
def test_given_results_by_row_when_put_together_then_every_path_holds_every_row_once(rule: CombinatorialPurged) -> None:
    frame = labelled_rows(21, longest_bars=4)
    folds = list(CombinatorialPurged(rule.n_groups, rule.n_test_groups, embargo_hours=0).split(frame))
    paths = backtest_paths(folds, [np.column_stack([fold.test, -fold.test]) for fold in folds])
    assert paths.shape == (rule.n_paths, len(frame), 2)
    assert rule.n_paths * rule.n_groups == rule.n_folds * rule.n_test_groups
    rows = np.arange(len(frame))
    np.testing.assert_array_equal(paths, np.broadcast_to(np.column_stack([rows, -rows]), paths.shape))


def first_folds() -> list[CombinatorialFold]:
    return list(CombinatorialPurged(4, 2, embargo_hours=0).split(labelled_rows(8)))


def test_given_a_missing_fold_when_put_together_then_it_refuses() -> None:
    folds = first_folds()[:-1]
    with pytest.raises(LearningError, match="give every fold once"):
        backtest_paths(folds, [fold.test.astype(float) for fold in folds])


def test_given_too_few_results_when_put_together_then_the_error_names_the_fold() -> None:
    folds = first_folds()
    results = [fold.test.astype(float) for fold in folds]
    results[2] = results[2][1:]
    with pytest.raises(LearningError, match="test rows of groups-0-3"):
        backtest_paths(folds, results)


@pytest.mark.parametrize("frame", [labelled_rows(8).iloc[:0], labelled_rows(8).iloc[::-1]])
def test_given_no_rows_or_rows_out_of_order_when_split_then_it_refuses(frame: pd.DataFrame) -> None:
    with pytest.raises(LearningError, match="none or not in time order"):
        list(CombinatorialPurged().split(frame))


def test_given_fewer_days_than_groups_when_split_then_the_error_says_so() -> None:
    with pytest.raises(LearningError, match="of 6 over 5 days holds no labelled bar"):
        list(CombinatorialPurged().split(labelled_rows(5)))


def test_given_an_embargo_longer_than_the_data_when_split_then_the_error_names_the_fold() -> None:
    with pytest.raises(LearningError, match="nothing is left to train groups-0-1 on"):
        list(CombinatorialPurged(3, 2, embargo_hours=24 * 30).split(labelled_rows(12)))


@pytest.mark.parametrize(("setting", "value"), [("n_test_groups", 0), ("n_test_groups", 6), ("embargo_hours", -1)])
def test_given_a_setting_out_of_range_when_made_then_the_error_names_it(setting: str, value: int) -> None:
    with pytest.raises(ConfigurationError, match=rf"combinatorial\.{setting} is {value}"):
        CombinatorialPurged(**{setting: value})
