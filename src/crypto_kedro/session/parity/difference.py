"""What can differ between a session and the backtest of its days, and why."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from crypto_kedro.market.moments import utc_iso


class Kind(StrEnum):
    """What differs."""

    BAR = "bar"
    SIGNAL = "signal"
    DECISION = "decision"
    ORDER = "order"
    FILL = "fill"
    FILL_PRICE = "fill_price"
    FEE = "fee"
    ROUND_TRIP = "round_trip"
    EQUITY = "equity"


class Cause(StrEnum):
    """Why; the set is closed, and what fits nowhere is unexplained.

    Attributes:
        meaning: in words, with the evidence that it needs.
    """

    SESSION_DOWN = "session_down", "no session ran: none had begun, or the last one had ended"
    EXCHANGE_UNREACHABLE = "exchange_unreachable", "the exchange did not answer, by an incident or a broken-off cycle"
    MARKET_HALTED = "market_halted", "the market stood still: the candles show a trading halt"
    NO_CYCLE = "no_cycle", "the session stood still: it had begun and wrote nothing while the bar was current"
    CANDLES = "candles", "other candles: those that the session saw are not those that are published now"
    MODEL_CHANGED = "model_changed", "another model: the session served another bundle than the first one of the period"
    SETTINGS_CHANGED = "settings_changed", "other settings, Kelly leverage or capital stage than at the period's start"
    RULES = "rules", "the exchange announced other fees, interest or minimums than the backtest's rules of that date"
    MOMENT = "moment", "what only the moment showed: delay, spread, last price or status of the exchange"
    HALT = "halt", "trading was halted by a human or by the trader"
    FOREIGN_ORDER = "foreign_order", "somebody else traded on the account"
    MONEY_MOVED = "money_moved", "money came into the account or left it"
    CARRIED_OVER = "carried_over", "the account did not begin the period flat and without history, as a backtest does"
    REFUSED = "refused", "the exchange refused an order in one of the two"
    UNKNOWN_OUTCOME = "unknown_outcome", "an order was sent whose outcome could not be told"
    COST = "cost", "spread, slippage and delay of an execution within the market's range of that minute"
    FEE_RULE = "fee_rule", "the fee is not the published rate of the execution's own product"
    LIQUIDITY = "liquidity", "the order gave liquidity in one and took it in the other"
    INSIDE_BAR = "inside_bar", "the order of events inside one execution bar, which candles do not tell"
    KNOCK_ON = "knock_on", "it follows from an earlier difference, which is named"
    UNEXPLAINED = "unexplained", "no evidence for any of the causes"

    meaning: str

    def __new__(cls, word: str, meaning: str) -> "Cause":
        """Make a member of its word and its meaning."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        return member


@dataclass(frozen=True, slots=True)
class Why:
    """A cause with its evidence.

    Args:
        cause: why.
        evidence: one sentence.
        because: number of the difference that it follows from, None when it stands by itself.
    """

    cause: Cause
    evidence: str
    because: int | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between a session and its backtest.

    Args:
        number: from 1, in the order of time.
        kind: what differs.
        at_ms: when, Unix milliseconds UTC; of a bar and what is decided on it, its close.
        what: which value of it.
        live, backtest: the values; None is nothing at all.
        why: cause and evidence.
    """

    number: int
    kind: Kind
    at_ms: int
    what: str
    live: str | None
    backtest: str | None
    why: Why

    @property
    def is_explained(self) -> bool:
        """Whether there is evidence for a cause."""
        return self.why.cause is not Cause.UNEXPLAINED

    def as_dict(self) -> dict[str, Any]:
        """Return the difference as JSON values."""
        return {
            "number": self.number,
            "kind": self.kind.value,
            "at": utc_iso(self.at_ms),
            "at_ms": self.at_ms,
            "what": self.what,
            "live": self.live,
            "backtest": self.backtest,
            "cause": self.why.cause.value,
            "evidence": self.why.evidence,
            "because": self.why.because,
        }


_ON_THE_ACCOUNT = (Kind.ORDER, Kind.FILL, Kind.FILL_PRICE, Kind.FEE)
_SPREADING = (Kind.BAR, Kind.DECISION, *_ON_THE_ACCOUNT)


class Findings:
    """The differences found so far, in the order of time."""

    def __init__(self) -> None:
        self._found: list[Difference] = []

    def add(self, kind: Kind, at_ms: int, what: str, live: str | None, backtest: str | None, why: Why) -> int:
        """Write a difference down and return its number."""
        number = len(self._found) + 1
        self._found.append(Difference(number, kind, at_ms, what, live, backtest, why))
        return number

    def all(self) -> tuple[Difference, ...]:
        """Return all of them."""
        return tuple(self._found)

    def at(self, at_ms: int, *kinds: Kind) -> Difference | None:
        """Return the first one of these kinds at a moment."""
        return next((one for one in self._found if one.at_ms == at_ms and one.kind in kinds), None)

    def first_since(self, since_ms: int) -> Difference | None:
        """Return the first one since a moment that moved the account."""
        return next((one for one in self._found if one.at_ms >= since_ms and one.kind in _ON_THE_ACCOUNT), None)

    def first(self) -> Difference | None:
        """Return the first one whose effects last: a decision that was not taken, an order, a fill."""
        return next((one for one in self._found if one.kind in _SPREADING), None)


def follows(earlier: Difference) -> Why:
    """Return that something follows from an earlier difference."""
    return Why(
        Cause.KNOCK_ON,
        f"follows from difference {earlier.number} ({earlier.kind.value} at {utc_iso(earlier.at_ms)}, "
        f"{earlier.why.cause.value}).",
        earlier.number,
    )


def counts(differences: Iterable[Difference]) -> dict[str, dict[str, int]]:
    """Return how many differences there are by kind and cause, in the order of both enumerations."""
    table: dict[str, dict[str, int]] = {}
    listed = tuple(differences)
    for kind in Kind:
        of_kind = [one.why.cause for one in listed if one.kind is kind]
        if of_kind:
            table[kind.value] = {cause.value: n for cause in Cause if (n := of_kind.count(cause))}
    return table
