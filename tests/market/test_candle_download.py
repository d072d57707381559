"""Downloading candles, against a real HTTP server that speaks bitbank's format."""

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from bitbank_server import Answer, BitbankServer, candles_answer, envelope, error

from crypto_kedro.errors import ConfigurationError, DataError
from crypto_kedro.exchange.bitbank import BitbankSettings
from crypto_kedro.exchange.bitbank.candle_days import CandleDays
from crypto_kedro.exchange.port import RefusedError
from crypto_kedro.market.bars import DAY_MS, MINUTE_MS
from crypto_kedro.market.candle_download import CandleDownload
from crypto_kedro.market.moments import day_start_ms
from crypto_kedro.market.partitions import MonthlyPartitions

FIRST = date(2024, 1, 30)
LAST = date(2024, 2, 2)
LONG_AFTER = day_start_ms(LAST) + 30 * DAY_MS


class Trader:
    """A machine with a clock of its own, whose waits are only written down."""

    def __init__(self, server: BitbankServer, directory: Path, now_ms: int = LONG_AFTER) -> None:
        self.now_ms = now_ms
        self.waits: list[float] = []
        self.directory = directory
        self.partitions = MonthlyPartitions(directory)
        settings = BitbankSettings(public_url=server.url, throttle=False)
        self.source = CandleDays(settings, "btc_jpy", sleep=self.waits.append)
        self.candles = CandleDownload(self.source, self.partitions, lambda: self.now_ms)

    def update(self, first: date = FIRST, last: date | None = LAST) -> pd.DataFrame:
        days = self.candles.days(first, last)
        self.download = self.candles.update(days)
        return pd.concat([frame for _, frame in self.partitions.read(days)], ignore_index=True)


@pytest.fixture
def server() -> Iterator[BitbankServer]:
    server = BitbankServer()
    yield server
    server.close()


@pytest.fixture
def trader(server: BitbankServer, tmp_path: Path) -> Iterator[Trader]:
    trader = Trader(server, tmp_path)
    with trader.source:
        yield trader


def digests(directory: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(directory.iterdir())}


def test_given_past_days_when_updated_then_every_day_is_asked_for_once_and_stored_by_month(
    server: BitbankServer, trader: Trader
) -> None:
    frame = trader.update()

    assert len(frame) == 4 * 1_440
    assert frame["timestamp"].dtype == "datetime64[ms, UTC]"
    assert frame.loc[0].tolist() == [pd.Timestamp(FIRST, tz="UTC"), 1_000_000, 1_000_010, 999_990, 1_000_005, 0.1234]
    assert frame["timestamp"].is_monotonic_increasing
    assert sorted(path.name for path in trader.directory.iterdir()) == ["2024-01.parquet", "2024-02.parquet"]
    assert server.counts() == {FIRST + timedelta(days=k): 1 for k in range(4)}
    assert trader.download.days_fetched == 4


def test_given_complete_days_on_disk_when_updated_again_then_nothing_is_asked_for(
    server: BitbankServer, trader: Trader
) -> None:
    first = trader.update()
    server.requests.clear()

    again = trader.update()

    assert server.requests == []
    pd.testing.assert_frame_equal(first, again)


def test_given_a_day_before_the_stored_ones_when_updated_then_only_that_day_is_fetched_and_order_is_kept(
    server: BitbankServer, trader: Trader
) -> None:
    trader.update()
    server.requests.clear()

    frame = trader.update(first=FIRST - timedelta(days=1))

    assert server.requests == [FIRST - timedelta(days=1)]
    assert len(frame) == 5 * 1_440
    assert frame["timestamp"].is_monotonic_increasing


def test_given_the_current_day_when_updated_later_then_it_is_fetched_anew_until_it_is_over(
    server: BitbankServer, trader: Trader
) -> None:
    trader.now_ms = day_start_ms(LAST) + 100 * MINUTE_MS + 30_000
    server.scripts[LAST] = [candles_answer(LAST, 100, forming=True)]
    partial = trader.update()
    server.requests.clear()

    trader.now_ms = LONG_AFTER
    server.scripts[LAST] = [candles_answer(LAST)]
    whole = trader.update()
    trader.update()

    assert len(partial) == 3 * 1_440 + 100
    assert len(whole) == 4 * 1_440
    assert server.requests == [LAST]


def test_given_the_forming_bar_when_fetched_then_it_is_dropped_and_counted(
    server: BitbankServer, trader: Trader
) -> None:
    trader.now_ms = day_start_ms(LAST) + 5 * MINUTE_MS + 1
    server.scripts[LAST] = [candles_answer(LAST, 5, forming=True)]

    frame = trader.update(first=LAST)

    assert len(frame) == 5
    assert trader.download.forming_dropped == 1


