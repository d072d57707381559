"""Bars as a pandas frame and back: the only place where the two shapes meet."""

from typing import Final

import numpy as np
import pandas as pd

from crypto_kedro.errors import DataError
from crypto_kedro.market.bars import Bars, FloatArray, IntArray
from crypto_kedro.market.gaps import Candles

TIMESTAMP_DTYPE: Final = "datetime64[ms, UTC]"
PRICE_COLUMNS = ("open", "high", "low", "close")
CANDLE_COLUMNS = ("timestamp", *PRICE_COLUMNS, "volume")
BAR_COLUMNS = (*CANDLE_COLUMNS, "gap_minutes")


def open_times(frame: pd.DataFrame) -> IntArray:
    """Return the open times of a frame in Unix milliseconds UTC, shape (n,)."""
    return np.asarray(frame["timestamp"].astype(TIMESTAMP_DTYPE).astype("int64"), dtype=np.int64)


def timestamps(open_time: IntArray) -> pd.DatetimeIndex:
    """Return Unix milliseconds UTC, shape (n,), as an index of ``datetime64[ms, UTC]``."""
    return pd.DatetimeIndex(np.asarray(open_time, dtype=np.int64).astype("datetime64[ms]")).tz_localize("UTC")


def bars_from_frame(frame: pd.DataFrame, interval_ms: int) -> Bars:
    """Turn a frame of bars into `Bars`.

    Args:
        frame: columns ``timestamp`` (UTC, the open time), open, high, low, close (JPY), volume (BTC) and
            gap_minutes, one row a grid point, oldest first.
        interval_ms: length of a bar in milliseconds.

    Raises:
        DataError: a column is missing, or the rows leave the grid.
    """
    missing = [column for column in BAR_COLUMNS if column not in frame.columns]
    if missing:
        raise DataError(f"bars: the frame lacks {', '.join(missing)}; take bars that the data pipeline has written")
    prices = {column: _floats(frame, column) for column in PRICE_COLUMNS}
    return Bars(
        interval_ms=interval_ms,
        open_time=open_times(frame),
        volume=_floats(frame, "volume"),
        gap_minutes=frame["gap_minutes"].to_numpy(dtype=np.int64),
        **prices,
    )


def candles_from_frame(frame: pd.DataFrame) -> Candles:
    """Turn a validated frame of 1-minute candles into arrays."""
    columns = {column: _floats(frame, column) for column in (*PRICE_COLUMNS, "volume")}
    return Candles(open_time=open_times(frame), **columns)


def frame_from_candles(candles: Candles) -> pd.DataFrame:
    """Turn `Candles` into a frame with ``timestamp`` as ``datetime64[ms, UTC]`` and the other columns of a candle."""
    columns = {column: getattr(candles, column) for column in (*PRICE_COLUMNS, "volume")}
    return pd.DataFrame({"timestamp": timestamps(candles.open_time), **columns})


def frame_from_bars(bars: Bars) -> pd.DataFrame:
    """Turn `Bars` into a frame with ``timestamp`` as ``datetime64[ms, UTC]`` and the other columns of a bar."""
    return pd.DataFrame(
        {
            "timestamp": timestamps(bars.open_time),
            "open": bars.open,
            "high": bars.high,
            "low": bars.low,
            "close": bars.close,
            "volume": bars.volume,
            "gap_minutes": bars.gap_minutes,
        }
    )


def _floats(frame: pd.DataFrame, column: str) -> FloatArray:
    return np.ascontiguousarray(frame[column].to_numpy(dtype=np.float64))
