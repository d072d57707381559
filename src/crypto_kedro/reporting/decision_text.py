"""One decision in words and as a table for the terminal."""

import math
from datetime import UTC, datetime, timedelta, timezone

from rich.console import Console
from rich.table import Table

from crypto_kedro.evaluation.explain import Explanation
from crypto_kedro.serving.probability import CLASS_NAMES
from crypto_kedro.trading.decision import Action, Decision, Reason
from crypto_kedro.trading.gates import Gate

_JST = timezone(timedelta(hours=9), "JST")

GATE_MEANINGS = {
    "data_age_ms": "age of the bar, ms",
    "exchange_status": "state of the exchange, 0 is normal",
    "gap_minutes": "trading halt that touches the bar, minutes",
    "confidence": "probability of the likelier side",
    "agreement": "share of the models on that side",
    "expected_value": "expected value after costs, fraction of the notional",
    "spread": "spread, fraction of the price",
    "price_jump": "last return, either way",
    "volatility": "average true range, fraction of the price",
    "unexplained_lots": "lots held that the fills do not explain",
    "position_lots": "lots already held",
    "pending_entries": "orders that would open a position",
    "margin_state": "state of the margin account, 0 is normal",
    "funding_stage": "allowed stage against the earned one",
    "drawdown": "deepest fall from the peak of equity",
    "weekly_loss": "loss of the JST week, fraction of the capital",
    "daily_loss": "loss of the JST day, fraction of the capital",
    "loss_pause_ms": "rest of the pause after losses in a row, ms",
    "trades_today": "trades opened in the JST day",
    "kelly": "full Kelly leverage of earlier trades",
    "amount_lots": "amount to enter with, lots of 0.0001 BTC",
    "margin_ratio": "margin ratio with the entry",
}
_REASONS = {
    Reason.SIGNAL: "every gate passes",
    Reason.WITHIN_BARRIERS: "the position is within its stop, target and time limit",
    Reason.TIME_LIMIT: "the position has reached its time limit",
    Reason.OPPOSITE_SIGNAL: "the model favours the other side, and every gate on the bar passes for it",
    Reason.STOP_PASSED: "the close stands at or beyond the stop",
    Reason.NO_PROTECTION: "no stop rests at the exchange and none can be reckoned",
    Reason.MARGIN_CALL: "the margin account is not in its normal state",
    Reason.BOTH_SIDES_OPEN: "a long and a short position are open at once",
}
_ACTIONS = {
    Action.OPEN: "open a position",
    Action.STAY_FLAT: "stay flat",
    Action.HOLD: "hold the position",
    Action.CLOSE: "close the position",
}
_LIMITS = {
    "risk": "the share of the capital at risk to the stop",
    "leverage": "the largest leverage",
    "kelly": "the fraction of Kelly",
    "margin_floor": "the margin ratio that an entry must leave",
    "available": "what the exchange says may still be opened",
    "exchange_maximum": "the largest market order",
}
_EXITS = {
    "stop": "at its stop",
    "target": "at its target",
    "losscut": "by the exchange's loss-cut",
    "trigger_met": "at once, as its stop or target was already met",
}