def test_given_a_bar_that_began_after_the_request_when_fetched_then_it_is_dropped_too(
    server: BitbankServer, trader: Trader
) -> None:
    trader.now_ms = day_start_ms(LAST) + 5 * MINUTE_MS - 1
    server.scripts[LAST] = [candles_answer(LAST, 5, forming=True)]

    frame = trader.update(first=LAST)

    assert len(frame) == 4
    assert trader.download.forming_dropped == 2


def test_given_a_day_that_ended_a_moment_ago_when_updated_then_it_does_not_count_as_settled(
    server: BitbankServer, trader: Trader
) -> None:
    trader.now_ms = day_start_ms(LAST) + DAY_MS + MINUTE_MS
    trader.update(last=LAST)
    trader.update(last=LAST)

    assert server.counts()[LAST] == 2
    assert server.counts()[FIRST] == 1


def test_given_a_past_day_whose_answer_was_cut_short_when_updated_again_then_it_is_fetched_anew(
    server: BitbankServer, trader: Trader
) -> None:
    server.scripts[FIRST] = [candles_answer(FIRST, 700), candles_answer(FIRST)]

    cut_short, whole = trader.update(last=FIRST), trader.update(last=FIRST)
    trader.update(last=FIRST)

    assert (len(cut_short), len(whole)) == (700, 1_440)
    assert server.counts()[FIRST] == 2


def test_given_an_end_in_the_future_when_updated_then_days_up_to_today_are_asked_for(
    server: BitbankServer, trader: Trader
) -> None:
    trader.now_ms = day_start_ms(LAST) + 10 * MINUTE_MS
    server.scripts[LAST] = [candles_answer(LAST, 10)]

    trader.update(last=LAST + timedelta(days=400))

    assert max(server.requests) == LAST


@pytest.mark.parametrize("nothing_yet", [error(10000, 404), envelope({"candlestick": [{"type": "1min", "ohlcv": []}]})])
def test_given_a_clock_that_is_a_day_ahead_when_the_exchange_has_no_such_day_yet_then_the_stored_days_suffice(
    server: BitbankServer, trader: Trader, nothing_yet: Answer
) -> None:
    trader.now_ms = day_start_ms(LAST) + 10 * MINUTE_MS
    server.scripts[LAST] = [nothing_yet]

    frame = trader.update()

    assert len(frame) == 3 * 1_440
    assert trader.waits == []


@pytest.mark.parametrize("nothing", [error(10000, 404), error(10000), candles_answer(FIRST, 0)])
def test_given_a_past_day_without_data_when_updated_then_the_error_names_it_and_the_remedy(
    server: BitbankServer, trader: Trader, nothing: Answer
) -> None:
    server.scripts[FIRST] = [nothing]

    with pytest.raises(
        DataError, match=r"btc_jpy/candlestick/1min/20240130: bitbank has no candles of 2024-01-30; set data\.start"
    ):
        trader.update()


@pytest.mark.parametrize(
    "failure",
    [
        (500, "<html>Internal Server Error</html>"),
        (503, json_body := '{"success":0,"data":{"code":10007}}'),
        (200, json_body),
        error(10009, 429),
        (200, "<html>maintenance</html>"),
        (200, ""),
        (200, "[]"),
        (200, '{"success":1,"data":{"candlestick":[]}}'),
        (200, '{"success":1,"data":{"candlestick":[{"type":"1min","ohlcv":[["1","2"]]}]}}'),
        (200, '{"success":1,"data":{"candlestick":[{"type":"1min","ohlcv":[["a","b","c","d","e",1706572800000]]}]}}'),
        candles_answer(FIRST + timedelta(days=1)),
        (404, "<html>Not Found</html>"),
    ],
)
def test_given_two_failed_tries_when_the_third_succeeds_then_the_day_is_stored_after_growing_waits(
    server: BitbankServer, trader: Trader, failure: Answer
) -> None:
    server.scripts[FIRST] = [failure, failure, candles_answer(FIRST)]

    frame = trader.update(last=FIRST)

    assert len(frame) == 1_440
    assert trader.waits == [1.0, 2.0]


@pytest.mark.parametrize("failure", [(500, "down"), (200, "<html>garbage</html>"), error(10007)])
def test_given_three_failed_tries_when_updated_then_one_error_and_the_stored_days_stay_byte_for_byte(
    server: BitbankServer, trader: Trader, failure: Answer
) -> None:
    trader.update(last=FIRST + timedelta(days=1))
    before = digests(trader.directory)
    server.scripts[date(2024, 2, 1)] = [failure]

    with pytest.raises(DataError, match=r"1min/20240201: .* \(3 tries\)"):
        trader.update()

    assert digests(trader.directory) == before
    assert server.counts()[date(2024, 2, 1)] == 3


