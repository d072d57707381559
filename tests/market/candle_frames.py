"""Small hand-made candles for the tests of the market room."""

import numpy as np
import pandas as pd

START = pd.Timestamp("2024-03-01", tz="UTC")


def candle_frame(minutes: int = 10, start: pd.Timestamp = START) -> pd.DataFrame:
    """Return sound candles of successive minutes; the close of row k is 1,000 + k JPY."""
    close = 1_000.0 + np.arange(minutes)
    return pd.DataFrame(
        {
            "timestamp": pd.date_range(start, periods=minutes, freq="min").as_unit("ms"),
            "open": close - 1.0,
            "high": close + 2.0,
            "low": close - 3.0,
            "close": close,
            "volume": np.full(minutes, 0.5),
        }
    )


def milliseconds(moment: pd.Timestamp) -> int:
    """Return a moment in Unix milliseconds UTC."""
    return int(moment.timestamp() * 1_000)
