"""One decision of an evaluation, replayed exactly, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from crypto_kedro.errors import DataError, LineageError
from crypto_kedro.evaluation.conditions import Conditions
from crypto_kedro.evaluation.model_trader import ModelTrader, trade
from crypto_kedro.evaluation.span import Span
from crypto_kedro.market.frame import timestamps
from crypto_kedro.market.moments import utc_iso, utc_text
from crypto_kedro.market.resample import DECISION_MS
from crypto_kedro.session.records import BacktestResult
from crypto_kedro.trading.decision import Action, Decision


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision and its surroundings.

    Args:
        asked_ms: the moment asked for, Unix milliseconds UTC.
        decision: taken then, or the last one before; `Decision.at_ms` is the close of the bar that it judged.
        window: test window of that bar.
        models: names of the single models, in the order of ``decision.facts.models``.
        trade: row of the closed trade that the decision opened, or in which it was taken; None without one.
    """

    asked_ms: int
    decision: Decision
    window: str
    models: tuple[str, ...]
    trade: Mapping[str, Any] | None

    @property
    def opened_ms(self) -> int:
        """When the judged bar opened, Unix milliseconds UTC."""
        return self.decision.at_ms - DECISION_MS

    def as_dict(self) -> dict[str, Any]:
        """Return the record as JSON values; ``decision`` is `Decision.as_dict`."""
        return {
            "asked_at": utc_iso(self.asked_ms),
            "bar_opened_at": utc_iso(self.opened_ms),
            "decided_at": utc_iso(self.decision.at_ms),
            "window": self.window,
            "model_names": list(self.models),
            "decision": self.decision.as_dict(),
            "trade": None if self.trade is None else {name: _json_value(value) for name, value in self.trade.items()},
        }


def explain_decision(
    span: Span,
    trader: ModelTrader,
    conditions: Conditions,
    bar_reasons: pd.DataFrame,
    trades: pd.DataFrame,
    models: tuple[str, ...],
    asked_ms: int,
) -> Explanation:
    """Trade the span again and return the decision of a moment, with the account as it was then.

    Args:
        span: the history that the evaluation traded.
        trader: the model's.
        conditions: those of the evaluation.
        bar_reasons: what the evaluation left: ``decided_at``, ``window`` and ``reason`` of every decision bar.
        trades: the closed trades that it left.
        models: names of the single models.
        asked_ms: Unix milliseconds UTC; between two decisions the earlier one is explained.

    Raises:
        DataError: the moment lies outside the decisions of the span.
        LineageError: the evaluation on disk decided otherwise, or about other bars.
    """
    row = decision_row(span, asked_ms)
    # Only a replay that calls the core at every bar has a record of each of them.
    replayed = trade(span, trader, conditions, "every_bar")
    _compare(replayed, bar_reasons)
    decision = replayed.decisions[row]
    return Explanation(asked_ms, decision, str(span.window[row]), models, trade_of(decision, trades))


def decision_row(span: Span, moment_ms: int) -> int:
    """Return the decision bar of the span that closed last at a moment, Unix milliseconds UTC.

    Raises:
        DataError: none had closed, or the span had ended.
    """
    row = (moment_ms - int(span.opened_ms[0])) // DECISION_MS - 1
    if not 0 <= row < len(span.window):
        first, last = int(span.opened_ms[0]) + DECISION_MS, int(span.opened_ms[-1]) + DECISION_MS
        raise DataError(
            f"explain: no out-of-sample decision was taken at {utc_text(moment_ms)}; "
            f"give a moment from {utc_text(first)} to {utc_text(last)}"
        )
    return row


def trade_of(decision: Decision, trades: pd.DataFrame) -> Mapping[str, Any] | None:
    """Return the closed trade that a decision opened, or in which it was taken; None without one.

    Args:
        decision: taken on an account that trades one position at a time.
        trades: closed trades with ``opened_at`` and ``closed_at``.
    """
    if decision.action is Action.STAY_FLAT:
        return None
    at, following = timestamps(np.array([decision.at_ms, decision.at_ms + DECISION_MS]))
    if decision.action is Action.OPEN:
        rows = trades[(trades["opened_at"] >= at) & (trades["opened_at"] < following)]
    else:
        rows = trades[(trades["opened_at"] < at) & (trades["closed_at"] >= at)]
    return None if rows.empty else {str(name): value for name, value in rows.iloc[0].items()}


def _compare(replayed: BacktestResult, bar_reasons: pd.DataFrame) -> None:
    """Refuse an evaluation on disk that is not the one replayed."""
    again = "run `kedro run --pipelines evaluation` again, or give the --params that it was run with"
    if not timestamps(replayed.decided_at_ms).equals(pd.DatetimeIndex(bar_reasons["decided_at"])):
        raise LineageError(f"explain: bar_reasons is not about the bars of the signals; {again}")
    stored = bar_reasons["reason"].to_numpy(dtype=object)
    wrong = np.flatnonzero(stored != replayed.reasons)
    if wrong.size:
        at = int(wrong[0])
        raise LineageError(
            f"explain: the evaluation on disk says {stored[at]!r} at {utc_text(int(replayed.decided_at_ms[at]))}, "
            f"the present parameters and code say {replayed.reasons[at]!r}; {again}"
        )


def _json_value(value: Any) -> Any:
    if isinstance(value, pd.Timestamp):
        return utc_iso(int(value.timestamp() * 1000))
    return value.item() if isinstance(value, np.generic) else value
