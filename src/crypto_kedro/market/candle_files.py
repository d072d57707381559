"""Candles from Parquet and CSV files on disk."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pandas.api import types

from crypto_kedro.errors import DataError

_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {".parquet": pd.read_parquet, ".csv": pd.read_csv}
_UNREADABLE = (OSError, pa.ArrowException, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError)


def read_candle_files(path: Path) -> list[tuple[str, pd.DataFrame]]:
    """Read one file, or every Parquet and CSV file of a folder in the order of their names.

    The column ``timestamp`` (the open time) may hold datetimes, ISO 8601 text or Unix milliseconds; Unix milliseconds
    count as UTC, text keeps the zone that it names.

    Returns:
        Location and raw frame of each file.

    Raises:
        DataError: the path is absent, of an unknown format or unreadable, or text is no time.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist; set data.path to a Parquet or CSV file or a folder of them")
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in _READERS)
        if not files:
            raise DataError(f"{path}: the folder holds no .parquet or .csv file; set data.path to one that does")
    else:
        files = [path]
    return [(str(file), _read(file)) for file in files]


def _read(file: Path) -> pd.DataFrame:
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise DataError(f"{file}: unknown format {file.suffix or 'without suffix'!r}; supply a .parquet or .csv file")
    try:
        frame = reader(file)
    except _UNREADABLE as error:
        raise DataError(f"{file}: not readable as {file.suffix[1:]} ({error}); restore the file") from error
    if frame.index.name == "timestamp" and "timestamp" not in frame.columns:
        frame = frame.reset_index()
    if "timestamp" in frame.columns:
        frame["timestamp"] = _as_times(frame["timestamp"], file)
    return frame


def _as_times(timestamp: pd.Series, file: Path) -> pd.Series:
    if types.is_integer_dtype(timestamp.dtype):
        return pd.to_datetime(timestamp, unit="ms", utc=True)
    if not types.is_string_dtype(timestamp.dtype):
        return timestamp
    try:
        times = pd.to_datetime(timestamp, format="ISO8601", errors="coerce")
    except ValueError as error:
        raise DataError(f"{file}: column timestamp mixes time zones; convert it to UTC") from error
    broken = times.isna() & timestamp.notna()
    if broken.any():
        row = int(broken.to_numpy().argmax())
        raise DataError(
            f"{file}, row {row + 1}: timestamp {timestamp.iloc[row]!r} is no time; "
            "write ISO 8601 with +00:00, or Unix milliseconds"
        )
    return times
