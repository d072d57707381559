"""Markets to play: candle files and the synthetic market. Only this module of the simulator needs pandas."""

from pathlib import Path

from crypto_kedro.exchange.simulator.price_source import CandleSource
from crypto_kedro.market.bars import DAY_MS, MINUTE_MS, Bars
from crypto_kedro.market.candle_files import read_candle_files
from crypto_kedro.market.frame import candles_from_frame, open_times
from crypto_kedro.market.gaps import fill_halts
from crypto_kedro.market.moments import day_start_ms, parse_day, utc_date
from crypto_kedro.market.structure import all_locations, assemble
from crypto_kedro.market.synthetic import synthetic_candles
from crypto_kedro.market.validation import validate_candles

HISTORY_DAYS = 30
SYNTHETIC = "synthetic"

_SYNTHETIC_DAYS = 366
_LONGEST_HALT_MINUTES = 7 * DAY_MS // MINUTE_MS


def market(data: str, start: str | None, seed: int, now_ms: int) -> CandleSource:
    """Open a market.

    Args:
        data: a Parquet or CSV file of 1-minute candles or a folder of them, or ``synthetic``.
        start: UTC date, or Unix milliseconds, from which it is played; what lies before is history. None is now for
            the synthetic market, and for files 30 days after their first candle, or their middle if that is earlier.
        seed: of the synthetic market.
        now_ms: real time, Unix milliseconds UTC.

    Raises:
        DataError: the candles are damaged, or the start lies outside of them.
        ConfigurationError: the start is no date.
    """
    start_ms = None if start is None else _moment(start)
    if data == SYNTHETIC:
        return _synthetic(now_ms if start_ms is None else start_ms, seed)
    bars = _bars_of_files(Path(data))
    first, middle = int(bars.open_time[0]), int(bars.open_time[len(bars) // 2])
    return CandleSource(
        bars, Path(data).name, min(first + HISTORY_DAYS * DAY_MS, middle) if start_ms is None else start_ms
    )


def _synthetic(start_ms: int, seed: int) -> CandleSource:
    first_day = utc_date(start_ms - HISTORY_DAYS * DAY_MS)
    candles = synthetic_candles(HISTORY_DAYS + _SYNTHETIC_DAYS, seed, start=first_day.isoformat())
    bars = fill_halts(candles_from_frame(candles), _LONGEST_HALT_MINUTES, SYNTHETIC)
    return CandleSource(bars, f"synthetic market of seed {seed}", start_ms)


def _bars_of_files(path: Path) -> Bars:
    frame, parts = assemble(read_candle_files(path))
    # The files are read at their own last moment, so that they play the same on every day.
    end_ms = int(open_times(frame).max()) + MINUTE_MS
    candles = candles_from_frame(validate_candles(frame, parts, end_ms).candles)
    return fill_halts(candles, _LONGEST_HALT_MINUTES, all_locations(parts))


def _moment(text: str) -> int:
    if text.isascii() and text.isdigit():
        return int(text)
    return day_start_ms(parse_day(text, "--start"))
