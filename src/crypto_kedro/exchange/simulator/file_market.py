"""Candle files as a market to play, read and checked as the data pipeline does; this module needs pandas."""

from pathlib import Path

from crypto_kedro.market.bars import MINUTE_MS, Bars
from crypto_kedro.market.candle_files import read_candle_files
from crypto_kedro.market.frame import candles_from_frame, open_times
from crypto_kedro.market.gaps import fill_halts
from crypto_kedro.market.structure import all_locations, assemble
from crypto_kedro.market.validation import validate_candles


def bars_of_files(path: Path, max_halt_minutes: int) -> Bars:
    """Return the one-minute bars of a Parquet or CSV file, or of a folder of them.

    Args:
        path: the file or folder.
        max_halt_minutes: longest run of absent minutes that can have been a halt.

    Raises:
        DataError: the candles are damaged, or a run of absent minutes is longer.
    """
    frame, parts = assemble(read_candle_files(path))
    # The files are read at their own last moment, so that they play the same on every day.
    end_ms = int(open_times(frame).max()) + MINUTE_MS
    candles = candles_from_frame(validate_candles(frame, parts, end_ms).candles)
    return fill_halts(candles, max_halt_minutes, all_locations(parts))
