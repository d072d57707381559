"""A backtest's result as frames for Parquet: times are datetime64[ms, UTC], money float64 JPY, amounts float64 BTC."""

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from crypto_kedro.session.records import REASONS, BacktestResult
from crypto_kedro.trading.gates import ALL_GATES
from crypto_kedro.trading.money import LOTS_PER_BTC, UNITS_PER_JPY, Btc, Jpy, Price


def result_frames(result: BacktestResult) -> dict[str, pd.DataFrame]:
    """Return all frames by name: trades, orders, fills, refused, equity, decisions and funnel."""
    return {
        "trades": trades_frame(result),
        "orders": orders_frame(result),
        "fills": fills_frame(result),
        "refused": refused_frame(result),
        "equity": equity_frame(result),
        "decisions": decisions_frame(result),
        "funnel": funnel_frame(result),
    }


def trades_frame(result: BacktestResult) -> pd.DataFrame:
    """Return one row for each closed round trip; ``gross_jpy`` is the price move alone."""
    trades = result.trades
    entry, leaving = _jpy([t.entry_product for t in trades]), _jpy([t.exit_product for t in trades])
    amount = _btc([t.amount for t in trades])
    fees, interest = _jpy([t.fees for t in trades]), _jpy([t.interest for t in trades])
    net = _jpy([t.net for t in trades])
    return pd.DataFrame(
        {
            "side": _text([t.side.value for t in trades]),
            "amount_btc": amount,
            "opened_at": _times([t.opened_at_ms for t in trades]),
            "closed_at": _times([t.closed_at_ms for t in trades]),
            "entry_price_jpy": entry / amount,
            "exit_price_jpy": leaving / amount,
            "gross_jpy": net + fees + interest,
            "fees_jpy": fees,
            "interest_jpy": interest,
            "net_jpy": net,
            "exit_reason": _text([t.exit_reason for t in trades]),
        }
    )


def orders_frame(result: BacktestResult) -> pd.DataFrame:
    """Return one row for each accepted order, with why it was sent; a loss-cut by the exchange has no purpose."""
    orders = result.orders
    requests = [order.request for order in orders]
    sendings = [result.sendings.get(order.order_id) for order in orders]
    return pd.DataFrame(
        {
            "order_id": np.array([order.order_id for order in orders], dtype=np.int64),
            "ordered_at": _times([order.ordered_at_ms for order in orders]),
            "purpose": _text([sending.purpose.value if sending else None for sending in sendings]),
            "reason": _text([sending.reason if sending else None for sending in sendings]),
            "side": _text([request.side.value for request in requests]),
            "position_side": _text([request.position_side for request in requests]),
            "type": _text([request.type.value for request in requests]),
            "status": _text([order.status.value for order in orders]),
            "amount_btc": _btc([order.start_amount for order in orders]),
            "price_jpy": _prices([request.price for request in requests]),
            "trigger_price_jpy": _prices([request.trigger_price for request in requests]),
            "executed_btc": _btc([order.executed_amount for order in orders]),
            "executed_jpy": _jpy([order.executed_product for order in orders]),
            "triggered_at": _times([order.triggered_at_ms for order in orders]),
            "canceled_at": _times([order.canceled_at_ms for order in orders]),
        }
    )


def fills_frame(result: BacktestResult) -> pd.DataFrame:
    """Return one row for each execution; costs are positive when paid."""
    fills = result.fills
    return pd.DataFrame(
        {
            "trade_id": np.array([fill.trade_id for fill in fills], dtype=np.int64),
            "order_id": np.array([fill.order_id for fill in fills], dtype=np.int64),
            "executed_at": _times([fill.executed_at_ms for fill in fills]),
            "side": _text([fill.side.value for fill in fills]),
            "position_side": _text([fill.position_side for fill in fills]),
            "type": _text([fill.order_type.value for fill in fills]),
            "liquidity": _text([fill.liquidity.value for fill in fills]),
            "price_jpy": _prices([fill.price for fill in fills]),
            "amount_btc": _btc([fill.amount for fill in fills]),
            "fee_jpy": _jpy([fill.fee_occurred for fill in fills]),
            "interest_jpy": _jpy([fill.interest for fill in fills]),
            "profit_loss_jpy": _jpy([fill.profit_loss for fill in fills]),
        }
    )


def refused_frame(result: BacktestResult) -> pd.DataFrame:
    """Return one row for each request that the exchange did not take."""
    refused = result.refused
    return pd.DataFrame(
        {
            "sent_at": _times([item.sending.at_ms for item in refused]),
            "purpose": _text([item.sending.purpose.value for item in refused]),
            "reason": _text([item.sending.reason for item in refused]),
            "code": np.array([int(item.refusal.code) for item in refused], dtype=np.int64),
            "detail": _text([item.refusal.detail for item in refused]),
        }
    )


def equity_frame(result: BacktestResult) -> pd.DataFrame:
    """Return the account's equity at the close of every execution bar."""
    return pd.DataFrame({"closed_at": _moments(result.bar_close_ms), "equity_jpy": result.equity_units / UNITS_PER_JPY})


def decisions_frame(result: BacktestResult) -> pd.DataFrame:
    """Return one row for each call of the core; ``record`` is `Decision.as_dict` as JSON text."""
    decisions = result.decisions
    return pd.DataFrame(
        {
            "decided_at": _times([decision.at_ms for decision in decisions]),
            "action": _text([decision.action.value for decision in decisions]),
            "reason": _text([str(decision.reason) for decision in decisions]),
            "record": _text([json.dumps(decision.as_dict(), allow_nan=False) for decision in decisions]),
        }
    )


def funnel_frame(result: BacktestResult) -> pd.DataFrame:
    """Return for each reason the bars that ended with it and the bars left after it, gates first, in their order.

    Returns:
        Columns ``reason``, ``is_gate``, ``bars`` and ``bars_left``; all of ``bars`` add up to the decision bars, and
        what is left after the last gate is the bars with an entry or a position.
    """
    bars = np.bincount(result.reason_codes, minlength=len(REASONS)).astype(np.int64)
    return pd.DataFrame(
        {
            "reason": _text(list(REASONS)),
            "is_gate": np.arange(len(REASONS)) < len(ALL_GATES),
            "bars": bars,
            "bars_left": bars.sum() - np.cumsum(bars),
        }
    )


def _moments(moments_ms: np.ndarray) -> "pd.Series[pd.Timestamp]":
    return pd.Series(moments_ms.astype("datetime64[ms]")).dt.tz_localize("UTC")


def _times(moments_ms: Sequence[int | None]) -> "pd.Series[pd.Timestamp]":
    return _moments(np.array([np.datetime64("NaT") if at is None else at for at in moments_ms], dtype="datetime64[ms]"))


def _text(words: Sequence[str | None]) -> "pd.Series[str]":
    return pd.Series([None if word is None else str(word) for word in words], dtype="str")


def _jpy(sums: Sequence[Jpy]) -> np.ndarray:
    return np.array([amount.units for amount in sums], dtype=np.float64) / UNITS_PER_JPY


def _btc(amounts: Sequence[Btc | None]) -> np.ndarray:
    lots = [np.nan if amount is None else amount.lots for amount in amounts]
    return np.array(lots, dtype=np.float64) / LOTS_PER_BTC


def _prices(prices: Sequence[Price | None]) -> np.ndarray:
    return np.array([np.nan if price is None else price.ticks for price in prices], dtype=np.float64)
