"""A backtest's result as the account's history, bar by bar and trade by trade."""

import numpy as np
import pandas as pd

from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.learning.performance import AccountHistory
from crypto_kedro.market.bars import FloatArray, IntArray
from crypto_kedro.market.frame import timestamps
from crypto_kedro.session.frames import trades_frame
from crypto_kedro.session.records import BacktestResult, Trade
from crypto_kedro.trading.money import LOTS_PER_BTC, PRODUCT_UNITS, UNITS_PER_JPY, Jpy
from crypto_kedro.trading.orders import PositionSide


def account_history(result: BacktestResult, feed: BarFeed, capital: Jpy) -> AccountHistory:
    """Return the record of a backtest's account, one row an execution bar.

    Args:
        result: of `run_backtest` on the feed.
        feed: the execution bars.
        capital: what the account held before the first bar.
    """
    bars = feed.bars
    equity = pd.DataFrame(
        {
            "timestamp": timestamps(bars.open_time),
            "equity_jpy": result.equity_units / UNITS_PER_JPY,
            "position_btc": _positions(result, bars.open_time),
            "close_jpy": bars.close,
        }
    )
    return AccountHistory(equity, _trades(result, feed), capital.units / UNITS_PER_JPY)


def _positions(result: BacktestResult, open_time: IntArray) -> FloatArray:
    """Return the BTC held at the close of each bar, negative for short, shape (n,)."""
    margin = [fill for fill in result.fills if fill.position_side is not None]
    change = np.array(
        [
            fill.amount.lots * (1 if (fill.position_side is PositionSide.LONG) == fill.is_opening else -1)
            for fill in margin
        ],
        dtype=np.int64,
    )
    filled_at = np.array([fill.executed_at_ms for fill in margin], dtype=np.int64)
    bar = np.searchsorted(open_time, filled_at, side="right") - 1
    lots = np.zeros(open_time.size, dtype=np.int64)
    np.add.at(lots, bar, change)
    return np.cumsum(lots) / LOTS_PER_BTC


def _trades(result: BacktestResult, feed: BarFeed) -> pd.DataFrame:
    frame = trades_frame(result).rename(columns={"fees_jpy": "fee_jpy"})
    frame["side"] = np.where(frame["side"] == PositionSide.LONG.value, 1, -1).astype(np.int8)
    reached = np.array([_excursion(trade, feed) for trade in result.trades], dtype=np.float64).reshape(-1, 2)
    frame["mae_jpy"], frame["mfe_jpy"] = reached[:, 0], reached[:, 1]
    return frame


def _excursion(trade: Trade, feed: BarFeed) -> tuple[float, float]:
    """Return the deepest loss and the highest gain while a trade was open, in JPY before costs.

    The bar of the exit counts only with the price of the exit, since what it reached afterwards is not the trade's.
    """
    bars = feed.bars
    first, last = np.searchsorted(bars.open_time, [trade.opened_at_ms, trade.closed_at_ms], side="right") - 1
    product = trade.amount.lots * PRODUCT_UNITS
    entry, leaving = trade.entry_product.units / product, trade.exit_product.units / product
    low = min(leaving, float(np.min(bars.low[first:last], initial=np.inf)))
    high = max(leaving, float(np.max(bars.high[first:last], initial=-np.inf)))
    against, towards = (low, high) if trade.side is PositionSide.LONG else (high, low)
    direction = 1.0 if trade.side is PositionSide.LONG else -1.0
    amount = trade.amount.lots / LOTS_PER_BTC
    return min(direction * (against - entry), 0.0) * amount, max(direction * (towards - entry), 0.0) * amount
