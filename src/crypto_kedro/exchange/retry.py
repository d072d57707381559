"""Growing pauses between the attempts of whatever waits for an exchange."""

import random

LONGEST_S = 60.0
_FIRST_S = 1.0
_JITTER = 0.2


class GrowingPauses:
    """Pauses of 1, 2, 4 ... 60 seconds, each up to a fifth shorter or longer so that clients do not ask together.

    Args:
        first_s: the first pause.
        longest_s: no pause grows beyond it, but for what the exchange itself asks for.
        seed: of the jitter; None takes another one each time.
    """

    def __init__(self, first_s: float = _FIRST_S, longest_s: float = LONGEST_S, seed: int | None = None) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._chance = random.Random(seed)
        self._count = 0

    def next_s(self, least_s: float | None = None) -> float:
        """Return the length of the next pause in seconds.

        Args:
            least_s: what the exchange asks for, None when it names nothing.
        """
        # 2**_count would grow for ever.
        grown = min(self._first_s * 2 ** min(self._count, 32), self._longest_s)
        self._count += 1
        jittered = min(grown * self._chance.uniform(1 - _JITTER, 1 + _JITTER), self._longest_s)
        return float(max(jittered, least_s or 0.0))

    def reset(self) -> None:
        """Begin again with the first pause."""
        self._count = 0
