"""When and to which side a trader without a model would have entered."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from crypto_kedro.learning.opportunities import Opportunities, Trades
from crypto_kedro.market.bars import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class RandomEntries:
    """Random traders that enter as often as the model, in the same windows and with the same mix of sides.

    Args:
        row: row of each entry's opportunity, shape (traders, entries); -1 where a trader found no room for a trade.
        side: 0 short, 1 long, shape (traders, entries).
    """

    row: IntArray
    side: IntArray


def random_entries(opportunities: Opportunities, trades: Trades, traders: int, seed: int) -> RandomEntries:
    """Draw traders that enter at random moments instead of the model's.

    Within each window a trader enters as often as the model with as many longs and shorts, in random order. Its
    waiting times divide the window's idle bars at random, as uniform order statistics do; an entry is left out only if
    a window has no room for it, which happens when the model itself is hardly ever flat. How long a trade keeps the
    trader busy is taken from the labels.

    Args:
        opportunities: the rows that can be traded.
        trades: the model's, from the same rows.
        traders: how many random traders.
        seed: of the random numbers.
    """
    rng = np.random.default_rng(seed)
    next_row = opportunities.next_row
    free = np.zeros(traders, dtype=np.int64)
    rows: list[IntArray] = []
    drawn_sides: list[IntArray] = []
    for first, stop in _windows(opportunities):
        own = trades.side[(trades.row >= first) & (trades.row < stop)]
        drawn = rng.permuted(np.tile(own, (traders, 1)), axis=1)
        held = next_row[first:stop] - np.arange(first, stop)[:, None]
        mean_held = held.mean(axis=0)
        free = np.maximum(free, first)
        for step in range(drawn.shape[1]):
            side = drawn[:, step]
            idle = stop - free - mean_held[drawn[:, step:]].sum(axis=1)
            row = free + _wait(idle, drawn.shape[1] - step, rng)
            fits = row < stop
            rows.append(np.where(fits, row, -1))
            drawn_sides.append(side)
            free = np.where(fits, next_row[np.minimum(row, stop - 1), side], free)
    if not rows:
        nothing = np.zeros((traders, 0), dtype=np.int64)
        return RandomEntries(nothing, nothing)
    return RandomEntries(np.column_stack(rows), np.column_stack(drawn_sides))


def _windows(opportunities: Opportunities) -> list[tuple[int, int]]:
    """Return the first row and the row after the last one of each run of equal window names."""
    change = np.flatnonzero(opportunities.window[1:] != opportunities.window[:-1]) + 1
    edges = [0, *change.tolist(), len(opportunities)]
    return list(pairwise(edges))


def _wait(idle: FloatArray, trades_left: int, rng: np.random.Generator) -> IntArray:
    """Draw the first of the random gaps between which ``trades_left`` trades divide the idle bars of each trader."""
    smallest_of = 1.0 - rng.random(idle.size) ** (1.0 / trades_left)
    return np.floor(np.maximum(idle, 0.0) * smallest_of).astype(np.int64)
