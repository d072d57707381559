"""Which rows have features, and why the others have none."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crypto_kedro.errors import FeatureError
from crypto_kedro.features import Absence, FeatureSet, compute_features, load_feature_set
from crypto_kedro.features.frame import feature_frame
from crypto_kedro.market.bars import Bars
from crypto_kedro.market.resample import CONTEXT_MS, resample

CONTEXT_BARS = CONTEXT_MS // (15 * 60_000)


@pytest.fixture
def decision(random_walk: Callable[..., Bars]) -> Bars:
    return without_gaps(random_walk(days=30, seed=21))


@pytest.fixture
def stationary(catalogue_path: Path) -> FeatureSet:
    return load_feature_set(catalogue_path, "stationary12")


def without_gaps(bars: Bars) -> Bars:
    return replace(bars, gap_minutes=np.zeros(len(bars), dtype=np.int64))


def with_gap(bars: Bars, row: int, minutes: int) -> Bars:
    gap_minutes = bars.gap_minutes.copy()
    gap_minutes[row] = minutes
    return replace(bars, gap_minutes=gap_minutes)


def test_given_a_start_when_computed_then_rows_are_absent_until_every_window_is_full(
    feature_set: FeatureSet, decision: Bars
) -> None:
    matrix = compute_features(feature_set, decision, resample(decision, CONTEXT_MS), 60)

    first = int(np.argmax(matrix.valid))
    assert first <= max(feature_set.decision_window_bars, feature_set.context_window_bars * CONTEXT_BARS)
    assert matrix.valid[first:].all()
    assert matrix.absent_rows == {"long_gap": 0, "warm_up": first, "context_missing": 0}
    assert matrix.values.shape == (len(decision), 12)
    assert np.isfinite(matrix.values[matrix.valid]).all()


def test_given_a_long_gap_when_computed_then_only_rows_whose_windows_touch_it_are_absent(
    feature_set: FeatureSet, decision: Bars
) -> None:
    gapless = compute_features(feature_set, decision, resample(decision, CONTEXT_MS), 60)
    gap = 1_500
    halted = with_gap(decision, gap, minutes=61)

    matrix = compute_features(feature_set, halted, resample(halted, CONTEXT_MS), 60)

    absent = np.flatnonzero(matrix.absence == Absence.LONG_GAP)
    reach = max(feature_set.decision_window_bars, (feature_set.context_window_bars + 1) * CONTEXT_BARS)
    assert absent[0] == gap
    np.testing.assert_array_equal(absent, np.arange(gap, absent[-1] + 1))
    assert absent.size <= reach
    np.testing.assert_array_equal(matrix.values[matrix.valid], gapless.values[matrix.valid])


def test_given_a_gap_of_the_allowed_length_when_computed_then_no_row_is_lost(
    feature_set: FeatureSet, decision: Bars
) -> None:
    halted = with_gap(decision, 1_500, minutes=60)

    matrix = compute_features(feature_set, halted, resample(halted, CONTEXT_MS), 60)

    assert matrix.absent_rows["long_gap"] == 0


def test_given_a_stale_context_when_computed_then_the_rows_that_need_a_newer_bar_are_absent(
    stationary: FeatureSet, decision: Bars
) -> None:
    context = resample(decision, CONTEXT_MS)[:-1]

    matrix = compute_features(stationary, decision, context, 60)

    assert matrix.absence[-1] == Absence.CONTEXT_MISSING
    assert matrix.valid[-2]
    assert matrix.absent_rows["context_missing"] == 1


def test_given_no_context_when_computed_then_a_set_that_needs_it_has_no_rows(
    stationary: FeatureSet, decision: Bars
) -> None:
    matrix = compute_features(stationary, decision, resample(decision, CONTEXT_MS)[:0], 60)

    assert set(matrix.absence.tolist()) == {Absence.CONTEXT_MISSING}


def test_given_no_bars_when_computed_then_the_result_is_empty(feature_set: FeatureSet, decision: Bars) -> None:
    matrix = compute_features(feature_set, decision[:0], resample(decision, CONTEXT_MS)[:0], 60)

    assert matrix.values.shape == (0, 12)
    assert feature_frame(matrix).empty


def test_given_a_price_that_is_not_a_number_when_computed_then_the_feature_and_bar_are_named(
    stationary: FeatureSet, decision: Bars
) -> None:
    close = decision.close.copy()
    close[2_000] = np.nan

    with pytest.raises(FeatureError, match=r"feature 'return_1' is nan at the bar opened at 2022-01-2\d.*damaged"):
        compute_features(stationary, replace(decision, close=close), resample(decision, CONTEXT_MS), 60)


def test_given_a_matrix_when_made_a_frame_then_it_holds_the_valid_rows_in_catalogue_order(
    feature_set: FeatureSet, decision: Bars
) -> None:
    matrix = compute_features(feature_set, decision, resample(decision, CONTEXT_MS), 60)

    frame = feature_frame(matrix)

    assert list(frame.columns) == ["timestamp", *feature_set.names]
    assert len(frame) == int(matrix.valid.sum())
    assert str(frame["timestamp"].dtype) == "datetime64[ms, UTC]"
    assert frame["timestamp"].astype("int64").iloc[-1] == decision.open_time[-1]
    np.testing.assert_array_equal(frame[feature_set.names[-1]], matrix.values[matrix.valid, -1])
