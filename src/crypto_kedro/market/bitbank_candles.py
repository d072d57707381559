"""bitbank's public 1-minute candles, one UTC day a request, through ccxt.

Source: bitbank public REST API, "Candlestick". ccxt's own ``fetch_ohlcv`` reads a single day and takes a body
that is no JSON for an empty answer, so the endpoint is called directly and its envelope is checked here.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import ccxt
import pandas as pd
from rich.console import Console
from rich.progress import track

from crypto_kedro.errors import ConfigurationError, DataError
from crypto_kedro.market.bars import DAY_MS, MINUTE_MS
from crypto_kedro.market.frame import CANDLE_COLUMNS, open_times
from crypto_kedro.market.moments import day_start_ms, utc_date
from crypto_kedro.market.partitions import MonthlyPartitions
from crypto_kedro.market.structure import assemble
from crypto_kedro.market.validation import validate_candles

PUBLIC_URL = "https://public.bitbank.cc"

_CANDLE_TYPE = "1min"
_NO_DATA_CODE = 10000
_TRIES = 3
_FIRST_BACK_OFF_SECONDS = 1.0
_REQUEST_PAUSE_SECONDS = 0.1
# The exchange may still settle the last candles of a day when the next one begins.
_SETTLED_AFTER_MS = 5 * MINUTE_MS
_PROGRESS_FROM_DAYS = 10


class _FailedTryError(Exception):
    """One request was not answered with candles."""


@dataclass(frozen=True, slots=True)
class Download:
    """What an update did: days fetched, rows of identical duplicates removed, forming bars dropped."""

    days_fetched: int
    duplicates_removed: int
    forming_dropped: int


class BitbankCandles:
    """Fetches the days that the partitions lack; a day that is over is fetched once.

    Args:
        pair: market in bitbank's spelling, ``btc_jpy``.
        partitions: where the days are stored.
        base_url: address of the public API, without a slash at the end.
        now_ms: clock, Unix milliseconds UTC.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        pair: str,
        partitions: MonthlyPartitions,
        *,
        base_url: str = PUBLIC_URL,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._pair = pair
        self._partitions = partitions
        self._base_url = base_url
        self._now_ms = now_ms
        self._sleep = sleep
        # The pause between requests is kept here, where the clock can be replaced.
        self._exchange = ccxt.bitbank({"enableRateLimit": False})
        self._exchange.urls["api"]["public"] = base_url

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
            DataError: the exchange has no candles of a past day, or three tries failed; what was stored stays.
        """
        complete = self._partitions.complete_days(days)
        wanted = [day for day in days if day not in complete]
        duplicates = forming = fetched = 0
        for day in track(
            wanted,
            description=f"bitbank {self._pair}",
            console=Console(stderr=True),
            transient=True,
            disable=len(wanted) < _PROGRESS_FROM_DAYS,
        ):
            removed, dropped = self._update_day(day)
            duplicates, forming, fetched = duplicates + removed, forming + dropped, fetched + 1
        return Download(fetched, duplicates, forming)

    def _update_day(self, day: date) -> tuple[int, int]:
        requested_at_ms = self._now_ms()
        over = requested_at_ms >= day_start_ms(day) + DAY_MS + _SETTLED_AFTER_MS
        candles = self._fetch(day)
        forming_open = requested_at_ms - requested_at_ms % MINUTE_MS
        if candles is None or not (open_times(candles) < forming_open).any():
            if over:
                raise DataError(
                    f"{self._url(day)}: bitbank has no candles of {self._pair} on {day}; set data.start to a later day"
                )
            return 0, 0
        frame, parts = assemble([(self._url(day), candles)])
        # Candles of a minute that began after the request are as unfinished as the one that was forming then.
        known = frame[open_times(frame) <= forming_open]
        valid = validate_candles(known, parts, requested_at_ms)
        self._partitions.store_day(day, valid.candles, complete=over and _spans(valid.candles, day))
        return valid.duplicates_removed, valid.forming_dropped + len(frame) - len(known)

    def _fetch(self, day: date) -> pd.DataFrame | None:
        """Return the candles of a day, None if the exchange has none."""
        for failures in range(_TRIES):
            self._sleep(_FIRST_BACK_OFF_SECONDS * 2 ** (failures - 1) if failures else _REQUEST_PAUSE_SECONDS)
            try:
                return self._request(day)
            except _FailedTryError as failure:
                reason = failure
        raise DataError(
            f"{self._url(day)}: {reason} ({_TRIES} tries); all days before it are stored, run the same command later"
        ) from reason

    def _request(self, day: date) -> pd.DataFrame | None:
        parameters = {"pair": self._pair, "candletype": _CANDLE_TYPE, "yyyymmdd": f"{day:%Y%m%d}"}
        self._exchange.last_http_response = None
        try:
            answer = self._exchange.public_get_pair_candlestick_candletype_yyyymmdd(parameters)
        except ccxt.BaseError as error:
            if _error_code(self._exchange.last_http_response) == _NO_DATA_CODE:
                return None
            raise _FailedTryError(f"the request failed with {error}") from error
        return _candles(answer, day)

    def _url(self, day: date) -> str:
        return f"{self._base_url}/{self._pair}/candlestick/{_CANDLE_TYPE}/{day:%Y%m%d}"


def _spans(candles: pd.DataFrame, day: date) -> bool:
    """Tell whether a day's first and last minute are there; without them its answer may have been cut short."""
    open_time = open_times(candles)
    first, last = day_start_ms(day), day_start_ms(day) + DAY_MS - MINUTE_MS
    return bool(open_time[0] == first and open_time[-1] == last)


def _error_code(body: str | None) -> int | None:
    try:
        code = json.loads(body or "")["data"]["code"]
    except (ValueError, LookupError, TypeError):
        return None
    return code if isinstance(code, int) else None


def _candles(answer: Any, day: date) -> pd.DataFrame:
    try:
        (series,) = [item for item in answer["data"]["candlestick"] if item["type"] == _CANDLE_TYPE]
        rows = [(int(time_ms), *map(float, values)) for *values, time_ms in series["ohlcv"]]
        frame = pd.DataFrame(rows, columns=CANDLE_COLUMNS)
    except (LookupError, TypeError, ValueError) as error:
        raise _FailedTryError("the answer is not in bitbank's format") from error
    if (frame["timestamp"] // DAY_MS != day_start_ms(day) // DAY_MS).any():
        raise _FailedTryError(f"the answer holds candles of another day than {day}")
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], unit="ms", utc=True)
    return frame
