"""The candle download of the data pipeline, against the simulator's own candlestick endpoint."""

import asyncio
from pathlib import Path

import pandas as pd
from venues import START_MS, START_PRICE, HandClock, minutes, simulator

from crypto_kedro.exchange.bitbank import BitbankSettings
from crypto_kedro.exchange.bitbank.candle_days import CandleDays
from crypto_kedro.market.bars import MINUTE_MS
from crypto_kedro.market.candle_download import CandleDownload, Download
from crypto_kedro.market.frame import CANDLE_COLUMNS, frame_from_bars
from crypto_kedro.market.moments import utc_date
from crypto_kedro.market.partitions import MonthlyPartitions

CLOSES = [START_PRICE + step for step in (500, -300, 1_200, 0, 700, -900)]
TODAY = utc_date(START_MS)


def downloaded(folder: Path, minutes_passed: float) -> tuple[pd.DataFrame, Download]:
    """Play some minutes at the simulator and download the day."""
    clock = HandClock()
    partitions = MonthlyPartitions(folder)

    def download(url: str) -> Download:
        with CandleDays(BitbankSettings(public_url=url, throttle=False), "btc_jpy") as source:
            return CandleDownload(source, partitions, clock).update([TODAY])

    async def play() -> Download:
        async with simulator(CLOSES, clock) as url:
            clock.now_ms += round(minutes_passed * MINUTE_MS)
            return await asyncio.to_thread(download, url)

    done = asyncio.run(play())
    ((_, stored),) = partitions.read([TODAY])
    return stored, done


def test_given_played_minutes_when_downloaded_then_the_candles_are_those_that_were_played(tmp_path: Path) -> None:
    stored, _ = downloaded(tmp_path, 4)

    played = frame_from_bars(minutes(CLOSES)[:9])[list(CANDLE_COLUMNS)]
    pd.testing.assert_frame_equal(stored, played)


def test_given_a_minute_that_is_still_forming_when_downloaded_then_it_is_left_out_and_counted(tmp_path: Path) -> None:
    stored, done = downloaded(tmp_path, 4.5)

    assert len(stored) == 9
    assert done.forming_dropped == 1
    assert done.days_fetched == 1
