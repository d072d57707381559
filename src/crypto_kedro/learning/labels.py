"""Triple-barrier labels: what a long and a short trade opened after each bar would have earned, net of costs."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crypto_kedro.errors import ConfigurationError, LearningError
from crypto_kedro.features.kernels import atr
from crypto_kedro.market.bars import Bars, FloatArray, IntArray
from crypto_kedro.market.costs import CostSchedule
from crypto_kedro.market.frame import timestamps

BoolArray = NDArray[np.bool_]


class Label(IntEnum):
    """The classes of the model, in the order of its probability columns."""

    SHORT = 0
    FLAT = 1
    LONG = 2


class Outcome(IntEnum):
    """How a simulated trade ended."""

    STOP_LOSS = -1
    TIME_LIMIT = 0
    TAKE_PROFIT = 1


@dataclass(frozen=True, slots=True)
class BarrierRule:
    """Where a simulated trade ends.

    Args:
        atr_period: bars of Wilder's average true range that scales both barriers.
        take_profit_atr: distance of the take-profit from the entry, in ATR of the signal bar.
        stop_loss_atr: distance of the stop-loss from the entry, in ATR of the signal bar.
        max_bars: bars that a trade may last; it then leaves at the close of the last one.

    Raises:
        ConfigurationError: a value is not positive.
    """

    atr_period: int = 14
    take_profit_atr: float = 2.0
    stop_loss_atr: float = 2.0
    max_bars: int = 24

    def __post_init__(self) -> None:
        for name in ("atr_period", "take_profit_atr", "stop_loss_atr", "max_bars"):
            if not getattr(self, name) > 0:
                raise ConfigurationError(f"labels.{name} is {getattr(self, name)}; it must be above 0")


@dataclass(frozen=True, slots=True, eq=False)
class LabelledBars:
    """Labels of the bars that can have one, and how many bars cannot.

    Args:
        frame: one row a labelled bar, oldest first: ``timestamp`` (the signal bar's open), ``label`` (int8, see
            `Label`), ``label_end`` (the moment from which both trades are known), ``long_return`` and
            ``short_return`` (net, as fractions of the entry's notional), ``long_exit`` and ``short_exit`` (close
            of the bar in which the trade ended), ``long_outcome`` and ``short_outcome`` (int8, see `Outcome`).
            Moments are ``datetime64[ms, UTC]``.
        dropped: bars without a label by reason: ``no_atr``, ``past_end``, ``halt``.
    """

    frame: pd.DataFrame
    dropped: dict[str, int]

    def shares(self) -> dict[str, float]:
        """Return the share of each class among the labelled bars."""
        counts = np.bincount(self.frame["label"], minlength=len(Label))
        return {label.name.lower(): float(counts[label] / len(self.frame)) for label in Label}


@dataclass(frozen=True, slots=True, eq=False)
class _Path:
    """Prices that a trade lives through, each array of shape (bars,)."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _Trades:
    """How the trades of one side ended, each array of shape (signal rows,)."""

    price: FloatArray
    bars_held: IntArray
    outcome: NDArray[np.int8]


def milliseconds(moments: pd.Series) -> IntArray:
    """Return a column of UTC moments as Unix milliseconds, shape (n,)."""
    return pd.DatetimeIndex(moments).as_unit("ms").asi8


def label_bars(bars: Bars, rule: BarrierRule, costs: CostSchedule, max_gap_minutes: int) -> LabelledBars:
    """Simulate a long and a short trade after each bar and label the bar by the one that pays.

    The trade enters at the open of the next bar and leaves at the first barrier that the market touches. A bar that
    opens beyond a barrier fills at its open; when one bar touches both barriers the stop-loss is taken to be first.
    The label is long (short) if the long (short) trade reaches its take-profit first and earns more than its costs;
    otherwise it is flat. Whether a bar is labelled depends on its whole horizon of ``max_bars``, not on how soon
    its trade ends, so that outcomes have no part in the selection.

    Args:
        bars: decision bars.
        rule: barriers and time limit.
        costs: fees, spread, slippage and interest of the round trip.
        max_gap_minutes: a bar whose horizon touches a longer trading halt gets no label.

    Raises:
        LearningError: no bar at all can be labelled.

    Source: Lopez de Prado, Advances in Financial Machine Learning (2018), section 3.3.
    """
    unit = atr(bars, rule.atr_period)
    kept, dropped = _labellable(bars, unit, rule.max_bars, max_gap_minutes)
    rows = np.flatnonzero(kept)
    if rows.size == 0:
        raise LearningError(
            f"labels: none of {len(bars)} bars can be labelled (dropped: {dropped}); "
            "take more data, a shorter labels.max_bars or a larger labels.max_gap_minutes"
        )
    return LabelledBars(_label_frame(bars, rows, unit[rows], rule, costs), dropped)


