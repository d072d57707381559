"""Bringing the candles on disk up to date, one UTC day after the other; what was interrupted goes on from there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

import pandas as pd
from rich.console import Console
from rich.progress import track

from crypto_kedro.errors import ConfigurationError, DataError
from crypto_kedro.market.bars import DAY_MS, MINUTE_MS
from crypto_kedro.market.bitbank_candles import CandleRow
from crypto_kedro.market.frame import CANDLE_COLUMNS, open_times
from crypto_kedro.market.moments import day_start_ms, utc_date
from crypto_kedro.market.partitions import MonthlyPartitions
from crypto_kedro.market.structure import assemble
from crypto_kedro.market.validation import validate_candles

# The exchange may still settle the last candles of a day when the next one begins.
_SETTLED_AFTER_MS = 5 * MINUTE_MS
_PROGRESS_FROM_DAYS = 10


class DaySource(Protocol):
    """Where the candles of a day come from."""

    def location(self, day: date) -> str:
        """Return the address of a day, for people."""

    def fetch(self, day: date) -> Sequence[CandleRow] | None:
        """Return the 1-minute candles of a UTC day, None if there are none.

        Raises:
            CryptoKedroError: they cannot be had.
        """


@dataclass(frozen=True, slots=True)
class Download:
    """What an update did: days fetched, rows of identical duplicates removed, forming bars dropped."""

    days_fetched: int
    duplicates_removed: int
    forming_dropped: int


class CandleDownload:
    """Fetches the days that the partitions lack; a day that is over is fetched once.

    Args:
        source: gives the days.
        partitions: where the days are stored.
        now_ms: clock, Unix milliseconds UTC.
    """

    def __init__(self, source: DaySource, partitions: MonthlyPartitions, now_ms: Callable[[], int]) -> None:
        self._source = source
        self._partitions = partitions
        self._now_ms = now_ms

    def days(self, first: date, last: date | None) -> list[date]:
        """Return the UTC days from the first to the last or, if that is earlier or not given, to today.

        Raises:
            ConfigurationError: the first day comes after the last one.
        """
        today = utc_date(self._now_ms())
        end = today if last is None else min(last, today)
        if first > end:
            raise ConfigurationError(
                f"data.start is {first}, after the last day that can be had, {end}; set it earlier"
            )
        return [first + timedelta(days=number) for number in range((end - first).days + 1)]

    def update(self, days: list[date]) -> Download:
        """Fetch and store each of the days that is not complete on disk; each day is stored before the next request.

        A day is complete when it is over and its first and last minute are there.

        Raises:
            DataError: there are no candles of a past day, or they are damaged; what was stored stays.
            CryptoKedroError: the source's own errors; what was stored stays.
        """
        complete = self._partitions.complete_days(days)
        wanted = [day for day in days if day not in complete]
        duplicates = forming = fetched = 0
        for day in track(
            wanted,
            description="candles from bitbank",
            console=Console(stderr=True),
            transient=True,
            disable=len(wanted) < _PROGRESS_FROM_DAYS,
        ):
            removed, dropped = self._update_day(day)
            duplicates, forming, fetched = duplicates + removed, forming + dropped, fetched + 1
        return Download(fetched, duplicates, forming)

    def _update_day(self, day: date) -> tuple[int, int]:
        location, requested_at_ms = self._source.location(day), self._now_ms()
        over = requested_at_ms >= day_start_ms(day) + DAY_MS + _SETTLED_AFTER_MS
        rows = self._source.fetch(day) or ()
        forming_open = requested_at_ms - requested_at_ms % MINUTE_MS
        if not any(row.open_time_ms < forming_open for row in rows):
            if over:
                raise DataError(f"{location}: bitbank has no candles of {day}; set data.start to a later day")
            return 0, 0
        frame, parts = assemble([(location, _frame(rows))])
        # Candles of a minute that began after the request are as unfinished as the one that was forming then.
        known = frame[open_times(frame) <= forming_open]
        valid = validate_candles(known, parts, requested_at_ms)
        self._partitions.store_day(day, valid.candles, complete=over and _spans(valid.candles, day))
        return valid.duplicates_removed, valid.forming_dropped + len(frame) - len(known)


def _frame(rows: Sequence[CandleRow]) -> pd.DataFrame:
    frame = pd.DataFrame([(row.open_time_ms, *map(float, row[1:])) for row in rows], columns=list(CANDLE_COLUMNS))
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], unit="ms", utc=True)
    return frame


def _spans(candles: pd.DataFrame, day: date) -> bool:
    """Tell whether a day's first and last minute are there; without them its answer may have been cut short."""
    open_time = open_times(candles)
    first, last = day_start_ms(day), day_start_ms(day) + DAY_MS - MINUTE_MS
    return bool(open_time[0] == first and open_time[-1] == last)
