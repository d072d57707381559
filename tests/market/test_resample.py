"""Longer bars, with pandas' own resampling as the oracle."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_kedro.errors import DataError
from crypto_kedro.market.bars import HOUR_MS, MINUTE_MS, Bars
from crypto_kedro.market.frame import candles_from_frame, frame_from_bars
from crypto_kedro.market.gaps import fill_halts
from crypto_kedro.market.resample import CONTEXT_MS, DECISION_MS, resample

HOW = {
    "open": "first",
    "high": "max",
    "low": "min",
    "close": "last",
    "volume": "sum",
    "gap_minutes": "max",
}


def random_bars(count: int, first_minute: int, seed: int = 1) -> Bars:
    rng = np.random.default_rng(seed)
    close = 1e6 * np.exp(np.cumsum(1e-3 * rng.standard_normal(count)))
    return Bars(
        MINUTE_MS,
        (first_minute + np.arange(count, dtype=np.int64)) * MINUTE_MS,
        close + 1.0,
        close + 50.0,
        close - 50.0,
        close,
        rng.random(count),
        rng.integers(0, 100, count),
    )


def pandas_resample(bars: Bars, interval_ms: int) -> pd.DataFrame:
    groups = frame_from_bars(bars).resample(pd.Timedelta(interval_ms, "ms"), on="timestamp", origin="epoch")
    complete = groups["close"].count() == interval_ms // MINUTE_MS
    return groups.agg(HOW)[complete].reset_index()


@given(count=st.integers(0, 700), first_minute=st.integers(0, 500), interval=st.sampled_from([1, 5, 15, 60, 240]))
def test_given_any_stretch_when_resampled_then_complete_epoch_aligned_buckets_agree_with_pandas(
    count: int, first_minute: int, interval: int
) -> None:
    bars = random_bars(count, first_minute)

    frame = frame_from_bars(resample(bars, interval * MINUTE_MS))

    if count:
        expected = pandas_resample(bars, interval * MINUTE_MS)
        pd.testing.assert_frame_equal(frame, expected, check_dtype=False, check_freq=False, rtol=1e-12)
    else:
        assert frame.empty


def test_given_minutes_five_to_forty_when_resampled_then_only_the_whole_quarter_of_an_hour_is_left() -> None:
    bars = resample(random_bars(36, 5), DECISION_MS)

    assert bars.open_time.tolist() == [15 * MINUTE_MS]


def test_given_more_minutes_later_when_resampled_then_earlier_buckets_are_bit_identical() -> None:
    bars = random_bars(3_000, 7)
    whole = frame_from_bars(resample(bars, DECISION_MS))

    for count in (15, 31, 500, 2_999):
        part = frame_from_bars(resample(bars[:count], DECISION_MS))
        pd.testing.assert_frame_equal(part, whole[: len(part)], check_exact=True)


def test_given_a_halt_within_a_bucket_when_resampled_then_the_bucket_carries_its_length() -> None:
    bars = random_bars(30, 0)
    bars.gap_minutes[:] = 0
    bars.gap_minutes[14:17] = 3

    assert resample(bars, DECISION_MS).gap_minutes.tolist() == [3, 3]


@pytest.mark.parametrize("interval_ms", [90_000, 30_000])
def test_given_an_interval_that_is_no_multiple_when_resampled_then_it_is_refused(interval_ms: int) -> None:
    with pytest.raises(DataError, match="not a multiple"):
        resample(random_bars(30, 0), interval_ms)


def test_given_real_candles_when_resampled_then_all_buckets_agree_with_pandas(real_candles_path: Path) -> None:
    candles = candles_from_frame(pd.read_parquet(real_candles_path))
    bars = fill_halts(candles, 1_440, "real candles")

    for interval_ms, count in ((DECISION_MS, 26_016), (HOUR_MS, 6_504), (CONTEXT_MS, 1_626)):
        frame = frame_from_bars(resample(bars, interval_ms))
        assert len(frame) == count
        pd.testing.assert_frame_equal(
            frame, pandas_resample(bars, interval_ms), check_dtype=False, check_freq=False, rtol=1e-12
        )
