"""Bars as frames and back."""

import numpy as np
import pandas as pd
import pytest
from candle_frames import START, candle_frame, milliseconds

from crypto_kedro.errors import DataError
from crypto_kedro.market.bars import MINUTE_MS
from crypto_kedro.market.frame import BAR_COLUMNS, bars_from_frame, frame_from_bars


def test_given_a_frame_when_turned_into_bars_and_back_then_nothing_changed() -> None:
    frame = candle_frame().assign(gap_minutes=np.arange(10, dtype=np.int64))

    again = frame_from_bars(bars_from_frame(frame, MINUTE_MS))

    pd.testing.assert_frame_equal(again, frame)


def test_given_times_of_another_resolution_when_turned_into_bars_then_open_times_are_milliseconds() -> None:
    frame = candle_frame().assign(gap_minutes=0)
    frame["timestamp"] = frame["timestamp"].astype("datetime64[ns, UTC]")

    bars = bars_from_frame(frame, MINUTE_MS)

    assert bars.open_time[0] == milliseconds(START)
    assert bars.open_time.dtype == np.int64


def test_given_a_missing_minute_when_turned_into_bars_then_the_error_points_at_the_data_pipeline() -> None:
    frame = candle_frame().assign(gap_minutes=0).drop(index=4)

    with pytest.raises(DataError, match="run the data pipeline"):
        bars_from_frame(frame, MINUTE_MS)


@pytest.mark.parametrize("column", BAR_COLUMNS)
def test_given_a_missing_column_when_turned_into_bars_then_it_is_named(column: str) -> None:
    frame = candle_frame().assign(gap_minutes=0).drop(columns=column)

    with pytest.raises(DataError, match=f"lacks {column}"):
        bars_from_frame(frame, MINUTE_MS)