def _label_frame(bars: Bars, rows: IntArray, unit: FloatArray, rule: BarrierRule, costs: CostSchedule) -> pd.DataFrame:
    entry = bars.open[rows + 1]
    profit, loss = rule.take_profit_atr * unit, rule.stop_loss_atr * unit
    long = _follow(_Path(bars.open, bars.high, bars.low, bars.close), rows, entry + profit, entry - loss, rule.max_bars)
    # A short trade is a long trade in the market turned upside down, at negative prices.
    mirror = _Path(-bars.open, -bars.low, -bars.high, -bars.close)
    short = _follow(mirror, rows, profit - entry, -entry - loss, rule.max_bars)
    opened = bars.close_time[rows]
    long_exit, short_exit = bars.close_time[rows + long.bars_held], bars.close_time[rows + short.bars_held]
    long_return = long.price / entry - 1.0 - costs.round_trip(opened, long_exit)
    short_return = 1.0 + short.price / entry - costs.round_trip(opened, short_exit)
    return pd.DataFrame(
        {
            "timestamp": timestamps(bars.open_time[rows]),
            "label": _labels(long, short, long_return, short_return),
            "label_end": timestamps(np.maximum(long_exit, short_exit)),
            "long_return": long_return,
            "short_return": short_return,
            "long_exit": timestamps(long_exit),
            "short_exit": timestamps(short_exit),
            "long_outcome": long.outcome,
            "short_outcome": short.outcome,
        }
    )


def _labellable(bars: Bars, unit: FloatArray, max_bars: int, max_gap_minutes: int) -> tuple[BoolArray, dict[str, int]]:
    """Return which bars can be labelled, shape (n,), and the count of the others by their first reason."""
    n = len(bars)
    no_atr = ~(np.isfinite(unit) & (unit > 0))
    past_end = np.arange(n) + max_bars >= n
    halted_before = np.concatenate([[0], np.cumsum(bars.gap_minutes > max_gap_minutes)])
    last = np.minimum(np.arange(n) + max_bars, n - 1)
    halt = halted_before[last + 1] > halted_before[:n]
    dropped = {
        "no_atr": int(np.sum(no_atr)),
        "past_end": int(np.sum(past_end & ~no_atr)),
        "halt": int(np.sum(halt & ~past_end & ~no_atr)),
    }
    return ~(no_atr | past_end | halt), dropped


def _follow(path: _Path, rows: IntArray, take_profit: FloatArray, stop_loss: FloatArray, max_bars: int) -> _Trades:
    """Follow the long trade of every signal row bar by bar, all rows at once."""
    price = path.close[rows + max_bars]
    held = np.full(rows.size, max_bars, dtype=np.int64)
    outcome = np.full(rows.size, Outcome.TIME_LIMIT, dtype=np.int8)
    open_trades = np.arange(rows.size)
    for step in range(1, max_bars + 1):
        bar = rows[open_trades] + step
        upper, lower = take_profit[open_trades], stop_loss[open_trades]
        opened, high, low = path.open[bar], path.high[bar], path.low[bar]
        stopped = (low <= lower) & (opened < upper)
        ended = stopped | (high >= upper)
        fill = np.where(stopped, np.minimum(opened, lower), np.maximum(opened, upper))
        price[open_trades[ended]] = fill[ended]
        held[open_trades[ended]] = step
        outcome[open_trades[ended]] = np.where(stopped, Outcome.STOP_LOSS, Outcome.TAKE_PROFIT)[ended]
        open_trades = open_trades[~ended]
    return _Trades(price, held, outcome)


def _labels(long: _Trades, short: _Trades, long_return: FloatArray, short_return: FloatArray) -> NDArray[np.int8]:
    """Return the class of every row; a tie within one bar, whose order cannot be known, is flat."""
    long_wins = (long.outcome == Outcome.TAKE_PROFIT) & (long_return > 0)
    short_wins = (short.outcome == Outcome.TAKE_PROFIT) & (short_return > 0)
    long_first = long_wins & (~short_wins | (long.bars_held < short.bars_held))
    short_first = short_wins & (~long_wins | (short.bars_held < long.bars_held))
    return np.select([long_first, short_first], [np.int8(Label.LONG), np.int8(Label.SHORT)], np.int8(Label.FLAT))
