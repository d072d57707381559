"""The hash follows the content, not the container."""

import hashlib
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from candle_frames import candle_frame

from crypto_kedro.errors import DataError
from crypto_kedro.market.fingerprint import frame_sha256

Change = Callable[[pd.DataFrame], pd.DataFrame]


def test_given_a_hand_made_frame_when_hashed_then_the_digest_is_that_of_the_bytes_written_by_hand() -> None:
    frame = pd.DataFrame(
        {"timestamp": pd.to_datetime([60_000], unit="ms", utc=True), "close": [1.5], "window": ["late"]}
    )

    content = (
        b"rows=1"
        + (b"\ntimestamp:time:8\n" + struct.pack("<q", 60_000))
        + (b"\nclose:float:8\n" + struct.pack("<d", 1.5))
        + (b"\nwindow:text:6\n" + b"4:late")
    )
    assert frame_sha256(frame) == hashlib.sha256(content).hexdigest()


def test_given_a_parquet_and_a_csv_copy_when_hashed_then_the_digest_is_the_same(tmp_path: Path) -> None:
    frame = candle_frame()
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_csv(tmp_path / "a.csv", index=False)
    from_csv = pd.read_csv(tmp_path / "a.csv", parse_dates=["timestamp"])

    assert frame_sha256(pd.read_parquet(tmp_path / "a.parquet")) == frame_sha256(frame) == frame_sha256(from_csv)


@pytest.mark.parametrize(
    "same",
    [
        lambda frame: frame.assign(timestamp=frame["timestamp"].astype("datetime64[ns, UTC]")),
        lambda frame: frame.assign(timestamp=frame["timestamp"].dt.tz_convert("Asia/Tokyo")),
        lambda frame: frame.assign(label=frame["label"].astype("int8")),
        lambda frame: frame.assign(zero=-frame["zero"]),
        lambda frame: frame.set_index(np.arange(10) * 7),
        lambda frame: frame.assign(window=frame["window"].astype("object")),
        lambda frame: frame.assign(window=frame["window"].astype("category")),
    ],
)
def test_given_the_same_values_in_another_dress_when_hashed_then_the_digest_is_the_same(same: Change) -> None:
    frame = candle_frame().assign(label=1, zero=0.0, window="fold-1", ok=True)

    assert frame_sha256(same(frame)) == frame_sha256(frame)


@pytest.mark.parametrize(
    "other",
    [
        lambda frame: frame[::-1],
        lambda frame: frame[:-1],
        lambda frame: frame[frame.columns[::-1]],
        lambda frame: frame.rename(columns={"open": "opening"}),
        lambda frame: frame.assign(close=np.nextafter(frame["close"], np.inf)),
        lambda frame: frame.assign(timestamp=frame["timestamp"] + pd.Timedelta("1ms")),
        lambda frame: frame.assign(label=1.0),
        lambda frame: frame.assign(window=["fold-1f", "old-1", *["fold-1"] * 8]),
    ],
)
def test_given_other_content_when_hashed_then_the_digest_differs(other: Change) -> None:
    frame = candle_frame().assign(label=1, window="fold-1")

    assert frame_sha256(other(frame)) != frame_sha256(frame)


def test_given_a_column_without_byte_form_when_hashed_then_it_is_named() -> None:
    with pytest.raises(DataError, match="'span'"):
        frame_sha256(pd.DataFrame({"span": [pd.Timedelta(1, "s")]}))
