"""Downloaded candles on disk: one Parquet file a month, replaced as a whole or not at all."""

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa

from crypto_kedro.errors import DataError
from crypto_kedro.market.bars import DAY_MS
from crypto_kedro.market.candle_set import DataSource, mark_source
from crypto_kedro.market.frame import open_times
from crypto_kedro.market.moments import day_start_ms

_COMPLETE_DAYS = "complete_days"


class MonthlyPartitions:
    """The files ``YYYY-MM.parquet`` of one pair in one folder.

    A file knows, in its attributes, which of its UTC days will not change any more.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def complete_days(self, days: list[date]) -> frozenset[date]:
        """Return those of the days that are stored and will not change any more."""
        complete = (day for month in _months(days) for day in self._read(month).attrs.get(_COMPLETE_DAYS, ()))
        return frozenset(map(date.fromisoformat, complete)) & frozenset(days)

    def store_day(self, day: date, candles: pd.DataFrame, *, complete: bool) -> None:
        """Replace one UTC day.

        Args:
            day: the day.
            candles: its candles with the columns timestamp, open, high, low, close and volume.
            complete: whether the day is over, so that it need not be fetched again.
        """
        month = _month(day)
        stored = self._read(month)
        marks = set(stored.attrs.get(_COMPLETE_DAYS, ())) - {day.isoformat()}
        if complete:
            marks.add(day.isoformat())
        others = stored if stored.empty else stored[open_times(stored) // DAY_MS != day_start_ms(day) // DAY_MS]
        merged = candles if others.empty else pd.concat([others, candles]).sort_values("timestamp")
        merged = merged.reset_index(drop=True)
        merged.attrs = {_COMPLETE_DAYS: sorted(marks)}
        self._write(month, mark_source(merged, DataSource.BITBANK))

    def read(self, days: list[date]) -> list[tuple[str, pd.DataFrame]]:
        """Return location and frame of every stored month that holds one of the days."""
        stored = ((str(self._path(month)), self._read(month)) for month in _months(days))
        return [(location, frame) for location, frame in stored if not frame.empty]

    def _path(self, month: str) -> Path:
        return self._directory / f"{month}.parquet"

    def _read(self, month: str) -> pd.DataFrame:
        path = self._path(month)
        if not path.exists():
            return pd.DataFrame()
        try:
            return pd.read_parquet(path)
        except (OSError, pa.ArrowException) as error:
            raise DataError(
                f"{path}: not readable ({error}); delete the file, the month is then fetched anew"
            ) from error

    def _write(self, month: str, frame: pd.DataFrame) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._path(month)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            frame.to_parquet(temporary, index=False)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _month(day: date) -> str:
    return f"{day:%Y-%m}"


def _months(days: list[date]) -> Iterator[str]:
    yield from dict.fromkeys(_month(day) for day in days)
