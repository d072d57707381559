"""What the core decided and why, as a value and as one record."""

import math
from enum import StrEnum
from typing import Any

from msgspec import Struct

from crypto_kedro.market.moments import utc_iso
from crypto_kedro.trading.gates import GateReport
from crypto_kedro.trading.money import Btc
from crypto_kedro.trading.orders import PositionSide
from crypto_kedro.trading.protection import Barriers, Protection
from crypto_kedro.trading.signal import SignalFacts


class Action(StrEnum):
    """What becomes of the position."""

    STAY_FLAT = "stay_flat"
    OPEN = "open"
    HOLD = "hold"
    CLOSE = "close"


class Reason(StrEnum):
    """Why, when it is not a gate that failed."""

    SIGNAL = "signal"
    WITHIN_BARRIERS = "within_barriers"
    TIME_LIMIT = "time_limit"
    OPPOSITE_SIGNAL = "opposite_signal"
    STOP_PASSED = "stop_passed"
    NO_PROTECTION = "no_protection"
    MARGIN_CALL = "margin_call"
    BOTH_SIDES_OPEN = "both_sides_open"


class Target(Struct, frozen=True):
    """The position to have.

    Args:
        side: long or short.
        amount: BTC.
        protection: what must rest at the exchange for it; before the entry fills, reckoned from the closing price.
        barriers: distances for `protect` once the entry's price is known; None for a position that is already open.
    """

    side: PositionSide
    amount: Btc
    protection: Protection
    barriers: Barriers | None


class Decision(Struct, frozen=True):
    """One cycle's decision.

    Args:
        at_ms: when, Unix milliseconds UTC.
        action: what becomes of the position.
        reason: a `Reason`, or the name of the first gate that failed when an account without position stays flat.
        target: the position to have; None is flat.
        gates: what every gate of an entry said, also while a position is held.
        limited_by: the cap that set the size; None when there was nothing to size.
        facts: the bar and the model's word, as observed.
    """

    at_ms: int
    action: Action
    reason: str
    target: Target | None
    gates: GateReport
    limited_by: str | None
    facts: SignalFacts[float]

    def as_dict(self) -> dict[str, Any]:
        """Return the decision as JSON values with fixed keys; amounts and prices are text, unknown numbers None."""
        facts = self.facts
        return {
            "at": utc_iso(self.at_ms),
            "at_ms": self.at_ms,
            "action": self.action.value,
            "reason": str(self.reason),
            "target": _target_dict(self.target),
            "limited_by": self.limited_by,
            "gates": [
                {
                    "name": gate.name,
                    "value": _json_number(gate.value),
                    "rule": gate.symbol,
                    "threshold": _json_number(gate.threshold),
                    "passed": gate.passed,
                }
                for gate in self.gates
            ],
            "bar": {
                name: _json_number(getattr(facts, name))
                for name in ("bar_close_ms", "close", "atr", "spread", "last_return", "gap_minutes", "status")
            },
            "probabilities": {name: _json_number(getattr(facts, name)) for name in ("short", "flat", "long")},
            "models": [[_json_number(value) for value in model] for model in facts.models],
        }


def _target_dict(target: Target | None) -> dict[str, Any] | None:
    if target is None:
        return None
    protection = target.protection
    return {
        "side": target.side.value,
        "amount_btc": str(target.amount),
        "stop_jpy": str(protection.stop),
        "take_profit_jpy": None if protection.take_profit is None else str(protection.take_profit),
        "expires_at_ms": protection.expires_at_ms,
    }


def _json_number(value: float) -> float | None:
    return value if math.isfinite(value) else None
