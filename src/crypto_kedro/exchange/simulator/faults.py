"""Bad days on demand: which faults are in force, and when they strike."""

import random
from collections import Counter
from collections.abc import Container, Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.exchange.simulator.garbling import garbled_message
from crypto_kedro.market.bars import MINUTE_MS


class FaultKind(StrEnum):
    """What can go wrong with a request, or (the last four) with a message of a stream."""

    SERVER_ERROR = "server_error"
    TOO_FREQUENT = "too_frequent"
    NONCE_REJECTED = "nonce_rejected"
    TIMEOUT = "timeout"
    CLOCK_SKEW = "clock_skew"
    MAINTENANCE = "maintenance"
    FILL_DURING_CANCEL = "fill_during_cancel"
    SLOW = "slow"
    ANSWER_LOST = "answer_lost"
    CUT = "cut"
    GARBLED = "garbled"
    SILENT = "silent"
    STALE = "stale"
    OUT_OF_ORDER = "out_of_order"
    TWICE = "twice"


STREAM_FAULTS = frozenset({FaultKind.SILENT, FaultKind.STALE, FaultKind.OUT_OF_ORDER, FaultKind.TWICE})
"""What befalls messages of the streams, not requests."""
_OF_MESSAGES = STREAM_FAULTS | {FaultKind.GARBLED}

_USUAL_MS = {
    FaultKind.TIMEOUT: MINUTE_MS,
    FaultKind.CLOCK_SKEW: MINUTE_MS,
    FaultKind.MAINTENANCE: 10 * MINUTE_MS,
    FaultKind.SLOW: 3_000,
    FaultKind.ANSWER_LOST: MINUTE_MS,
}


class Fault(Struct, frozen=True, forbid_unknown_fields=True):
    """One fault in force.

    Args:
        kind: what goes wrong.
        probability: with which it strikes where it could.
        times: strikes after which it is over; None for no end.
        where: only requests whose path, or messages whose room or method, begins so; ``""`` for all.
        ms: length: of the wait, the maintenance (in market time) or the clock's error; None for the usual one.

    Raises:
        ConfigurationError: the probability is not in 0..1, or times is not positive.
    """

    kind: FaultKind
    probability: float = 1.0
    times: int | None = None
    where: str = ""
    ms: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ConfigurationError(
                f"simulator: fault {self.kind} has probability {self.probability:g}; it must lie in 0..1"
            )
        if self.times is not None and self.times < 1:
            raise ConfigurationError(f"simulator: fault {self.kind} strikes {self.times} times; it must be at least 1")

    @property
    def lasts_ms(self) -> int:
        """Its length in milliseconds."""
        return _USUAL_MS.get(self.kind, 0) if self.ms is None else self.ms


def read_fault(text: str) -> Fault:
    """Read ``KIND=PROBABILITY``.

    Raises:
        ConfigurationError: there is no such kind, or no such probability.
    """
    kind, _, probability = text.partition("=")
    try:
        return Fault(FaultKind(kind), float(probability))
    except ValueError as error:
        raise ConfigurationError(
            f"simulator: --fault {text} is not KIND=PROBABILITY; the kinds are {', '.join(FaultKind)}"
        ) from error


class Faults:
    """Decides what goes wrong; the same seed and the same requests give the same faults.

    Each fault has chances of its own, so it strikes the same requests whatever else is in force.

    Args:
        faults: in force from the beginning; the first that strikes a request is the only one.
        seed: of their chances.

    Attributes:
        garbling: chooses how an answer or a message is garbled.
    """

    def __init__(self, faults: Sequence[Fault] = (), seed: int = 0) -> None:
        self.replace(faults, seed)

    def replace(self, faults: Sequence[Fault], seed: int = 0) -> None:
        """Put other faults in force, none of which has struck yet."""
        self._faults = tuple(faults)
        self._struck: Counter[int] = Counter()
        self.garbling = random.Random(f"{seed} garbling")
        self._chances = tuple(random.Random(f"{seed} {fault.kind} {fault.where}") for fault in faults)

    @property
    def are_none(self) -> bool:
        """Whether nothing can go wrong."""
        return not self._faults

    def strike_request(self, path: str, possible: Container[FaultKind]) -> Fault | None:
        """Return what goes wrong with a request, None for nothing.

        Args:
            path: of the request.
            possible: what can befall it.
        """
        due = self._due(path, possible)
        if not due:
            return None
        self._struck[due[0]] += 1
        return self._faults[due[0]]

    def strike_message(self, name: str) -> frozenset[FaultKind]:
        """Return everything that goes wrong with a message of a room or method."""
        due = self._due(name, _OF_MESSAGES)
        self._struck.update(due)
        return frozenset(self._faults[place].kind for place in due)

    def report(self) -> list[dict[str, Any]]:
        """Return what is in force, and how often each has struck."""
        return [
            {"kind": fault.kind, "where": fault.where, "struck": self._struck[place]}
            for place, fault in enumerate(self._faults)
        ]

    def _due(self, where: str, possible: Container[FaultKind]) -> list[int]:
        """Return the places of the faults that chance chooses now; each of the possible ones draws."""
        drawing = [
            place
            for place, fault in enumerate(self._faults)
            if fault.kind in possible and where.startswith(fault.where)
        ]
        chosen = [place for place in drawing if self._chances[place].random() < self._faults[place].probability]
        return [place for place in chosen if not self._is_over(place)]

    def _is_over(self, place: int) -> bool:
        times = self._faults[place].times
        return times is not None and self._struck[place] >= times


class Delivery:
    """What becomes of the messages of a stream on their way.

    Args:
        faults: in force.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._held: dict[str, Any] = {}
        self._told: dict[str, Any] = {}

    def pass_on(self, name: str, message: Any) -> list[Any]:
        """Return what is delivered now: nothing, what was told before, or the message, once or twice.

        A message that is out of order comes after the next one.

        Args:
            name: room or method; messages change places only with others of it.
            message: what is to be told.
        """
        struck = self._faults.strike_message(name)
        if FaultKind.SILENT in struck:
            return []
        if FaultKind.STALE in struck:
            return [self._told[name]] if name in self._told else []
        if FaultKind.OUT_OF_ORDER in struck and name not in self._held:
            self._held[name] = message
            return []
        self._told[name] = message
        if FaultKind.GARBLED in struck:
            message = garbled_message(message, self._faults.garbling)
        told = [message] * (2 if FaultKind.TWICE in struck else 1)
        if name in self._held:
            told.append(self._held.pop(name))
        return told
