"""The synthetic market as frames, in the shape in which candles of an exchange are read."""

from dataclasses import dataclass

import pandas as pd

from crypto_kedro.market.drawn_market import DEFAULT_START, draw_market
from crypto_kedro.market.frame import frame_from_candles, timestamps


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticMarket:
    """A drawn market and the truth behind it.

    Args:
        candles: 1-minute candles with columns timestamp (``datetime64[ms, UTC]``, the open time), open, high, low,
            close (whole JPY) and volume (BTC, 4 decimals); minutes of a trading halt are missing.
        expected_return: columns timestamp (open time of a 15-minute bar, UTC) and expected_return (the true mean of
            that bar's close over the previous close, minus one, as known at its open); one row for each 15 minutes.
    """

    candles: pd.DataFrame
    expected_return: pd.DataFrame


def synthetic_candles(
    days: int, seed: int, *, start: str = DEFAULT_START, signal_strength: float = 0.0
) -> pd.DataFrame:
    """Return only the candles of `synthetic_market`."""
    return synthetic_market(days, seed, start=start, signal_strength=signal_strength).candles


def synthetic_market(
    days: int, seed: int, *, start: str = DEFAULT_START, signal_strength: float = 0.0
) -> SyntheticMarket:
    """Draw a market with `draw_market`, whose arguments and errors these are."""
    drawn = draw_market(days, seed, start=start, signal_strength=signal_strength)
    truth = {"timestamp": timestamps(drawn.block_time), "expected_return": drawn.expected_return}
    return SyntheticMarket(frame_from_candles(drawn.candles), pd.DataFrame(truth))
