"""What each out-of-sample bar offered by the labels, and which of it a trader that is flat would have taken."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crypto_kedro.errors import LearningError
from crypto_kedro.learning.labels import milliseconds
from crypto_kedro.market.bars import FloatArray, IntArray
from crypto_kedro.market.costs import CostSchedule
from crypto_kedro.market.frame import open_times, timestamps

SHORT, LONG = 0, 1


@dataclass(frozen=True, slots=True, eq=False)
class Opportunities:
    """What a trade entered after each out-of-sample bar would bring; columns of two are short, long.

    Args:
        window: name of the test window of each row, shape (n,).
        signal_ms: open time of the signal bar, Unix ms UTC, shape (n,), ascending.
        entry_ms: when the trade enters: the close of the signal bar, shape (n,).
        probability: calibrated probability of each side, shape (n, 2).
        net_return: of the entry's notional, after all costs, shape (n, 2).
        cost: the part of the notional that costs take, shape (n, 2).
        exit_ms: when the trade has ended, shape (n, 2).
    """

    window: NDArray[np.object_]
    signal_ms: IntArray
    entry_ms: IntArray
    probability: FloatArray
    net_return: FloatArray
    cost: FloatArray
    exit_ms: IntArray

    def __len__(self) -> int:
        return int(self.signal_ms.size)

    def at_cost_scale(self, scale: float) -> "Opportunities":
        """Return the same opportunities with every cost multiplied."""
        return replace(self, net_return=self.net_return + (1.0 - scale) * self.cost, cost=scale * self.cost)

    @property
    def next_row(self) -> IntArray:
        """First row at which a trader is free again after a trade of each side, shape (n, 2); n for none."""
        rows: IntArray = np.searchsorted(self.entry_ms, self.exit_ms, side="left")
        return rows


@dataclass(frozen=True, slots=True, eq=False)
class Trades:
    """Trades taken from `Opportunities`, in order and without overlap.

    Args:
        row: row of the opportunity, shape (trades,).
        side: 0 short, 1 long, shape (trades,).
    """

    row: IntArray
    side: IntArray

    def __len__(self) -> int:
        return int(self.row.size)


def find_opportunities(
    predictions: pd.DataFrame, labels: pd.DataFrame, bar_ms: int, costs: CostSchedule
) -> Opportunities:
    """Join out-of-sample predictions with the trades that the labels simulated.

    Args:
        predictions: ``timestamp`` (open of the signal bar), ``window``, ``p_short``, ``p_long``.
        labels: ``timestamp``, ``long_return``, ``short_return`` (net), ``long_exit``, ``short_exit``.
        bar_ms: length of a bar.
        costs: the schedule with which the labels were made.

    Raises:
        LearningError: there is no prediction, they repeat or are out of order, one has no label, or a trade loses
            everything.
    """
    signal_ms = open_times(predictions)
    if signal_ms.size == 0:
        raise LearningError("out-of-sample predictions: there are none; run training again")
    if np.any(np.diff(signal_ms) <= 0):
        raise LearningError("out-of-sample predictions: the timestamps repeat or are out of order; run training again")
    at = pd.Index(open_times(labels)).get_indexer(pd.Index(signal_ms))
    if np.any(at < 0):
        first = timestamps(signal_ms[at < 0])[0].isoformat()
        raise LearningError(f"out-of-sample predictions: the bar of {first} has no label; run training again")
    matched = labels.iloc[at]
    net_return = matched[["short_return", "long_return"]].to_numpy(dtype=np.float64)
    if np.any(net_return <= -1):
        raise LearningError("labels: a trade loses its whole notional; tighten labels.stop_loss_atr")
    exit_ms = np.column_stack([milliseconds(matched["short_exit"]), milliseconds(matched["long_exit"])])
    entry_ms = signal_ms + bar_ms
    return Opportunities(
        window=predictions["window"].to_numpy(dtype=object),
        signal_ms=signal_ms,
        entry_ms=entry_ms,
        probability=predictions[["p_short", "p_long"]].to_numpy(dtype=np.float64),
        net_return=net_return,
        cost=np.column_stack([costs.round_trip(entry_ms, exit_ms[:, side]) for side in (SHORT, LONG)]),
        exit_ms=exit_ms,
    )


def take_trades(opportunities: Opportunities, threshold: float) -> Trades:
    """Enter at every bar where the trader is flat and one side's probability reaches the threshold.

    If both sides reach it (possible up to a threshold of 0.5) the likelier one is taken, and none on a tie.
    """
    probability = opportunities.probability
    side = np.argmax(probability, axis=1)
    tied = probability[:, SHORT] == probability[:, LONG]
    signals = np.flatnonzero((probability.max(axis=1) >= threshold) & ~tied)
    next_row = opportunities.next_row
    taken: list[int] = []
    at = 0
    while at < signals.size:
        row = signals[at]
        taken.append(int(row))
        at = int(np.searchsorted(signals, next_row[row, side[row]], side="left"))
    rows = np.array(taken, dtype=np.int64)
    return Trades(rows, side[rows].astype(np.int64))
