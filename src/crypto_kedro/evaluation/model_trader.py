"""The model's trader out of sample: each window is traded by a model, and with a leverage, known before it began."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from crypto_kedro.evaluation.account import account_history
from crypto_kedro.evaluation.conditions import Conditions
from crypto_kedro.evaluation.span import Span
from crypto_kedro.learning.opportunities import LONG, SHORT, Opportunities, Trades, take_trades
from crypto_kedro.learning.performance import AccountHistory
from crypto_kedro.market.bars import FloatArray, IntArray
from crypto_kedro.session.backtest import Wake, run_backtest
from crypto_kedro.session.facts import signal_facts
from crypto_kedro.session.records import BacktestResult
from crypto_kedro.trading.signal import SignalFacts, side_cost_columns, signal_columns
from crypto_kedro.trading.sizing import MIN_OUTCOMES, kelly_leverage


@dataclass(frozen=True, slots=True, eq=False)
class ModelTrader:
    """What `run_backtest` needs to trade the model's word.

    Args:
        facts: float64 columns of the m decision bars of the span.
        kelly: leverage of full Kelly at each of them, shape (m,).
        kelly_by_window: the same by window, in time order.
        wishes: the trades that the model asks for, see `wished_trades`; rows are those of the opportunities.
    """

    facts: SignalFacts[FloatArray]
    kelly: FloatArray
    kelly_by_window: dict[str, float]
    wishes: Trades


def steady_trader(span: Span, conditions: Conditions) -> ModelTrader:
    """Return a trader of the model's word with `Conditions.unproven_kelly` throughout; it asks for no random twin."""
    nothing = np.zeros(0, dtype=np.int64)
    leverage = np.full(span.window.size, conditions.unproven_kelly)
    return ModelTrader(facts_of(span, conditions), leverage, {}, Trades(nothing, nothing))


def facts_of(span: Span, conditions: Conditions) -> SignalFacts[FloatArray]:
    """Return what the core is told at the decision bars of the span, columns of shape (m,)."""
    return signal_facts(span.decision_bars, span.word, conditions.settings.barriers.atr_period, conditions.spread)


def model_trader(span: Span, opportunities: Opportunities, conditions: Conditions) -> ModelTrader:
    """Return the facts and the leverage with which the model trades the span.

    Args:
        span: the history and what the model said about it.
        opportunities: what trades after the predicted bars would have brought, at the costs of the conditions.
        conditions: settings and costs.
    """
    facts = facts_of(span, conditions)
    wishes = wished_trades(span, facts, opportunities, conditions)
    by_window = kelly_by_window(opportunities, wishes, span.window_starts, conditions.unproven_kelly)
    return ModelTrader(facts, np.array([by_window[str(name)] for name in span.window]), by_window, wishes)


def wished_trades(
    span: Span, facts: SignalFacts[FloatArray], opportunities: Opportunities, conditions: Conditions
) -> Trades:
    """Return the trades of a model to which the account is no obstacle: bars that pass all gates on bar and model.

    One trade at a time, each as long as the labels say.
    """
    plan = conditions.plan()
    costs = side_cost_columns(plan.schedule, facts.bar_close_ms.astype(np.int64))
    signal = signal_columns(facts, costs, plan.settings)
    direction = np.where(signal.passed, signal.direction, 0)[span.rows_at(opportunities.signal_ms)]
    asked = np.column_stack([direction < 0, direction > 0]).astype(np.float64)
    return take_trades(replace(opportunities, probability=asked), threshold=1.0)


def kelly_by_window(
    opportunities: Opportunities, trades: Trades, window_starts: Mapping[str, int], unproven: float
) -> dict[str, float]:
    """Return the leverage of full Kelly in each window, from the outcomes of trades that had ended before it began.

    Args:
        opportunities: of all windows.
        trades: taken from them.
        window_starts: when each window began, Unix milliseconds UTC.
        unproven: the answer while there are fewer than `MIN_OUTCOMES` outcomes.
    """
    outcome, ended = (column[trades.row, trades.side] for column in (opportunities.net_return, opportunities.exit_ms))
    leverage: dict[str, float] = {}
    for name, begun in window_starts.items():
        known = outcome[ended <= begun]
        leverage[name] = kelly_leverage(known.tolist()) if known.size >= MIN_OUTCOMES else unproven
    return leverage


def trade(span: Span, trader: ModelTrader, conditions: Conditions, wake: Wake = "event") -> BacktestResult:
    """Trade the span."""
    return run_backtest(span.feed, trader.facts, trader.kelly, conditions.plan(), wake)


def account_of(span: Span, trader: ModelTrader, conditions: Conditions) -> AccountHistory:
    """Trade the span and return the account's history."""
    return account_history(trade(span, trader, conditions), span.feed, conditions.capital)


def signal_rows(span: Span, result: BacktestResult) -> IntArray:
    """Return the row of the decision bar that signalled each trade, shape (trades,)."""
    rows: IntArray = span.rows_at(np.array([trade.opened_at_ms for trade in result.trades], dtype=np.int64)) - 1
    return rows


def with_entries(trader: ModelTrader, row: IntArray, side: IntArray) -> ModelTrader:
    """Return a trader that is certain of the given sides at the given rows, and of nothing elsewhere."""
    probability = {name: np.zeros(trader.kelly.size) for name in (SHORT, LONG)}
    for name, column in probability.items():
        column[row[side == name]] = 1.0
    short, long = probability[SHORT], probability[LONG]
    flat = 1.0 - short - long
    return replace(
        trader, facts=trader.facts._replace(short=short, flat=flat, long=long, models=((short, flat, long),))
    )
