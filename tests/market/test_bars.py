"""Bars refuse whatever is not one complete grid."""

import numpy as np
import pytest

from crypto_kedro.errors import DataError
from crypto_kedro.market.bars import MINUTE_MS, Bars


def _bars(open_time: list[int], interval_ms: int = MINUTE_MS) -> Bars:
    price = np.full(len(open_time), 1_000_000.0)
    none = np.zeros(len(open_time), dtype=np.int64)
    return Bars(interval_ms, np.array(open_time, dtype=np.int64), price, price, price, price, price, none)


def test_given_a_complete_grid_then_length_slices_and_close_times_follow() -> None:
    bars = _bars([0, 60_000, 120_000])

    assert len(bars) == 3
    assert list(bars[1:].open_time) == [60_000, 120_000]
    assert list(bars.close_time) == [60_000, 120_000, 180_000]


def test_given_a_missing_bar_then_the_place_is_named() -> None:
    with pytest.raises(DataError, match="after open time 60000"):
        _bars([0, 60_000, 180_000])


def test_given_open_times_off_the_grid_then_they_are_refused() -> None:
    with pytest.raises(DataError, match="not a multiple of 60000"):
        _bars([1, 60_001])


def test_given_columns_of_different_length_then_they_are_refused() -> None:
    bars = _bars([0, 60_000])
    with pytest.raises(DataError, match="differ in length"):
        Bars(MINUTE_MS, bars.open_time, bars.open[:1], bars.high, bars.low, bars.close, bars.volume, bars.gap_minutes)


def test_given_a_step_then_a_slice_is_refused() -> None:
    with pytest.raises(IndexError, match="contiguous"):
        _bars([0, 60_000, 120_000])[::2]
