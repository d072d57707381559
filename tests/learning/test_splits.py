"""Walk-forward windows: nothing of a test reaches its training."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_kedro.errors import ConfigurationError, LearningError
from crypto_kedro.learning.labels import milliseconds
from crypto_kedro.learning.splits import WalkForward, fold_table
from crypto_kedro.market.bars import DAY_MS, HOUR_MS

STEP = pd.Timedelta("15min")


def labelled_rows(days: float, seed: int = 0, longest_hours: int = 4, start: str = "2024-01-01") -> pd.DataFrame:
    """Rows every 15 minutes whose labels last from one bar to ``longest_hours``."""
    rng = np.random.default_rng(seed)
    stamps = pd.date_range(start, periods=int(days * 96), freq="15min", tz="UTC", unit="ms")
    life = rng.integers(1, longest_hours * 4 + 1, size=len(stamps))
    return pd.DataFrame({"timestamp": stamps, "label_end": stamps + STEP + pd.to_timedelta(life * 15, unit="min")})


walk_forwards = st.builds(
    WalkForward,
    n_folds=st.integers(1, 6),
    training_days=st.integers(20, 60),
    min_training_days=st.integers(5, 20),
    embargo_hours=st.integers(0, 48),
    final_days=st.integers(1, 10),
)


@settings(max_examples=40, deadline=None)
@given(rule=walk_forwards, days=st.floats(40, 120), seed=st.integers(0, 99), offset=st.integers(0, 95))
def test_given_any_setting_when_split_then_no_training_label_ends_after_the_test_begins_less_the_embargo(
    rule: WalkForward, days: float, seed: int, offset: int
) -> None:
    frame = labelled_rows(days, seed, start=str(pd.Timestamp("2024-01-01") + offset * STEP))
    begun = milliseconds(frame["timestamp"])
    ended = milliseconds(frame["label_end"])
    for fold in rule.split(frame):
        first_test = begun[fold.test].min()
        assert ended[fold.train].max() <= first_test - rule.embargo_hours * HOUR_MS
        assert begun[fold.train].max() < first_test
        assert begun[fold.train].min() >= fold.test_from_ms - rule.training_days * DAY_MS
        assert np.intersect1d(fold.train, fold.test).size == 0


@settings(max_examples=40, deadline=None)
@given(rule=walk_forwards, days=st.floats(40, 120))
def test_given_any_setting_when_split_then_tests_follow_each_other_up_to_the_last_row(
    rule: WalkForward, days: float
) -> None:
    frame = labelled_rows(days)
    folds = list(rule.split(frame))
    tested = np.concatenate([fold.test for fold in folds])
    assert [fold.name for fold in folds] == [*(f"fold-{n}" for n in range(1, rule.n_folds + 1)), "final"]
    np.testing.assert_array_equal(tested, np.arange(tested[0], len(frame)))
    assert folds[-1].test_to_ms - folds[-1].test_from_ms == rule.final_days * DAY_MS
    assert folds[0].test_from_ms - milliseconds(frame["timestamp"])[0] >= rule.min_training_days * DAY_MS


@settings(max_examples=20, deadline=None)
@given(rule=walk_forwards)
def test_given_any_setting_when_split_then_kept_and_purged_rows_make_up_the_training_window(rule: WalkForward) -> None:
    frame = labelled_rows(80)
    begun = milliseconds(frame["timestamp"])
    for fold in rule.split(frame):
        window = (begun >= fold.test_from_ms - rule.training_days * DAY_MS) & (begun < fold.test_from_ms)
        assert fold.train.size + fold.purged == window.sum()


def test_given_a_label_that_ends_at_the_limit_when_split_then_it_stays_and_the_next_is_purged() -> None:
    frame = labelled_rows(40)
    rule = WalkForward(n_folds=1, training_days=30, min_training_days=10, embargo_hours=0, final_days=5)
    fold = next(rule.split(frame))
    test_from = pd.Timestamp(fold.test_from_ms, unit="ms", tz="UTC")
    last = int(fold.test[0]) - 1
    frame["label_end"] = frame["timestamp"] + STEP
    frame.loc[last, "label_end"] = test_from
    frame.loc[last - 1, "label_end"] = test_from + pd.Timedelta("1ms")
    train = next(rule.split(frame)).train
    assert last in train
    assert last - 1 not in train


def test_given_too_little_data_when_split_then_the_error_says_what_is_needed_and_what_there_is() -> None:
    with pytest.raises(LearningError, match=r"5 folds need at least 95 days .* there are 94\.0"):
        list(WalkForward().split(labelled_rows(94)))


def test_given_just_enough_data_when_split_then_every_fold_tests_one_day() -> None:
    folds = list(WalkForward().split(labelled_rows(95)))
    assert {fold.test_to_ms - fold.test_from_ms for fold in folds[:-1]} == {DAY_MS}


def test_given_a_long_history_when_split_then_the_first_test_waits_for_its_share() -> None:
    rows = labelled_rows(400)
    first = next(WalkForward(min_training_share=0.25).split(rows))
    assert first.test_from_ms - milliseconds(rows["timestamp"])[0] == 100 * DAY_MS
    capped = next(WalkForward(min_training_share=0.25, training_days=80).split(rows))
    assert capped.test_from_ms - milliseconds(rows["timestamp"])[0] == 80 * DAY_MS


def test_given_a_test_window_without_rows_when_split_then_the_error_names_it() -> None:
    frame = labelled_rows(95)
    day = pd.Timestamp("2024-03-03", tz="UTC")
    hole = (frame["timestamp"] >= day) & (frame["timestamp"] < day + pd.Timedelta("1D"))
    with pytest.raises(LearningError, match="test window of fold-3 around 2024-03-03 holds no labelled bar"):
        list(WalkForward().split(frame[~hole].reset_index(drop=True)))


@pytest.mark.parametrize("frame", [labelled_rows(0), labelled_rows(95).iloc[::-1]])
def test_given_no_rows_or_rows_out_of_order_when_split_then_it_refuses(frame: pd.DataFrame) -> None:
    with pytest.raises(LearningError, match="none or not in time order"):
        list(WalkForward().split(frame))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("n_folds", 0),
        ("min_training_days", 366),
        ("min_training_share", 1.0),
        ("embargo_hours", -1),
        ("embargo_hours", 24 * 60),
    ],
)
def test_given_a_setting_out_of_range_when_made_then_the_error_names_it(setting: str, value: int) -> None:
    with pytest.raises(ConfigurationError, match=rf"training\.{setting} is {value}"):
        WalkForward(**{setting: value})


def test_given_folds_when_tabled_then_each_window_has_its_limits_and_row_numbers() -> None:
    folds = list(WalkForward().split(labelled_rows(95)))
    table = fold_table(folds)
    assert table["window"].tolist() == [fold.name for fold in folds]
    assert table["test_rows"].tolist() == [96] * 5 + [30 * 96]
    assert (table["train_to"] == table["test_from"] - pd.Timedelta("24h")).all()
