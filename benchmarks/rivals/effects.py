"""Explains an engine's equity by changing one rule of ours at a time until the ledger's equity is the engine's."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from crypto_kedro.market.bars import FloatArray
from rivals.ledger import OURS, Rulebook, keep_books
from rivals.question import Answer, Question

TOLERANCE_JPY = 1.0
"""Floats of a rival add up otherwise than decimals; less than this, at every bar, is no difference."""

EXACT_JPY = 0.00005
"""Half of the finest money in our account: whatever is nearer is the same amount."""


@dataclass(frozen=True, slots=True)
class Step:
    """One rule in which a rival differs from us: what it does instead, and the fields of the rulebook that say so."""

    effect: str
    changes: dict[str, Any]


_TURNS = Step("turns round in one order, a bar earlier", {"turns_at_once": True})
_FRACTIONS = Step("distances and costs in fractions of a yen", {"whole_yen": False})
_FEES = Step("fees not rounded to 0.0001 JPY", {"fee_step_jpy": None})

STEPS: dict[str, tuple[Step, ...]] = {
    "backtesting.py": (
        _TURNS,
        Step("stop and target act inside the entry bar", {"guards_entry_bar": True}),
        Step("stop before a target that the open has passed", {"stop_first": True}),
        Step("stop and target measured from the signal's close", {"distances_from": "signal_close"}),
        _FRACTIONS,
        Step("amounts in satoshi, not lots of 0.0001 BTC", {"lot_btc": Decimal("1E-8")}),
        _FEES,
        Step("risk of all equity, not capped at the capital stage", {"capital": "equity"}),
        Step("prices as floats in JPY per satoshi", {"price_scale": Decimal("1E-8")}),
    ),
    "vectorbt": (
        _TURNS,
        Step("stop hit anywhere in a bar: the order at its open is lost", {"stop_outranks_open": True}),
        Step("no market order when the entry bar closes past stop or target", {"leaves_if_met": False}),
        Step("stop before a target that the open has passed", {"stop_first": True}),
        Step("amount fixed beforehand, from the starting capital", {"capital": "start"}),
        _FRACTIONS,
        Step("amounts not floored to lots", {"lot_btc": None}),
        _FEES,
        Step("stop and target as float fractions of the entry price", {"relative_stops": True}),
    ),
}


class UnexplainedDifferenceError(AssertionError):
    """The ledger does not reproduce an engine; a rule of it is not understood."""


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """From our equity to a rival's.

    Args:
        rival: its name.
        table: one row for each effect, in order: its name, JPY at the last close, and closed trades after it.
        curves: float64, shape (effects, n): each effect on the equity at every close, in JPY.
        unexplained_jpy: what the effects leave at the last close.
        worst_jpy: the largest absolute amount they leave at any close.
    """

    rival: str
    table: pd.DataFrame
    curves: FloatArray
    unexplained_jpy: float
    worst_jpy: float


def rulebooks(steps: Sequence[Step]) -> Iterator[Rulebook]:
    """Yield our rules, then those after each step."""
    rules = OURS
    yield rules
    for step in steps:
        rules = replace(rules, **step.changes)
        yield rules


def require_ours(question: Question, ours: Answer) -> None:
    """Hold our engine against the ledger: the same trades in every column, and the same 0.0001 JPY at every close.

    Raises:
        UnexplainedDifferenceError: they differ.
    """
    ledger = keep_books(question, OURS)
    worst = float(np.max(np.abs(ledger.equity_jpy - ours.equity_jpy)))
    if worst >= EXACT_JPY or not np.array_equal(ledger.trades, ours.trades):
        raise UnexplainedDifferenceError(
            f"our engine ({len(ours.trades)} trades) and the ledger ({len(ledger.trades)}) differ by up to "
            f"{worst:,.4f} JPY; find the first trade in which they differ"
        )


def same_trades(left: pd.DataFrame, right: pd.DataFrame) -> bool:
    """Whether both entered and left on the same sides at the same bars."""
    keys = ["side", "entry_bar", "exit_bar"]
    return len(left) == len(right) and bool((left[keys].to_numpy() == right[keys].to_numpy()).all())


def explain(question: Question, rival: str, ours: Answer, theirs: Answer) -> Explanation:
    """Return by which effects a rival's equity differs from ours.

    Raises:
        UnexplainedDifferenceError: trades differ from the ledger's, or the effects leave a yen or more at any close.
    """
    steps = STEPS[rival]
    answers = [keep_books(question, rules) for rules in rulebooks(steps)]
    curves = np.diff([answer.equity_jpy for answer in answers], axis=0)
    left = theirs.equity_jpy - ours.equity_jpy - curves.sum(axis=0)
    worst = float(np.max(np.abs(left)))
    if worst >= TOLERANCE_JPY or not same_trades(answers[-1].trades, theirs.trades):
        raise UnexplainedDifferenceError(
            f"{rival} differs from the ledger by up to {worst:,.2f} JPY ({len(theirs.trades)} trades, the ledger "
            f"{len(answers[-1].trades)}); a rule of it is missing in rivals/effects.py"
        )
    table = pd.DataFrame(
        {
            "effect": [step.effect for step in steps],
            "jpy": curves[:, -1],
            "trades": [len(answer.trades) for answer in answers[1:]],
        }
    )
    return Explanation(rival, table, curves, float(left[-1]), worst)
