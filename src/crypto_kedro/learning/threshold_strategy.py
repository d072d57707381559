"""The simplest trader that a model can have: enter when one side's probability is high enough, leave at its barrier."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crypto_kedro.errors import LearningError
from crypto_kedro.learning.intervals import Interval, wilson_interval
from crypto_kedro.learning.labels import milliseconds
from crypto_kedro.market.bars import DAY_MS, Bars, FloatArray, IntArray
from crypto_kedro.market.costs import CostSchedule
from crypto_kedro.market.frame import open_times, timestamps

DAYS_PER_YEAR = 365
SHORT, LONG = 0, 1
DIRECTION: IntArray = np.array([-1, 1], dtype=np.int64)


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


@dataclass(frozen=True, slots=True)
class Performance:
    """Result of a trader with leverage 1 that reinvests; fractions of the starting capital unless said otherwise.

    Args:
        net_profit: compounded, after all costs.
        sharpe: mean over standard deviation of the daily returns times the root of 365; None without variation.
        max_drawdown: largest fall from a peak, as a fraction of the peak, marked at every bar's close.
        trades, long_trades, short_trades: counts.
        hit_rate: share of trades with a positive net return; None without trades.
        hit_rate_interval: of the hit rate, by Wilson.
        exposure: share of the bars with a position.
        costs_paid: fees, spread, slippage and interest of all trades.
        mean_trade_return: mean net return of a trade on its notional; None without trades.
    """

    net_profit: float
    sharpe: float | None
    max_drawdown: float
    trades: int
    long_trades: int
    short_trades: int
    hit_rate: float | None
    hit_rate_interval: Interval
    exposure: float
    costs_paid: float
    mean_trade_return: float | None


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


def equity_curve(bars: Bars, opportunities: Opportunities, trades: Trades) -> tuple[FloatArray, IntArray]:
    """Mark the account to the close of every bar.

    An open trade is marked with the costs of its whole round trip, so that closing it brings no surprise.

    Args:
        bars: decision bars that hold every trade from entry to exit.
        opportunities: what the trades were taken from.
        trades: in order, without overlap.

    Returns:
        Equity, starting capital 1, and position (-1, 0, 1) at each bar's close, both of shape (len(bars),).
        The position of the bar in which a trade ends still counts as held.
    """
    equity = np.ones(len(bars))
    position = np.zeros(len(bars), dtype=np.int64)
    entries = np.searchsorted(bars.open_time, opportunities.entry_ms[trades.row])
    exits = np.searchsorted(bars.close_time, opportunities.exit_ms[trades.row, trades.side])
    capital, flat_from = 1.0, 0
    for row, side, first, last in zip(trades.row, trades.side, entries, exits, strict=True):
        equity[flat_from:first] = capital
        gross = DIRECTION[side] * (bars.close[first:last] / bars.open[first] - 1.0)
        equity[first:last] = capital * (1.0 + gross - opportunities.cost[row, side])
        position[first : last + 1] = DIRECTION[side]
        capital *= 1.0 + opportunities.net_return[row, side]
        flat_from = last
    equity[flat_from:] = capital
    return equity, position


def trade_table(bars: Bars, opportunities: Opportunities, trades: Trades) -> pd.DataFrame:
    """Return one row a trade, for people: moments in UTC, prices in JPY, returns as fractions of the notional."""
    row, side = trades.row, trades.side
    net, cost = opportunities.net_return[row, side], opportunities.cost[row, side]
    entry_ms = opportunities.entry_ms[row]
    return pd.DataFrame(
        {
            "timestamp": timestamps(opportunities.signal_ms[row]),
            "window": pd.array(opportunities.window[row], dtype="str"),
            "side": pd.array(np.array(["short", "long"])[side], dtype="str"),
            "probability": opportunities.probability[row, side],
            "entry_time": timestamps(entry_ms),
            "entry_price_jpy": bars.open[np.searchsorted(bars.open_time, entry_ms)],
            "exit_time": timestamps(opportunities.exit_ms[row, side]),
            "gross_return": net + cost,
            "cost": cost,
            "net_return": net,
            "equity": np.cumprod(1.0 + net),
        }
    )


def measure(
    bars: Bars, opportunities: Opportunities, trades: Trades, equity: FloatArray, position: IntArray, level: float
) -> Performance:
    """Summarise the curve that `equity_curve` drew from the same trades; ``level`` is of the hit rate's interval."""
    net = opportunities.net_return[trades.row, trades.side]
    hits, count = int(np.sum(net > 0)), len(trades)
    capital_before = np.cumprod(1.0 + net) / (1.0 + net)
    return Performance(
        net_profit=float(equity[-1] - 1.0),
        sharpe=sharpe_ratio(daily_returns(bars, equity)),
        max_drawdown=max_drawdown(equity),
        trades=count,
        long_trades=int(np.sum(trades.side == LONG)),
        short_trades=int(np.sum(trades.side == SHORT)),
        hit_rate=hits / count if count else None,
        hit_rate_interval=wilson_interval(hits, count, level),
        exposure=float(np.mean(position != 0)),
        costs_paid=float(np.sum(capital_before * opportunities.cost[trades.row, trades.side])),
        mean_trade_return=float(np.mean(net)) if count else None,
    )


def daily_closes(bars: Bars) -> IntArray:
    """Return the rows of the last bar of each UTC day."""
    day = bars.open_time // DAY_MS
    return np.flatnonzero(np.append(day[1:] != day[:-1], True))


def daily_returns(bars: Bars, equity: FloatArray) -> FloatArray:
    """Return the growth of the equity over each UTC day, shape (days,), starting capital 1."""
    closing = equity[daily_closes(bars)]
    growth: FloatArray = closing / np.append(1.0, closing[:-1]) - 1.0
    return growth


def sharpe_ratio(returns: FloatArray) -> float | None:
    """Return the annualised Sharpe ratio of daily returns, 365 days a year, or None if they do not vary."""
    if returns.size < 2 or np.ptp(returns) == 0:
        return None
    return float(np.mean(returns) / np.std(returns, ddof=1) * np.sqrt(DAYS_PER_YEAR))


def max_drawdown(equity: FloatArray) -> float:
    """Return the largest fall from a peak (the starting capital of 1 included), as a fraction of the peak."""
    peak = np.maximum(1.0, np.maximum.accumulate(equity))
    return float(np.max(1.0 - equity / peak))
