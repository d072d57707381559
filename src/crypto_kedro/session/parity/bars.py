"""Decision bars of both: whether each was decided, on which facts, and how."""

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from crypto_kedro.market.bars import MINUTE_MS
from crypto_kedro.session.parity.account_causes import account_cause
from crypto_kedro.session.parity.difference import Cause, Findings, Kind, Why
from crypto_kedro.session.parity.expected import Expected
from crypto_kedro.session.parity.live import LiveBar, LivePeriod
from crypto_kedro.trading.decide import decide
from crypto_kedro.trading.decision import Action, Decision
from crypto_kedro.trading.observation import Observation
from crypto_kedro.trading.settings import TradingSettings
from crypto_kedro.trading.signal import SignalFacts

_OF_THE_BAR = ("close", "atr", "last_return", "gap_minutes")
_OF_THE_MODEL = ("short", "flat", "long", "models")
_OF_THE_MOMENT = ("age_ms", "spread", "status")

Trial = tuple[TradingSettings, Observation]


class BarComparison:
    """Compares bar by bar.

    A decision's cause is found by deciding again: one part of what the session saw after the other is replaced by
    the backtest's, until the decision is the backtest's too.

    Args:
        live: what the session did.
        expected: what the backtest does.
        findings: takes the differences.
    """

    def __init__(self, live: LivePeriod, expected: Expected, findings: Findings) -> None:
        self._live = live
        self._expected = expected
        self._findings = findings
        self._decisions = expected.decisions()
        self._held: tuple[str, str] | None = None

    def compare(self, close_ms: int) -> None:
        """Compare the bar that closed at a moment, Unix milliseconds UTC."""
        bar, row = self._live.bars.get(close_ms), self._expected.row_at(close_ms)
        if bar is None:
            if row is not None:
                self._findings.add(Kind.BAR, close_ms, "decided", None, "decided", self._why_missing(close_ms))
            return
        if row is None:
            why = Why(Cause.UNEXPLAINED, "the backtest has no such bar.")
            self._findings.add(Kind.BAR, close_ms, "decided", "decided", None, why)
            return
        facts = self._expected.facts_at(row)
        self._compare_facts(bar, facts)
        self._compare_decision(bar, self._decisions[close_ms], facts)

    def _compare_facts(self, bar: LiveBar, facts: SignalFacts[float]) -> None:
        seen = bar.observation.facts
        names = [name for name in (*_OF_THE_BAR, *_OF_THE_MODEL) if _differs(seen, facts, name)]
        if names:
            self._findings.add(
                Kind.SIGNAL, bar.close_ms, ", ".join(names), _values(seen, names), _values(facts, names),
                self._why_other_signal(bar, names),
            )  # fmt: skip

    def _why_other_signal(self, bar: LiveBar, names: list[str]) -> Why:
        of_the_bar = [name for name in names if name in _OF_THE_BAR]
        if of_the_bar:
            return Why(Cause.CANDLES, f"{', '.join(of_the_bar)} of the bar itself came from other candles.")
        lineage, first = bar.session.start.lineage, self._live.first.start.lineage
        if lineage.bundle_digest != first.bundle_digest:
            return Why(
                Cause.MODEL_CHANGED,
                f"{bar.session.session_id} served {lineage.model_version}, not {first.model_version}.",
            )
        code = self._expected.code
        if code is not None and lineage.trader_git_sha != code:
            return Why(
                Cause.UNEXPLAINED,
                f"bar and model agree, but the session ran commit {lineage.trader_git_sha} and this is {code}; "
                "compare with the session's own code.",
            )
        return Why(
            Cause.CANDLES, "bar, model and code agree, so another candle of the features' window, or a volume, differs."
        )

    def _compare_decision(self, bar: LiveBar, expected: Decision, facts: SignalFacts[float]) -> None:
        wanted, said = outcome(expected.as_dict()), outcome(bar.record)
        if wanted == said or self._is_held_still(said, wanted):
            return
        names = [name for name in wanted if wanted[name] != said[name]]
        # Another action has another target by itself.
        names = ["action"] if "action" in names else names
        self._findings.add(
            Kind.DECISION, bar.close_ms, ", ".join(names), _words(said), _words(wanted), self._why(bar, wanted, facts)
        )

    def _is_held_still(self, said: dict[str, Any], wanted: dict[str, Any]) -> bool:
        """Whether both hold positions that differ as they did at the bar before, which has been told."""
        before = self._held
        both_hold = said["action"] == wanted["action"] == Action.HOLD.value and said["reason"] == wanted["reason"]
        self._held = (_words(said), _words(wanted)) if both_hold else None
        return both_hold and before == self._held

    def _why(self, bar: LiveBar, wanted: dict[str, Any], facts: SignalFacts[float]) -> Why:
        trial: Trial = bar.session.start.settings, bar.observation
        if _said(trial) != outcome(bar.record):
            return Why(
                Cause.UNEXPLAINED, "the core does not decide so again on what it saw; run `kedro replay` with its code."
            )
        everything = trial
        for cause, part in self._parts(bar):
            alone, everything = self._with(trial, part, facts), self._with(everything, part, facts)
            if _said(alone) == wanted:
                return self._evidence(bar, cause, part, facts)
        if _said(everything) != wanted:
            return account_cause(self._live, self._findings, bar.close_ms, bar.observation)
        some = trial
        for cause, part in self._parts(bar):
            some = self._with(some, part, facts)
            if _said(some) == wanted:
                return self._evidence(bar, cause, part, facts)
        raise AssertionError("the parts together gave the decision that is wanted")

    def _parts(self, bar: LiveBar) -> Iterator[tuple[Cause, str]]:
        """Yield what may be replaced, with what it stands for; the last ones are the likeliest to differ always."""
        yield Cause.SETTINGS_CHANGED, "settings"
        signal = self._findings.at(bar.close_ms, Kind.SIGNAL)
        if signal is not None:
            yield signal.why.cause, "signal"
        yield Cause.RULES, "rules"
        yield Cause.MOMENT, "moment"

    def _with(self, trial: Trial, part: str, facts: SignalFacts[float]) -> Trial:
        """Return the same with one part as the backtest has it."""
        settings, seen = trial
        plan, own = self._expected.plan, seen.facts
        match part:
            case "settings":
                return plan.settings, replace(seen, kelly=self._expected.kelly, funding_stage=plan.funding_stage)
            case "signal":
                return settings, replace(seen, facts=_take(own, facts, (*_OF_THE_BAR, *_OF_THE_MODEL)))
            case "rules":
                return settings, replace(seen, rules=plan.schedule.at(int(own.bar_close_ms)))
            case _:
                return settings, replace(seen, facts=_take(own, facts, _OF_THE_MOMENT))

    def _evidence(self, bar: LiveBar, cause: Cause, part: str, facts: SignalFacts[float]) -> Why:
        signal = self._findings.at(bar.close_ms, Kind.SIGNAL)
        if part == "signal" and signal is not None:
            return Why(
                cause, f"with the backtest's signal the core decides the same ({signal.why.evidence})", signal.number
            )
        seen = bar.observation.facts
        words = {
            "settings": f"with the settings of {self._live.first.session_id} the core decides the same.",
            "rules": "with the backtest's rules of that date the core decides the same.",
            "moment": f"with {_values(facts, _OF_THE_MOMENT)} in the place of {_values(seen, _OF_THE_MOMENT)} the core "
            "decides the same.",
        }
        return Why(cause, words[part])

    def _why_missing(self, close_ms: int) -> Why:
        live, until_ms = self._live, close_ms + self._expected.bar_ms
        session = live.session_at(close_ms, until_ms)
        if session is None:
            return Why(Cause.SESSION_DOWN, "no session ran while the bar was current.")
        outage = next((one for one in live.outages if one.overlaps(close_ms, until_ms)), None)
        if outage is not None:
            return Why(Cause.EXCHANGE_UNREACHABLE, outage.text)
        minute = self._expected.minute_at(close_ms - 1)
        if minute is not None and minute.is_halted:
            return Why(Cause.MARKET_HALTED, f"the bar ends in a halt of {minute.gap_minutes} minutes.")
        if session.until_ms - close_ms < MINUTE_MS and session.ended is not None:
            return Why(Cause.SESSION_DOWN, f"{session.session_id} ended right then: {session.ended}.")
        if session.until_ms < until_ms and session.ended is None:
            return Why(Cause.SESSION_DOWN, f"{session.session_id} wrote nothing more and did not say that it ended.")
        if not live.wrote_in(close_ms, until_ms):
            return Why(Cause.NO_CYCLE, f"{session.session_id} wrote nothing while the bar was current.")
        return Why(Cause.UNEXPLAINED, f"{session.session_id} ran and wrote, but did not decide the bar.")


