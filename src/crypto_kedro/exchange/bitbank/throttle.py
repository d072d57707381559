"""Keeping below the exchange's limits of requests a second."""

import asyncio
import time

TOKEN_S = 0.1
"""Time in which one token comes in."""

_MOST_SAVED = 1.0


class Throttle:
    """A bucket of tokens that is filled by a clock that is never set.

    A request starts once what was taken before it has come in. ccxt's own bucket reads the clock of the wall: set back
    by an hour, it lets requests wait for an hour.
    """

    def __init__(self) -> None:
        self._tokens = 0.0
        self._at_s = time.monotonic()

    async def take(self, tokens: float) -> None:
        """Wait until a request that costs so many tokens may start; whoever comes first starts first."""
        now_s = time.monotonic()
        self._tokens = min(self._tokens + (now_s - self._at_s) / TOKEN_S, _MOST_SAVED)
        self._at_s = now_s
        missing = -self._tokens
        self._tokens -= tokens
        if missing > 0:
            await asyncio.sleep(missing * TOKEN_S)
