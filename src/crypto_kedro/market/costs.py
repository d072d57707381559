"""What a round trip costs on a given date: fee, spread, slippage and margin interest."""

from dataclasses import dataclass

import numpy as np

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.market.bars import DAY_MS, JST_OFFSET_MS, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class FeeRates:
    """Rates in force from a moment on, as fractions (0.001 = 0.1%); a negative maker rate is a rebate."""

    since_ms: int
    maker: float
    taker: float
    interest_per_day: float


@dataclass(frozen=True, slots=True)
class CostSchedule:
    """Dated fee rates plus the market impact that a taker pays on each side.

    Args:
        rates: ordered by ``since_ms``; the first row also holds for everything before it.
        half_spread: fraction of the price lost to the spread on each side.
        slippage: fraction of the price lost on each side beyond the spread.
        scale: multiplies every cost; 1.5 asks "and if it all cost half as much again?".
    """

    rates: tuple[FeeRates, ...]
    half_spread: float
    slippage: float
    scale: float = 1.0

    def __post_init__(self) -> None:
        since = [rate.since_ms for rate in self.rates]
        if not since or since != sorted(set(since)):
            raise ConfigurationError("costs: the fee rates need at least one row, ordered by date without repeats")

    def _rate(self, column: str, at_ms: IntArray) -> FloatArray:
        since = np.array([rate.since_ms for rate in self.rates], dtype=np.int64)
        values = np.array([getattr(rate, column) for rate in self.rates], dtype=np.float64)
        return values[np.maximum(np.searchsorted(since, at_ms, side="right") - 1, 0)]

    def taker_side(self, at_ms: IntArray) -> FloatArray:
        """Cost of one taker execution at each moment, as a fraction of its notional."""
        return self.scale * (self._rate("taker", at_ms) + self.half_spread + self.slippage)

    def interest(self, opened_ms: IntArray, closed_ms: IntArray) -> FloatArray:
        """Margin interest of each holding period: the daily rate for every JST midnight crossed.

        Source: bitbank charges interest on positions that are open at 00:00 JST.
        """
        midnights = (closed_ms + JST_OFFSET_MS) // DAY_MS - (opened_ms + JST_OFFSET_MS) // DAY_MS
        return self.scale * self._rate("interest_per_day", opened_ms) * midnights

    def round_trip(self, opened_ms: IntArray, closed_ms: IntArray) -> FloatArray:
        """Entry and exit as taker plus the interest between them, as a fraction of the notional."""
        return self.taker_side(opened_ms) + self.taker_side(closed_ms) + self.interest(opened_ms, closed_ms)
