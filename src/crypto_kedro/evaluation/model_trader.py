"""The model's trader out of sample: each window is traded by a model, and with a leverage, known before it began."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from crypto_kedro.evaluation.conditions import Conditions
from crypto_kedro.evaluation.span import Span
from crypto_kedro.learning.opportunities import LONG, SHORT, Opportunities, take_trades
from crypto_kedro.market.bars import FloatArray, IntArray
from crypto_kedro.session.backtest import Wake, run_backtest
from crypto_kedro.session.facts import signal_facts
from crypto_kedro.session.records import BacktestResult
from crypto_kedro.trading.orders import PositionSide
from crypto_kedro.trading.signal import SignalFacts
from crypto_kedro.trading.sizing import MIN_OUTCOMES, kelly_leverage


@dataclass(frozen=True, slots=True, eq=False)
class ModelTrader:
    """What `run_backtest` needs to trade the model's word.

    Args:
        facts: float64 columns of the m decision bars of the span.
        kelly: leverage of full Kelly at each of them, shape (m,).
        kelly_by_window: the same by window, in time order.
    """

    facts: SignalFacts[FloatArray]
    kelly: FloatArray
    kelly_by_window: dict[str, float]


def model_trader(span: Span, opportunities: Opportunities, conditions: Conditions) -> ModelTrader:
    """Return the facts and the leverage with which the model trades the span.

    Args:
        span: the history and what the model said about it.
        opportunities: what trades after the predicted bars would have brought, at the costs of the conditions.
        conditions: settings and costs.
    """
    settings = conditions.settings
    by_window = kelly_by_window(
        opportunities, span.window_starts, settings.signal.confidence_threshold, conditions.unproven_kelly
    )
    return ModelTrader(
        facts=signal_facts(span.decision_bars, span.word, settings.barriers.atr_period, conditions.spread),
        kelly=np.array([by_window[str(name)] for name in span.window]),
        kelly_by_window=by_window,
    )


def kelly_by_window(
    opportunities: Opportunities, window_starts: Mapping[str, int], threshold: float, unproven: float
) -> dict[str, float]:
    """Return the leverage of full Kelly in each window, from the outcomes known before it began.

    The outcomes are those of the trades that the model's word alone would have made in the windows before: a
    probability at the threshold, one trade at a time.

    Args:
        opportunities: of all windows.
        window_starts: when each window began, Unix milliseconds UTC.
        threshold: probability from which a trade is entered.
        unproven: the answer while there are fewer than `MIN_OUTCOMES` outcomes.
    """
    trades = take_trades(opportunities, threshold)
    outcome, ended = (column[trades.row, trades.side] for column in (opportunities.net_return, opportunities.exit_ms))
    leverage: dict[str, float] = {}
    for name, begun in window_starts.items():
        known = outcome[ended <= begun]
        leverage[name] = kelly_leverage(known.tolist()) if known.size >= MIN_OUTCOMES else unproven
    return leverage


def trade(span: Span, trader: ModelTrader, conditions: Conditions, wake: Wake = "event") -> BacktestResult:
    """Trade the span."""
    return run_backtest(span.feed, trader.facts, trader.kelly, conditions.plan(), wake)


def entered_sides(span: Span, result: BacktestResult) -> dict[str, IntArray]:
    """Return the side of each trade (0 short, 1 long) by the window of the bar that signalled it."""
    opened = np.array([trade.opened_at_ms for trade in result.trades], dtype=np.int64)
    side = np.array([LONG if trade.side is PositionSide.LONG else SHORT for trade in result.trades], dtype=np.int64)
    window = span.window[span.rows_at(opened) - 1] if opened.size else np.zeros(0, dtype=object)
    return {name: side[window == name] for name in span.window_starts}


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