def test_given_a_question_that_is_refused_when_updated_then_it_is_not_asked_again(
    server: BitbankServer, trader: Trader
) -> None:
    server.scripts[FIRST] = [error(40017)]

    with pytest.raises(RefusedError, match=r"1min/20240130: code 40017, pair is invalid"):
        trader.update()

    assert server.counts()[FIRST] == 1


def test_given_a_running_event_loop_as_in_a_notebook_when_updated_then_the_days_come_all_the_same(
    trader: Trader,
) -> None:
    async def cell() -> pd.DataFrame:
        return trader.update(last=FIRST)

    assert len(asyncio.run(cell())) == 1_440


def test_given_another_pair_when_fetched_then_its_own_candles_are_asked_for(server: BitbankServer) -> None:
    with CandleDays(BitbankSettings(public_url=server.url, throttle=False), "eth_jpy") as source:
        assert source.location(FIRST) == f"{server.url}/eth_jpy/candlestick/1min/20240130"
        assert source.fetch(FIRST) is None


def test_given_an_unreachable_exchange_when_updated_then_the_error_names_the_address(
    server: BitbankServer, trader: Trader
) -> None:
    server.close()

    with pytest.raises(DataError, match=rf"{server.url}/btc_jpy/candlestick/1min/20240130"):
        trader.update()


def test_given_a_failure_in_the_middle_when_run_again_then_only_the_missing_days_are_asked_for(
    server: BitbankServer, trader: Trader
) -> None:
    broken = FIRST + timedelta(days=2)
    server.scripts[broken] = [(500, "down")]
    with pytest.raises(DataError):
        trader.update()
    server.requests.clear()
    server.scripts[broken] = [candles_answer(broken)]

    frame = trader.update()

    assert server.requests == [broken, broken + timedelta(days=1)]
    assert len(frame) == 4 * 1_440


def test_given_a_damaged_row_when_fetched_then_nothing_of_the_day_is_stored(
    server: BitbankServer, trader: Trader
) -> None:
    status, body = candles_answer(FIRST)
    server.scripts[FIRST] = [(status, body.replace('"999990"', '"-1"', 1))]

    with pytest.raises(DataError, match=r"20240130, row 1 \(2024-01-30 00:00 UTC\): low must be positive"):
        trader.update()

    assert not any(trader.directory.iterdir())


def test_given_an_unreadable_month_when_updated_then_the_error_says_to_delete_it(trader: Trader) -> None:
    trader.update()
    (trader.directory / "2024-01.parquet").write_bytes(b"PAR1 torn")

    with pytest.raises(DataError, match=r"2024-01\.parquet: not readable .* delete the file"):
        trader.update()


def test_given_a_start_after_today_when_asked_for_days_then_the_setting_is_named(trader: Trader) -> None:
    with pytest.raises(ConfigurationError, match=r"data\.start is 2034-01-01"):
        trader.candles.days(date(2034, 1, 1), None)


@pytest.mark.slow
def test_given_a_process_killed_in_the_middle_when_run_again_then_it_goes_on_where_it_was(
    server: BitbankServer, trader: Trader
) -> None:
    script = (
        "import sys; from datetime import date; from pathlib import Path\n"
        "from crypto_kedro.exchange.bitbank import BitbankSettings\n"
        "from crypto_kedro.exchange.bitbank.candle_days import CandleDays\n"
        "from crypto_kedro.exchange.bitbank.market_data import wall_clock_ms\n"
        "from crypto_kedro.market.candle_download import CandleDownload\n"
        "from crypto_kedro.market.partitions import MonthlyPartitions\n"
        "with CandleDays(BitbankSettings(public_url=sys.argv[1]), 'btc_jpy') as source:\n"
        "    candles = CandleDownload(source, MonthlyPartitions(Path(sys.argv[2])), wall_clock_ms)\n"
        "    candles.update(candles.days(date(2024, 1, 30), date(2024, 2, 2)))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, server.url, str(trader.directory)])
    killed_at = FIRST + timedelta(days=2)

    def kill(day: date) -> None:
        if day == killed_at:
            os.kill(process.pid, signal.SIGKILL)

    server.on_request = kill
    assert process.wait(timeout=60) == -signal.SIGKILL
    assert server.requests == [FIRST, FIRST + timedelta(days=1), killed_at]
    server.on_request = None
    server.requests.clear()

    frame = trader.update()

    assert server.requests == [killed_at, killed_at + timedelta(days=1)]
    assert len(frame) == 4 * 1_440