def print_explanation(explanation: Explanation, console: Console) -> None:
    """Print a decision: its bar, the model's word, what was decided and why, the gates, and what came of it."""
    facts = Table(show_header=False, box=None, title=_title(explanation), title_justify="left", title_style="bold")
    facts.add_column(style="cyan", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, text in fact_lines(explanation):
        facts.add_row(name, text)
    console.print(facts)
    console.print(_gate_table(explanation.decision))


def fact_lines(explanation: Explanation) -> list[tuple[str, str]]:
    """Return what is to be said beside the gates: name and text of each line."""
    decision, facts = explanation.decision, explanation.decision.facts
    bar = f"{_both(explanation.opened_ms)} to {_both(decision.at_ms)}"
    lines = [("Asked", _asked(explanation)), ("Bar", f"{bar}, test window {explanation.window}")]
    lines.append(("Market", f"close {facts.close:,.0f} JPY, average true range {_number(facts.atr)} JPY"))
    lines.append(("Ensemble", _probabilities((facts.short, facts.flat, facts.long), ", calibrated")))
    lines += [(name, _probabilities(said)) for name, said in zip(explanation.models, facts.models, strict=True)]
    lines += [("Decision", _ACTIONS[decision.action]), ("Reason", f"{decision.reason}: {reason_text(decision)}")]
    if decision.target is not None:
        lines.append(("Target", _target(decision)))
    if decision.limited_by is not None and (decision.action is Action.OPEN or decision.reason == "amount_lots"):
        lines.append(("Size set by", f"{decision.limited_by}: {_LIMITS[decision.limited_by]}"))
    if decision.action is not Action.STAY_FLAT:
        lines.append(("What came", outcome_text(explanation)))
    return lines


def reason_text(decision: Decision) -> str:
    """Return why, in words."""
    if decision.reason in _REASONS:
        return _REASONS[Reason(decision.reason)]
    gate = decision.gates[decision.reason]
    return f"{GATE_MEANINGS[gate.name]}, is {_number(gate.value)} and must be {gate.symbol} {_number(gate.threshold)}"


def outcome_text(explanation: Explanation) -> str:
    """Return what became of the trade that a decision opened, or in which it was taken."""
    trade = explanation.trade
    if trade is None:
        return "no closed trade follows: the entry was not filled, or the position is open where the history ends"
    exit_reason = str(trade["exit_reason"])
    how = _EXITS.get(exit_reason) or f"by a decision ({exit_reason}: {_REASONS[Reason(exit_reason)]})"
    side = "long" if trade["side"] > 0 else "short"
    return (
        f"the {side} trade of {trade['amount_btc']:.4f} BTC from {trade['opened_at']:%Y-%m-%d %H:%M} at "
        f"{trade['entry_price_jpy']:,.0f} JPY ended {how} on {trade['closed_at']:%Y-%m-%d %H:%M} UTC at "
        f"{trade['exit_price_jpy']:,.0f} JPY: net {trade['net_jpy']:+,.2f} JPY after {trade['fee_jpy']:,.2f} JPY "
        f"of fees and {trade['interest_jpy']:,.2f} JPY of interest"
    )


def _title(explanation: Explanation) -> str:
    return f"Decision of {_both(explanation.decision.at_ms)}, at the close of the bar that ended then"


def _asked(explanation: Explanation) -> str:
    if explanation.asked_ms == explanation.decision.at_ms:
        return _both(explanation.asked_ms)
    return f"{_both(explanation.asked_ms)}, between two decisions; this is the last one before it"


def _target(decision: Decision) -> str:
    target = decision.target
    assert target is not None
    protection = target.protection
    take_profit = "none" if protection.take_profit is None else f"{protection.take_profit.ticks:,} JPY"
    return (
        f"{target.side.value} {target.amount} BTC, stop {protection.stop.ticks:,} JPY, target {take_profit}, "
        f"closed at the latest {_both(protection.expires_at_ms)}"
    )


def _gate_table(decision: Decision) -> Table:
    entering = decision.action in (Action.OPEN, Action.STAY_FLAT)
    title = "Gates" if entering else "Gates (they judge a new entry; the position does not hang on them)"
    table = Table(title=title, title_justify="left")
    for heading in ("#", "Gate", "What it looks at"):
        table.add_column(heading, overflow="fold")
    for heading in ("Value", "Rule", "Threshold"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Verdict", no_wrap=True)
    for number, gate in enumerate(decision.gates, start=1):
        table.add_row(str(number), gate.name, GATE_MEANINGS[gate.name], *_compared(gate), _verdict(gate))
    return table


def _compared(gate: Gate) -> tuple[str, str, str]:
    return _number(gate.value), gate.symbol, _number(gate.threshold)


def _verdict(gate: Gate) -> str:
    return "[green]pass[/green]" if gate.passed else "[red]FAIL[/red]"


def _probabilities(said: tuple[float, ...], note: str = "") -> str:
    if not all(math.isfinite(value) for value in said):
        return "nothing: the bar has no features"
    return ", ".join(f"{name} {value:.4f}" for name, value in zip(CLASS_NAMES, said, strict=True)) + note


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "unknown" if math.isnan(value) else "no limit"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.6g}"


def _both(moment_ms: int) -> str:
    moment = datetime.fromtimestamp(moment_ms / 1000, UTC)
    local = moment.astimezone(_JST)
    day = "" if local.date() == moment.date() else f"{local:%m-%d} "
    return f"{moment:%Y-%m-%d %H:%M} UTC ({day}{local:%H:%M} JST)"
