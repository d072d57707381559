"""Bad days on demand: which faults are in force, and when they strike."""

import random
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.market.bars import MINUTE_MS


class FaultKind(StrEnum):
    """What can go wrong with a request, or (the last three) with a message of a stream."""

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
    SILENT = "silent"
    OUT_OF_ORDER = "out_of_order"
    TWICE = "twice"

    @property
    def concerns_streams(self) -> bool:
        """Whether it befalls messages of the streams, not requests."""
        return self in (FaultKind.SILENT, FaultKind.OUT_OF_ORDER, FaultKind.TWICE)


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
        if not 0 <= self.probability <= 1 or (self.times is not None and self.times < 1):
            raise ConfigurationError(
                f"simulator: fault {self.kind} has probability {self.probability} and times {self.times}; the first "
                "must lie in 0..1 and the second be at least 1"
            )

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
            f"simulator: --fault {text} is not KIND=PROBABILITY with a kind of {', '.join(FaultKind)}"
        ) from error


class Faults:
    """Decides what goes wrong; the same seed and the same requests give the same faults.

    Args:
        faults: in force from the beginning; the first that strikes a request is the only one.
        seed: of their chances.
    """

    def __init__(self, faults: Sequence[Fault] = (), seed: int = 0) -> None:
        self.replace(faults, seed)

    def replace(self, faults: Sequence[Fault], seed: int = 0) -> None:
        """Put other faults in force, none of which has struck yet."""
        self._faults = tuple(faults)
        self._struck: Counter[int] = Counter()
        self._random = random.Random(seed)

    def strike_request(self, path: str) -> Fault | None:
        """Return what goes wrong with a request, None for nothing."""
        for place, fault in enumerate(self._faults):
            if not fault.kind.concerns_streams and self._strikes(place, fault, path):
                return fault
        return None

    def strike_message(self, name: str) -> frozenset[FaultKind]:
        """Return everything that goes wrong with a message of a room or method."""
        return frozenset(
            fault.kind
            for place, fault in enumerate(self._faults)
            if fault.kind.concerns_streams and self._strikes(place, fault, name)
        )

    def report(self) -> list[dict[str, Any]]:
        """Return what is in force, and how often each has struck."""
        return [
            {"kind": fault.kind, "where": fault.where, "struck": self._struck[place]}
            for place, fault in enumerate(self._faults)
        ]

    def _strikes(self, place: int, fault: Fault, where: str) -> bool:
        is_over = fault.times is not None and self._struck[place] >= fault.times
        if is_over or not where.startswith(fault.where) or self._random.random() >= fault.probability:
            return False
        self._struck[place] += 1
        return True


class Delivery:
    """What becomes of the messages of a stream on their way.

    Args:
        faults: in force.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._held: dict[str, Any] = {}

    def pass_on(self, name: str, message: Any) -> list[Any]:
        """Return what is delivered now: nothing, the message, the message twice, or it before an older one.

        Args:
            name: room or method; messages change places only with others of it.
            message: what is to be told.
        """
        struck = self._faults.strike_message(name)
        if FaultKind.SILENT in struck:
            return []
        told = [message] * (2 if FaultKind.TWICE in struck else 1)
        if name in self._held:
            told.append(self._held.pop(name))
        elif FaultKind.OUT_OF_ORDER in struck:
            self._held[name] = message
            return []
        return told
