"""Candles from files."""

from pathlib import Path

import pandas as pd
import pytest
from candle_frames import START, candle_frame

from crypto_kedro.errors import DataError
from crypto_kedro.market.candle_files import read_candle_files
from crypto_kedro.market.structure import assemble


def read(path: Path) -> pd.DataFrame:
    return assemble(read_candle_files(path))[0]


def test_given_a_parquet_file_when_read_then_it_holds_the_candles(tmp_path: Path) -> None:
    candle_frame().to_parquet(tmp_path / "a.parquet")

    pd.testing.assert_frame_equal(read(tmp_path / "a.parquet"), candle_frame())


def test_given_a_parquet_file_indexed_by_time_when_read_then_the_index_is_the_timestamp(tmp_path: Path) -> None:
    candle_frame().set_index("timestamp").to_parquet(tmp_path / "a.parquet")

    pd.testing.assert_frame_equal(read(tmp_path / "a.parquet"), candle_frame())


@pytest.mark.parametrize("spelling", ["text", "ISO 8601 with Z", "milliseconds"])
def test_given_a_csv_file_when_read_then_each_spelling_of_time_is_understood(tmp_path: Path, spelling: str) -> None:
    frame = candle_frame()
    if spelling == "milliseconds":
        frame["timestamp"] = frame["timestamp"].astype("int64")
    elif spelling == "ISO 8601 with Z":
        frame["timestamp"] = frame["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    frame.to_csv(tmp_path / "a.csv", index=False)

    pd.testing.assert_frame_equal(read(tmp_path / "a.csv"), candle_frame())


def test_given_a_csv_file_without_time_zone_when_read_then_it_is_not_taken_for_utc(tmp_path: Path) -> None:
    candle_frame().assign(timestamp=lambda frame: frame["timestamp"].dt.tz_localize(None)).to_csv(tmp_path / "a.csv")

    with pytest.raises(DataError, match="has no time zone; convert it to UTC"):
        read(tmp_path / "a.csv")


def test_given_a_csv_file_that_mixes_time_zones_when_read_then_it_is_refused(tmp_path: Path) -> None:
    frame = candle_frame(2)
    frame["timestamp"] = ["2024-03-01 00:00+00:00", "2024-03-01 09:01+09:00"]
    frame.to_csv(tmp_path / "a.csv")

    with pytest.raises(DataError, match="mixes time zones"):
        read(tmp_path / "a.csv")


def test_given_text_that_is_no_time_when_read_then_file_row_and_text_are_named(tmp_path: Path) -> None:
    frame = candle_frame()
    frame["timestamp"] = frame["timestamp"].astype(str)
    frame.loc[4, "timestamp"] = "noon"
    frame.to_csv(tmp_path / "a.csv")

    with pytest.raises(DataError, match=r"a\.csv, row 5: timestamp 'noon' is no time"):
        read(tmp_path / "a.csv")


def test_given_a_folder_when_read_then_its_files_are_joined_in_the_order_of_their_names(tmp_path: Path) -> None:
    candle_frame(10, START + pd.Timedelta("10min")).to_csv(tmp_path / "2.csv", index=False)
    candle_frame(10, START).to_parquet(tmp_path / "1.parquet")
    (tmp_path / "README.md").write_text("not candles")

    frame, parts = assemble(read_candle_files(tmp_path))

    assert frame["timestamp"].tolist() == list(pd.date_range(START, periods=20, freq="min"))
    assert [(Path(part.location).name, part.rows) for part in parts] == [("1.parquet", 10), ("2.csv", 10)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.parquet", b"PAR1 torn", r"a\.parquet: not readable as parquet"),
        ("a.csv", b"", r"a\.csv: not readable as csv"),
        ("a.csv", b"\xff\xfe\x00", r"a\.csv: not readable as csv"),
        ("a.csv", b'a,b\n1,"2\n', r"a\.csv: not readable as csv"),
        ("a.xlsx", b"PK", r"a\.xlsx: unknown format '\.xlsx'"),
        ("candles", b"", r"candles: unknown format 'without suffix'"),
    ],
)
def test_given_an_unusable_file_when_read_then_it_is_named_with_the_cause(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(DataError, match=message):
        read(tmp_path / name)


def test_given_a_path_that_does_not_exist_when_read_then_the_setting_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere does not exist; set data\.path"):
        read(tmp_path / "nowhere")


def test_given_a_folder_without_candles_when_read_then_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no \.parquet or \.csv file"):
        read(tmp_path)
