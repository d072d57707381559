"""The shape of raw candles: columns, types and time zone, checked file by file before any row is judged."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from crypto_kedro.errors import DataError
from crypto_kedro.market.frame import CANDLE_COLUMNS, TIMESTAMP_DTYPE

REMEDY = "correct the row at its source, or leave it out with data.start or data.end"


@dataclass(frozen=True, slots=True)
class Part:
    """One file or download within a frame of candles: its location and its number of rows."""

    location: str
    rows: int


def place(row: int, parts: Sequence[Part]) -> str:
    """Return location and row, counted from 1 within its part, of a row counted from 0 over all parts."""
    for part in parts:
        if row < part.rows:
            return f"{part.location}, row {row + 1}"
        row -= part.rows
    raise IndexError("the row lies behind the last part")


def all_locations(parts: Sequence[Part]) -> str:
    """Return the location of one part, or the first and the last of several."""
    if len(parts) == 1:
        return parts[0].location
    return f"{parts[0].location} to {parts[-1].location}"


def assemble(raw: Sequence[tuple[str, pd.DataFrame]]) -> tuple[pd.DataFrame, tuple[Part, ...]]:
    """Join raw candles of several locations, in the order given.

    Args:
        raw: location and frame of each part, at least one; a frame needs the columns timestamp (UTC), open, high,
            low, close and volume. Rows with a positive ``gap_minutes`` are bars that stand for a halt in our own
            1-minute bars; they are no candles and left out. Other columns are left out.

    Returns:
        Candles with ``timestamp`` as ``datetime64[ms, UTC]`` and float64 values, the index counting all rows from 0;
        the parts.

    Raises:
        DataError: a part lacks a column, or a column holds a wrong type, time zone or resolution.
    """
    parts = tuple(Part(location, len(frame)) for location, frame in raw)
    frame = pd.concat([_typed(frame, location) for location, frame in raw], ignore_index=True)
    stands_for_halt = np.concatenate([_stands_for_halt(frame) for _, frame in raw])
    return frame[~stands_for_halt], parts


def _typed(frame: pd.DataFrame, location: str) -> pd.DataFrame:
    missing = [column for column in CANDLE_COLUMNS if column not in frame.columns]
    if missing:
        raise DataError(
            f"{location}: column {', '.join(missing)} is missing (found: {', '.join(map(str, frame.columns))}); "
            f"candles need the columns {', '.join(CANDLE_COLUMNS)}"
        )
    if frame.empty:
        raise DataError(f"{location}: there are no candles in it; supply or remove it")
    values = {column: _numbers(frame[column], location) for column in CANDLE_COLUMNS[1:]}
    return pd.DataFrame({"timestamp": _milliseconds_utc(frame["timestamp"], location), **values})


def _stands_for_halt(frame: pd.DataFrame) -> NDArray[np.bool_]:
    if "gap_minutes" not in frame.columns:
        return np.zeros(len(frame), dtype=np.bool_)
    return np.asarray(frame["gap_minutes"] > 0)


def _numbers(column: pd.Series, location: str) -> pd.Series:
    if not types.is_numeric_dtype(column.dtype) or types.is_bool_dtype(column.dtype):
        raise DataError(
            f"{location}: column {column.name} holds {column.dtype}, not numbers; "
            "write plain decimal numbers without units or thousands separators"
        )
    return column.astype("float64")


def _milliseconds_utc(timestamp: pd.Series, location: str) -> pd.Series:
    if not types.is_datetime64_any_dtype(timestamp.dtype):
        raise DataError(
            f"{location}: column timestamp holds {timestamp.dtype}, not times; "
            "write the open time as a UTC datetime or in Unix milliseconds"
        )
    if str(timestamp.dt.tz) != "UTC":
        found = "has no time zone" if timestamp.dt.tz is None else f"is in {timestamp.dt.tz}"
        raise DataError(f"{location}: column timestamp {found}; convert it to UTC")
    milliseconds = timestamp.astype(TIMESTAMP_DTYPE)
    for broken, rule in (
        (timestamp.isna(), "timestamp must not be empty"),
        (milliseconds != timestamp, "timestamp must be a whole minute"),
    ):
        if broken.any():
            raise DataError(f"{location}, row {int(broken.to_numpy().argmax()) + 1}: {rule}; {REMEDY}")
    return milliseconds
