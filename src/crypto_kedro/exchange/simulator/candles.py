"""Candles of every type, built from the trades minute by minute."""

from array import array
from dataclasses import dataclass
from datetime import date

import numpy as np

from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.market.bars import DAY_MS, HOUR_MS, MINUTE_MS, IntArray
from crypto_kedro.market.moments import day_start_ms

_MONDAY_MS = 4 * DAY_MS
_LONGEST_BUCKET_MS = 31 * DAY_MS

Candle = tuple[int, int, int, int, int, int]
"""Open time (Unix milliseconds UTC); open, high, low, close in ticks; volume in lots."""


@dataclass(frozen=True, slots=True)
class CandleType:
    """One width of candles.

    Args:
        interval_ms: width in milliseconds; None for calendar months.
        by_year: whether a request names a year (``YYYY``) rather than a day (``YYYYMMDD``), both UTC.
        offset_ms: first opening after the epoch.
    """

    interval_ms: int | None
    by_year: bool
    offset_ms: int = 0

    def opens(self, minutes: IntArray) -> IntArray:
        """Return the opening time of the candle that holds each minute, shape (n,)."""
        if self.interval_ms is None:
            months = minutes.astype("datetime64[ms]").astype("datetime64[M]")
            return np.asarray(months.astype("datetime64[ms]").astype(np.int64))
        return minutes - (minutes - self.offset_ms) % self.interval_ms

    def period(self, text: str) -> tuple[int, int] | None:
        """Return start and end (exclusive) of a named day or year in milliseconds; None if it names none."""
        if not (text.isascii() and text.isdigit() and len(text) == (4 if self.by_year else 8)):
            return None
        try:
            if not self.by_year:
                start = day_start_ms(date(int(text[:4]), int(text[4:6]), int(text[6:])))
                return start, start + DAY_MS
            return day_start_ms(date(int(text), 1, 1)), day_start_ms(date(int(text) + 1, 1, 1))
        except ValueError:
            return None


CANDLE_TYPES = {
    "1min": CandleType(MINUTE_MS, by_year=False),
    "5min": CandleType(5 * MINUTE_MS, by_year=False),
    "15min": CandleType(15 * MINUTE_MS, by_year=False),
    "30min": CandleType(30 * MINUTE_MS, by_year=False),
    "1hour": CandleType(HOUR_MS, by_year=False),
    "4hour": CandleType(4 * HOUR_MS, by_year=True),
    "8hour": CandleType(8 * HOUR_MS, by_year=True),
    "12hour": CandleType(12 * HOUR_MS, by_year=True),
    "1day": CandleType(DAY_MS, by_year=True),
    "1week": CandleType(7 * DAY_MS, by_year=True, offset_ms=_MONDAY_MS),
    "1month": CandleType(None, by_year=True),
}


class MinuteCandles:
    """One-minute candles without missing minutes; the last one is still forming.

    Args:
        first_ms: opening of the first minute, Unix milliseconds UTC.
        price: price before the first trade, in ticks.
        history: closed bars of one minute that end where the first minute begins; None for none.
    """

    def __init__(self, first_ms: int, price: int, history: BarFeed | None = None) -> None:
        self._open, self._high, self._low, self._close, self._volume = (array("q") for _ in range(5))
        self._first_ms = first_ms - first_ms % MINUTE_MS
        if history is not None and len(history):
            self._first_ms = history.row(0).open_time_ms
            for index in range(len(history)):
                bar = history.row(index)
                self._append(bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks, bar.volume_lots)
        self._begin_minute(price)

    @property
    def forming_ms(self) -> int:
        """Opening of the minute that is still forming."""
        return self._first_ms + (len(self._open) - 1) * MINUTE_MS

    def pass_time(self, now_ms: int) -> None:
        """Begin every minute up to the one that holds ``now_ms``; without trades a minute is flat."""
        while self.forming_ms + MINUTE_MS <= now_ms:
            self._begin_minute(self._close[-1])

    def add(self, at_ms: int, price: int, lots: int) -> None:
        """Put a trade into the minute that is forming."""
        self.pass_time(at_ms)
        if not self._volume[-1]:
            self._open[-1] = self._high[-1] = self._low[-1] = price
        self._high[-1] = max(self._high[-1], price)
        self._low[-1] = min(self._low[-1], price)
        self._close[-1] = price
        self._volume[-1] += lots

    def last_day(self, now_ms: int) -> Candle:
        """Return the candle of the 24 hours that end now, to the minute."""
        count = min(DAY_MS // MINUTE_MS, len(self._open))
        return (
            now_ms - DAY_MS,
            self._open[-count],
            max(self._high[-count:]),
            min(self._low[-count:]),
            self._close[-1],
            sum(self._volume[-count:]),
        )

    def of_type(self, kind: CandleType, start_ms: int, end_ms: int) -> list[Candle]:
        """Return the candles that open in [start, end), oldest first, the forming one included."""
        first = max((start_ms - self._first_ms) // MINUTE_MS, 0)
        stop = min((end_ms + _LONGEST_BUCKET_MS - self._first_ms) // MINUTE_MS, len(self._open))
        if first >= stop:
            return []
        minutes = self._first_ms + np.arange(first, stop, dtype=np.int64) * MINUTE_MS
        opens = kind.opens(minutes)
        at = np.flatnonzero(np.diff(opens, prepend=-1))
        columns = [np.array(column[first:stop]) for column in (self._open, self._high, self._low, self._close)]
        volume = np.add.reduceat(np.array(self._volume[first:stop]), at)
        closing = np.append(at[1:], minutes.size) - 1
        merged = (
            opens[at],
            columns[0][at],
            np.maximum.reduceat(columns[1], at),
            np.minimum.reduceat(columns[2], at),
            columns[3][closing],
            volume,
        )
        rows = zip(*(column.tolist() for column in merged), strict=True)
        return [row for row in rows if start_ms <= row[0] < end_ms]

    def _begin_minute(self, price: int) -> None:
        self._append(price, price, price, price, 0)

    def _append(self, opened: int, high: int, low: int, close: int, volume: int) -> None:
        self._open.append(opened)
        self._high.append(high)
        self._low.append(low)
        self._close.append(close)
        self._volume.append(volume)
