"""An explanation is the very decision that the evaluation took, and says what came of it."""

import io
import json
from dataclasses import replace

import pandas as pd
import pytest
from judged import CONDITIONS, opportunities, run, span
from rich.console import Console

from crypto_kedro.errors import ConfigurationError, DataError, LineageError
from crypto_kedro.evaluation.explain import Explanation, explain_decision
from crypto_kedro.evaluation.model_trader import model_trader, trade
from crypto_kedro.explain import parse_moment
from crypto_kedro.market.bars import MINUTE_MS
from crypto_kedro.market.frame import timestamps
from crypto_kedro.market.resample import DECISION_MS
from crypto_kedro.reporting.decision_text import fact_lines, outcome_text, print_explanation, reason_text
from crypto_kedro.trading.decision import Action
from crypto_kedro.trading.gates import ALL_GATES

FRAMES = run(0.75).frames


def explain(moment_ms: int, **replaced: object) -> Explanation:
    frames = {name: replaced.get(name, FRAMES[name]) for name in ("bar_reasons", "trades")}
    history = span(0.75)
    trader = model_trader(history, opportunities(0.75), CONDITIONS)
    names = ("lightgbm", "xgboost", "random_forest")
    return explain_decision(history, trader, CONDITIONS, frames["bar_reasons"], frames["trades"], names, moment_ms)


def first_bar(reason: str) -> int:
    """Return when the first decision with this reason was taken, Unix milliseconds UTC."""
    reasons = FRAMES["bar_reasons"]
    return int(reasons.loc[reasons["reason"] == reason, "decided_at"].iloc[0].timestamp() * 1000)


def test_an_entry_is_explained_with_every_gate_and_the_trade_that_it_opened() -> None:
    moment = first_bar("signal")
    told = explain(moment)
    stored = FRAMES["decisions"].set_index("decided_at")["record"].iloc[0]
    assert told.decision.as_dict() == json.loads(stored)
    assert told.decision.action is Action.OPEN
    assert [gate.name for gate in told.decision.gates] == [rule.name for rule in ALL_GATES]
    assert told.trade is not None
    first = FRAMES["trades"].iloc[0]
    assert told.trade["opened_at"] == first["opened_at"]
    assert f"net {first['net_jpy']:+,.2f} JPY" in outcome_text(told)


def test_a_bar_at_which_the_core_was_never_called_is_explained_too() -> None:
    moment = first_bar("confidence")
    called = FRAMES["decisions"]["decided_at"].astype("datetime64[ms, UTC]").astype("int64").tolist()
    assert moment not in called
    told = explain(moment)
    assert told.decision.action is Action.STAY_FLAT
    assert reason_text(told.decision).startswith("probability of the likelier side, is 0.")
    assert "What came" not in dict(fact_lines(told))


def test_a_moment_between_two_decisions_gets_the_earlier_one_and_says_so() -> None:
    moment = first_bar("within_barriers")
    told = explain(moment + 7 * MINUTE_MS)
    assert told.decision.at_ms == moment
    assert "between two decisions" in dict(fact_lines(told))["Asked"]
    assert told.decision.action is Action.HOLD


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_moment_outside_the_span_is_refused_with_its_limits(side: str) -> None:
    opened = span(0.75).opened_ms
    moment = int(opened[0]) if side == "before" else int(opened[-1]) + 2 * DECISION_MS
    with pytest.raises(DataError, match="no out-of-sample decision was taken"):
        explain(moment)


def test_an_evaluation_that_decided_otherwise_is_refused() -> None:
    reasons = FRAMES["bar_reasons"].copy()
    reasons.loc[5, "reason"] = "volatility"
    with pytest.raises(LineageError, match="says 'volatility'"):
        explain(first_bar("signal"), bar_reasons=reasons)
    with pytest.raises(LineageError, match="not about the bars"):
        explain(first_bar("signal"), bar_reasons=FRAMES["bar_reasons"].iloc[1:])


def test_a_margin_ratio_without_a_position_is_without_limit_and_not_unknown() -> None:
    history, unproven = span(0.75), replace(CONDITIONS, unproven_kelly=0.0)
    trader = model_trader(history, opportunities(0.75), unproven)
    replayed = trade(history, trader, unproven)
    reasons = pd.DataFrame({"decided_at": timestamps(replayed.decided_at_ms), "reason": replayed.reasons})
    moment = int(replayed.decided_at_ms[replayed.reasons == "kelly"][0])
    told = explain_decision(history, trader, unproven, reasons, FRAMES["trades"], ("a", "b", "c"), moment)
    console = Console(width=200, record=True, file=io.StringIO())
    print_explanation(told, console)
    line = next(line for line in console.export_text().splitlines() if " margin_ratio " in line)
    assert "no limit" in line
    assert "pass" in line


def test_the_record_is_json() -> None:
    record = explain(first_bar("signal")).as_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_moments_are_utc_unless_they_say_otherwise() -> None:
    assert parse_moment("2018-07-24T16:00Z") == parse_moment("2018-07-24T16:00") == 1_532_448_000_000
    assert parse_moment("2018-07-25T01:00+09:00") == 1_532_448_000_000
    with pytest.raises(ConfigurationError, match="--at is 'yesterday'"):
        parse_moment("yesterday")
