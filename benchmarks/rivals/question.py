"""The question that every engine is asked, and the form of its answer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from backtest import average_range, cross_signals, crossing_plan

from crypto_kedro.market.bars import Bars, FloatArray

Side = Literal["long_flat", "long_short"]
SIDES: tuple[Side, ...] = ("long_flat", "long_short")
TRADE_COLUMNS = ("side", "amount_btc", "entry_bar", "exit_bar", "entry_jpy", "exit_jpy", "fees_jpy")


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """One-minute bars with their signals, and how they are to be traded.

    Args:
        bars: n bars in whole JPY.
        side: whether a short signal opens a short position or only ends a long one.
        signal: float64, shape (n,): 1 or -1 where a signal stands at the bar's close, else 0; met at the next open.
        stop_jpy, target_jpy: float64, shape (n,): distances that a signal at that bar brings, NaN before the first ATR.
        cash_jpy: to start with.
        fee: of each execution, as a fraction.
        risk: share of the capital that a stopped trade may cost, its two fees included.
    """

    bars: Bars
    side: Side
    signal: FloatArray
    stop_jpy: FloatArray
    target_jpy: FloatArray
    cash_jpy: float
    fee: float
    risk: float

    @property
    def shorts(self) -> bool:
        """Whether short positions are opened."""
        return self.side == "long_short"

    @property
    def cost(self) -> float:
        """Both fees of a round trip, as a fraction of its notional."""
        return 2 * self.fee


def ask(bars: Bars, side: Side) -> Question:
    """Return the question of ``benchmarks/backtest.py`` over some bars."""
    plan = crossing_plan()
    barriers, atr = plan.settings.barriers, average_range(bars)
    return Question(
        bars=bars,
        side=side,
        signal=cross_signals(bars.close),
        stop_jpy=barriers.stop_loss_atr * atr,
        target_jpy=barriers.take_profit_atr * atr,
        cash_jpy=float(plan.cash.decimal),
        fee=float(plan.schedule.at(0).margin_open_taker_fee.decimal),
        risk=float(plan.settings.sizing.risk_fraction.decimal),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What an engine made of the question.

    Args:
        trades: closed round trips in the order in which they were entered, columns `TRADE_COLUMNS`.
        equity_jpy: float64, shape (n,): equity at each bar's close, an open position at the closing price.
    """

    trades: pd.DataFrame
    equity_jpy: FloatArray

    def save(self, folder: Path) -> None:
        """Write both to a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self.trades.to_parquet(folder / "trades.parquet")
        np.save(folder / "equity.npy", self.equity_jpy)

    @classmethod
    def load(cls, folder: Path) -> "Answer":
        """Read what `save` wrote."""
        return cls(pd.read_parquet(folder / "trades.parquet"), np.load(folder / "equity.npy"))
