"""Markets to play: candle files and the synthetic market."""

from pathlib import Path

from crypto_kedro.exchange.simulator.price_source import CandleSource
from crypto_kedro.market.bars import DAY_MS, MINUTE_MS
from crypto_kedro.market.drawn_market import draw_market
from crypto_kedro.market.gaps import fill_halts
from crypto_kedro.market.moments import day_start_ms, parse_day, utc_date

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
    # Files are read with pandas and checked with pandera, which take their second and 100 MiB only here.
    from crypto_kedro.exchange.simulator.file_market import bars_of_files

    bars = bars_of_files(Path(data), _LONGEST_HALT_MINUTES)
    first, middle = int(bars.open_time[0]), int(bars.open_time[len(bars) // 2])
    return CandleSource(
        bars, Path(data).name, min(first + HISTORY_DAYS * DAY_MS, middle) if start_ms is None else start_ms
    )


def _synthetic(start_ms: int, seed: int) -> CandleSource:
    first_day = utc_date(start_ms - HISTORY_DAYS * DAY_MS)
    drawn = draw_market(HISTORY_DAYS + _SYNTHETIC_DAYS, seed, start=first_day.isoformat())
    bars = fill_halts(drawn.candles, _LONGEST_HALT_MINUTES, SYNTHETIC)
    return CandleSource(bars, f"synthetic market of seed {seed}", start_ms)


def _moment(text: str) -> int:
    if text.isascii() and text.isdigit():
        return int(text)
    return day_start_ms(parse_day(text, "--start"))
