"""Each kind of damage gives one sentence naming place, row and rule; what is provable is repaired and counted."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from candle_frames import START, candle_frame, milliseconds
from hypothesis import given
from hypothesis import strategies as st

from crypto_kedro.errors import DataError
from crypto_kedro.market.bars import MINUTE_MS
from crypto_kedro.market.structure import assemble
from crypto_kedro.market.validation import ValidatedCandles, validate_candles

LATER = milliseconds(START) + 1_000 * MINUTE_MS
LEAVE_OUT = "; correct the row at its source, or leave it out with data.start or data.end"


def validate(frame: pd.DataFrame, now_ms: int = LATER) -> ValidatedCandles:
    return validate_candles(*assemble([("a.csv", frame)]), now_ms)


def with_value(row: int, column: str, value: object) -> pd.DataFrame:
    frame = candle_frame()
    frame.loc[row, column] = value
    return frame


def test_given_sound_candles_when_validated_then_they_come_back_unchanged() -> None:
    frame = candle_frame()

    valid = validate(frame)

    pd.testing.assert_frame_equal(valid.candles, frame)
    assert (valid.duplicates_removed, valid.forming_dropped) == (0, 0)


@pytest.mark.parametrize(
    ("row", "column", "value", "rule"),
    [
        (3, "open", 0.0, "open must be positive"),
        (3, "low", -1.0, "low must be positive"),
        (3, "close", np.nan, "close must be a finite number"),
        (3, "high", np.inf, "high must be a finite number"),
        (3, "volume", -0.1, "volume must not be negative"),
        (3, "volume", np.nan, "volume must be a finite number"),
        (3, "high", 1_002.5, "high must be at least open, low and close"),
        (3, "low", 1_002.5, "low must be at most open, high and close"),
        (3, "timestamp", START + pd.Timedelta("3min 1s"), "timestamp must be a whole minute"),
        (3, "timestamp", START + pd.Timedelta("1min"), "timestamp must not be earlier than in the row before"),
    ],
)
def test_given_one_damaged_value_when_validated_then_its_row_and_rule_are_named(
    row: int, column: str, value: object, rule: str
) -> None:
    frame = with_value(row, column, value)
    if rule.startswith("timestamp must not be earlier"):
        frame = frame.drop(index=1).reset_index(drop=True)
        row -= 1

    with pytest.raises(DataError) as caught:
        validate(frame)

    moment = f"{frame.loc[row, 'timestamp']:%Y-%m-%d %H:%M} UTC"
    assert str(caught.value) == f"a.csv, row {row + 1} ({moment}): {rule}{LEAVE_OUT}"


def test_given_two_different_bars_of_one_minute_when_validated_then_they_are_refused() -> None:
    frame = candle_frame()
    other = frame.loc[[4]].assign(volume=0.7)

    with pytest.raises(DataError, match=r"row 5 \(2024-03-01 00:04 UTC\): one minute must not have two different bars"):
        validate(pd.concat([frame[:5], other, frame[5:]]))


def test_given_a_bar_of_the_future_when_validated_then_it_is_refused() -> None:
    now_ms = milliseconds(START) + 5 * MINUTE_MS

    with pytest.raises(DataError, match=r"row 7 \(2024-03-01 00:06 UTC\): timestamp must not be in the future"):
        validate(candle_frame(), now_ms)


def test_given_many_damaged_rows_when_validated_then_the_first_is_named_and_the_others_counted() -> None:
    frame = candle_frame()
    frame.loc[[2, 5, 6], "volume"] = -1.0

    with pytest.raises(DataError, match=r"row 3 .*: volume must not be negative \(so in 2 more rows\)"):
        validate(frame)


def test_given_damage_in_the_second_file_when_validated_then_that_file_and_its_own_row_are_named() -> None:
    second = candle_frame(start=START + pd.Timedelta("10min"))
    second.loc[2, "close"] = -5.0

    with pytest.raises(DataError, match=r"^b\.csv, row 3 \(2024-03-01 00:12 UTC\)"):
        validate_candles(*assemble([("a.csv", candle_frame()), ("b.csv", second)]), LATER)


def test_given_repeated_identical_rows_when_validated_then_they_are_removed_and_counted() -> None:
    frame = candle_frame()

    valid = validate(pd.concat([frame[:5], frame[3:]]))

    pd.testing.assert_frame_equal(valid.candles, frame)
    assert valid.duplicates_removed == 2


@pytest.mark.parametrize(
    ("since_last_open_ms", "kept", "dropped"), [(0, 9, 1), (MINUTE_MS - 1, 9, 1), (MINUTE_MS, 10, 0)]
)
def test_given_the_bar_that_is_still_forming_when_validated_then_it_is_dropped_and_counted(
    since_last_open_ms: int, kept: int, dropped: int
) -> None:
    last_open = milliseconds(START) + 9 * MINUTE_MS

    valid = validate(candle_frame(), last_open + since_last_open_ms)

    assert (len(valid.candles), valid.forming_dropped) == (kept, dropped)


def test_given_only_the_forming_bar_when_validated_then_the_error_says_so() -> None:
    with pytest.raises(DataError, match=r"a\.csv: no closed candle is left"):
        validate(candle_frame(1), milliseconds(START))


@pytest.mark.parametrize("column", ["timestamp", "open", "volume"])
def test_given_a_missing_column_when_validated_then_it_is_named(column: str) -> None:
    with pytest.raises(DataError, match=rf"^a\.csv: column {column} is missing \(found: "):
        validate(candle_frame().drop(columns=column))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame[:0], "there are no candles in it"),
        (lambda frame: frame.assign(close="1,000"), "column close holds str, not numbers"),
        (lambda frame: frame.assign(volume=True), "column volume holds bool, not numbers"),
        (lambda frame: frame.assign(timestamp=1.5), "column timestamp holds float64, not times"),
        (
            lambda frame: frame.assign(timestamp=frame["timestamp"].dt.tz_localize(None)),
            "column timestamp has no time zone; convert it to UTC",
        ),
        (
            lambda frame: frame.assign(timestamp=frame["timestamp"].dt.tz_convert("Asia/Tokyo")),
            "column timestamp is in Asia/Tokyo; convert it to UTC",
        ),
    ],
)
def test_given_a_wrong_shape_when_validated_then_location_and_cause_are_named(
    change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        validate(change(candle_frame()))

    assert str(caught.value).startswith(f"a.csv: {message}")


@pytest.mark.parametrize(
    ("moment", "rule"),
    [
        (pd.NaT, "timestamp must not be empty"),
        (START + pd.Timedelta("6min 1ns"), "timestamp must be a whole minute"),
    ],
)
def test_given_an_unusable_moment_when_validated_then_its_row_is_named(moment: object, rule: str) -> None:
    frame = candle_frame()
    frame["timestamp"] = frame["timestamp"].astype("datetime64[ns, UTC]")
    frame.loc[6, "timestamp"] = moment

    with pytest.raises(DataError, match=rf"^a\.csv, row 7: {rule}"):
        validate(frame)


def test_given_whole_numbers_when_validated_then_they_become_floats() -> None:
    valid = validate(candle_frame().assign(volume=1))

    assert valid.candles["volume"].dtype == np.float64


def test_given_candles_of_fifteen_minutes_when_validated_then_they_are_not_taken_for_minutes_with_halts() -> None:
    frame = candle_frame(150)[::15].reset_index(drop=True)

    with pytest.raises(DataError, match=r"^a\.csv to b\.csv: rows are usually 15 minutes apart; supply candles of 1"):
        validate_candles(*assemble([("a.csv", frame[:5]), ("b.csv", frame[5:])]), LATER)


@given(
    row=st.integers(0, 9),
    column=st.sampled_from(["open", "high", "low", "close"]),
    value=st.floats(max_value=0.0) | st.just(np.nan),
)
def test_given_any_price_that_is_not_positive_when_validated_then_its_row_is_refused(
    row: int, column: str, value: float
) -> None:
    with pytest.raises(DataError, match=rf"^a\.csv, row {row + 1} "):
        validate(with_value(row, column, value))


def test_given_the_real_candles_when_validated_then_nothing_is_to_be_repaired(real_candles_path: Path) -> None:
    frame = pd.read_parquet(real_candles_path)

    valid = validate(frame, milliseconds(pd.Timestamp("2018-10-01", tz="UTC")))

    pd.testing.assert_frame_equal(valid.candles, frame)
    assert (valid.duplicates_removed, valid.forming_dropped) == (0, 0)
