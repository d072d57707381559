"""Absent minutes become flagged bars, or an error when there are too many."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from candle_frames import START, candle_frame, milliseconds
from hypothesis import given
from hypothesis import strategies as st

from crypto_kedro.errors import DataError
from crypto_kedro.market.bars import MINUTE_MS
from crypto_kedro.market.frame import candles_from_frame, frame_from_bars
from crypto_kedro.market.gaps import Gap, fill_halts, find_gaps


def test_given_two_absent_minutes_when_filled_then_they_stand_at_the_last_close_with_the_halt_s_length() -> None:
    candles = candles_from_frame(candle_frame().drop(index=[3, 4]))

    bars = frame_from_bars(fill_halts(candles, 1_440, "a.csv"))

    assert len(bars) == 10
    assert bars.loc[3:4, ["open", "high", "low", "close"]].to_numpy().tolist() == [[1_002.0] * 4] * 2
    assert bars["volume"].tolist() == [0.5] * 3 + [0.0] * 2 + [0.5] * 5
    assert bars["gap_minutes"].tolist() == [0] * 3 + [2] * 2 + [0] * 5


def test_given_no_gap_when_filled_then_the_candles_are_unchanged() -> None:
    frame = candle_frame()

    bars = frame_from_bars(fill_halts(candles_from_frame(frame), 1_440, "a.csv"))

    pd.testing.assert_frame_equal(bars.drop(columns="gap_minutes"), frame)
    assert (bars["gap_minutes"] == 0).all()


def test_given_a_hole_at_the_limit_when_filled_then_it_is_a_halt() -> None:
    candles = candles_from_frame(candle_frame(20).drop(index=range(5, 15)))

    assert fill_halts(candles, 10, "a.csv").gap_minutes.max() == 10


def test_given_a_hole_above_the_limit_when_filled_then_the_error_names_place_span_and_remedy() -> None:
    candles = candles_from_frame(candle_frame(20).drop(index=range(5, 16)))

    with pytest.raises(DataError) as caught:
        fill_halts(candles, 10, "a.csv")

    assert str(caught.value) == (
        "a.csv: 11 minutes are missing from 2024-03-01 00:05 UTC to 2024-03-01 00:16 UTC, more than "
        "data.max_halt_minutes (10), so this is no trading halt; supply the missing candles, or set data.start or "
        "data.end to leave the hole out"
    )


@given(st.sets(st.integers(1, 198)))
def test_given_any_absent_minutes_when_filled_then_present_bars_stay_and_gaps_account_for_the_rest(
    absent: set[int],
) -> None:
    frame = candle_frame(200).drop(index=sorted(absent))
    candles = candles_from_frame(frame)

    bars = frame_from_bars(fill_halts(candles, 1_440, "a.csv"))

    present = bars[~bars.index.isin(absent)]
    pd.testing.assert_frame_equal(present.drop(columns="gap_minutes"), frame)
    assert (present["gap_minutes"] == 0).all()
    assert sum(gap.minutes for gap in find_gaps(candles.open_time)) == len(absent)
    assert set(np.flatnonzero(bars["gap_minutes"])) == absent


def test_given_a_gap_when_found_then_it_starts_at_the_first_absent_minute() -> None:
    open_time = np.array([0, 1, 4], dtype=np.int64) * MINUTE_MS + milliseconds(START)

    assert find_gaps(open_time) == (Gap(milliseconds(START) + 2 * MINUTE_MS, 2),)


def test_given_the_real_file_when_searched_then_its_known_gaps_are_found(real_candles_path: Path) -> None:
    frame = pd.read_parquet(real_candles_path)
    candles = candles_from_frame(frame)
    gaps = find_gaps(candles.open_time)

    longest = max(gaps, key=lambda gap: gap.minutes)
    bars = fill_halts(candles, 1_440, str(real_candles_path))

    assert len(frame) == 390_051
    assert len(gaps) == 17
    assert longest == Gap(milliseconds(pd.Timestamp("2018-07-24 16:13", tz="UTC")), 75)
    assert len(bars) == 390_051 + sum(gap.minutes for gap in gaps) == 390_240
