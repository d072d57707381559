"""What a trader without a model would have earned on the same bars, under the same rules."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from crypto_kedro.learning.threshold_strategy import Opportunities, Trades
from crypto_kedro.market.bars import Bars, FloatArray, IntArray
from crypto_kedro.market.costs import CostSchedule


@dataclass(frozen=True, slots=True, eq=False)
class RandomEntries:
    """Random traders that trade as often as the model, in the same windows and with the same mix of sides.

    Args:
        row: row of each trade's opportunity, shape (traders, trades); -1 where a trader found no room for a trade.
        side: 0 short, 1 long, shape (traders, trades).
        net_profit: compounded, after costs, shape (traders,).
    """

    row: IntArray
    side: IntArray
    net_profit: FloatArray

    @property
    def trades(self) -> IntArray:
        """Trades made by each trader, shape (traders,)."""
        made: IntArray = np.count_nonzero(self.row >= 0, axis=1)
        return made


def buy_and_hold(bars: Bars, costs: CostSchedule) -> FloatArray:
    """Return the equity, starting capital 1, of a spot purchase at the first open, shape (len(bars),).

    It pays one round trip of fee, spread and slippage at entry, and no margin interest.
    """
    ends = np.array([bars.open_time[0], bars.close_time[-1]], dtype=np.int64)
    equity: FloatArray = bars.close / bars.open[0] - np.sum(costs.taker_side(ends))
    return equity


def random_entries(opportunities: Opportunities, trades: Trades, traders: int, seed: int) -> RandomEntries:
    """Draw traders that enter at random moments instead of the model's.

    Within each window a trader makes the model's number of trades with the model's number of longs and shorts, in
    random order. Its waiting times divide the window's idle bars at random, as uniform order statistics do; a trade
    is left out only if a window has no room for it, which happens when the model itself is hardly ever flat.

    Args:
        opportunities: the rows that the model could trade.
        trades: what the model traded.
        traders: how many random traders.
        seed: of the random numbers.
    """
    rng = np.random.default_rng(seed)
    next_row = opportunities.next_row
    free = np.zeros(traders, dtype=np.int64)
    rows: list[IntArray] = []
    sides: list[IntArray] = []
    for first, stop in _windows(opportunities):
        inside = (trades.row >= first) & (trades.row < stop)
        drawn = rng.permuted(np.tile(trades.side[inside], (traders, 1)), axis=1)
        held = next_row[first:stop] - np.arange(first, stop)[:, None]
        mean_held = held.mean(axis=0)
        free = np.maximum(free, first)
        for step in range(drawn.shape[1]):
            side = drawn[:, step]
            idle = stop - free - mean_held[drawn[:, step:]].sum(axis=1)
            row = free + _wait(idle, drawn.shape[1] - step, rng)
            fits = row < stop
            rows.append(np.where(fits, row, -1))
            sides.append(side)
            free = np.where(fits, next_row[np.minimum(row, stop - 1), side], free)
    row_of = np.column_stack(rows) if rows else np.zeros((traders, 0), dtype=np.int64)
    side_of = np.column_stack(sides) if sides else np.zeros((traders, 0), dtype=np.int64)
    growth = np.where(row_of >= 0, 1.0 + opportunities.net_return[row_of, side_of], 1.0)
    return RandomEntries(row_of, side_of, np.prod(growth, axis=1) - 1.0)


def realised_equity(opportunities: Opportunities, random: RandomEntries, at_ms: IntArray) -> FloatArray:
    """Return each random trader's capital after the trades that have ended by each moment.

    Args:
        opportunities: what the traders could trade.
        random: the traders.
        at_ms: ascending moments, Unix ms UTC, shape (m,).

    Returns:
        Shape (traders, m), starting capital 1; open trades are not marked to market.
    """
    trader, trade = np.nonzero(random.row >= 0)
    row, side = random.row[trader, trade], random.side[trader, trade]
    ended = np.searchsorted(at_ms, opportunities.exit_ms[row, side], side="left")
    growth = np.zeros((len(random.row), at_ms.size + 1))
    np.add.at(growth, (trader, ended), np.log1p(opportunities.net_return[row, side]))
    return np.exp(np.cumsum(growth[:, :-1], axis=1))


def share_beaten(net_profit: float, random: RandomEntries) -> float:
    """Return the share of random traders that earned less; ties do not count as beaten."""
    return float(np.mean(random.net_profit < net_profit))


def _windows(opportunities: Opportunities) -> list[tuple[int, int]]:
    """Return the first row and the row after the last one of each run of equal window names."""
    change = np.flatnonzero(opportunities.window[1:] != opportunities.window[:-1]) + 1
    edges = [0, *change.tolist(), len(opportunities)]
    return list(pairwise(edges))


def _wait(idle: FloatArray, trades_left: int, rng: np.random.Generator) -> IntArray:
    """Draw the first of the random gaps between which ``trades_left`` trades divide the idle bars of each trader."""
    smallest_of = 1.0 - rng.random(idle.size) ** (1.0 / trades_left)
    return np.floor(np.maximum(idle, 0.0) * smallest_of).astype(np.int64)