def other_candles(live: LivePeriod, expected: Expected, at_ms: int) -> Why | None:
    """Return that the decision bar in which something happened has other candles, if its own facts say so."""
    close_ms = (at_ms // expected.bar_ms + 1) * expected.bar_ms
    seen, row = live.seen_at(close_ms), expected.row_at(close_ms)
    if seen is None or row is None:
        return None
    facts = expected.facts_at(row)
    names = [name for name in _OF_THE_BAR if _differs(seen.facts, facts, name)]
    if not names:
        return None
    return Why(Cause.CANDLES, f"{', '.join(names)} of the bar in which it happened came from other candles.")


def outcome(record: dict[str, Any]) -> dict[str, Any]:
    """Return what of a decision's record is compared: action, reason, and the target with its protection."""
    target = record["target"] or {}
    names = ("side", "amount_btc", "stop_jpy", "take_profit_jpy", "expires_at_ms")
    return {"action": record["action"], "reason": record["reason"], **{name: target.get(name) for name in names}}


def _said(trial: Trial) -> dict[str, Any]:
    return outcome(decide(*trial).as_dict())


def _take(own: SignalFacts[float], other: SignalFacts[float], names: tuple[str, ...]) -> SignalFacts[float]:
    return own._replace(**{name: getattr(other, name) for name in names})


def _differs(one: SignalFacts[float], other: SignalFacts[float], name: str) -> bool:
    # By the shortest text that gives the same float again, so that unknown equals unknown.
    return repr(getattr(one, name)) != repr(getattr(other, name))


def _values(facts: SignalFacts[float], names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(f"{name} {getattr(facts, name)}" for name in names if name != "models") or "single models"


def _words(said: dict[str, Any]) -> str:
    words = f"{said['action']} ({said['reason']})"
    if said["side"] is None:
        return words
    return (
        f"{words}: {said['side']} {said['amount_btc']} BTC, stop {said['stop_jpy']}, target {said['take_profit_jpy']}"
    )
