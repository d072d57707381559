"""Whole days of 1-minute candles for callers that wait: research downloads, notebooks."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from types import TracebackType
from typing import Any, Self, TypeVar

from crypto_kedro.errors import DataError
from crypto_kedro.exchange.bitbank.market_data import BitbankMarketData
from crypto_kedro.exchange.bitbank.market_shapes import candle_files
from crypto_kedro.exchange.bitbank.settings import BitbankSettings
from crypto_kedro.exchange.port import RetryLaterError, StopTradingError
from crypto_kedro.market.bars import MINUTE_MS
from crypto_kedro.market.bitbank_candles import CandleRow
from crypto_kedro.market.moments import day_start_ms, utc_date

T = TypeVar("T")

_TRIES = 3
_FIRST_BACK_OFF_S = 1.0


class CandleDays:
    """Fetches a UTC day a call, and connects with the first one. Use it as a context manager.

    Args:
        settings: address, patience and throttle.
        pair: market in bitbank's spelling; research may look at others than the one that is traded.
        sleep: waits for a number of seconds.
    """

    def __init__(self, settings: BitbankSettings, pair: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._settings = settings
        self._pair = pair
        self._sleep = sleep
        self._market: BitbankMarketData | None = None
        # The caller's thread may run an event loop already, as a notebook's does, so there is one in another thread.
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._market is not None:
            self._wait_for(self._market.close())
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()

    def location(self, day: date) -> str:
        """Return the address of a day."""
        return f"{self._settings.public_url}/{self._pair}/candlestick/{_file(day)}"

    def fetch(self, day: date) -> tuple[CandleRow, ...] | None:
        """Return the candles of a day, None if the exchange has none; asks three times at growing intervals.

        Raises:
            DataError: no try was answered with candles of the day.
            RefusedError: the exchange refuses the question.
        """
        for failures in range(_TRIES):
            if failures:
                self._sleep(_FIRST_BACK_OFF_S * 2 ** (failures - 1))
            try:
                return self._wait_for(self._day(day))
            except (RetryLaterError, StopTradingError) as error:
                reason = error
        raise DataError(
            f"{self.location(day)}: {reason} ({_TRIES} tries); "
            "all days before it are stored, run the same command later"
        ) from reason

    async def _day(self, day: date) -> tuple[CandleRow, ...] | None:
        if self._market is None:
            self._market = BitbankMarketData(self._settings)
        rows = await self._market.candle_file(self._pair, _file(day))
        if any(utc_date(row.open_time_ms) != day for row in rows or ()):
            raise RetryLaterError(f"bitbank candles: the answer holds candles of another day than {day}")
        return rows

    def _wait_for(self, answer: Coroutine[Any, Any, T]) -> T:
        return self._thread.submit(self._runner.run, answer).result()


def _file(day: date) -> str:
    start_ms = day_start_ms(day)
    (file,) = candle_files(MINUTE_MS, start_ms, start_ms + MINUTE_MS)
    return file
