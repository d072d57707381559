"""Keeping below the exchange's limits of requests a second."""

import asyncio
import time
from collections import deque

WINDOW_S = 1.1
"""A second, and what requests may lose on each other on their way."""


class Throttle:
    """Lets so many requests start within any window of time, the first of them at once, by a clock that is never set.

    ccxt's own reads the clock of the wall: set back by an hour, it lets requests wait for an hour.

    Args:
        most: requests within 1.1 s.
    """

    def __init__(self, most: int) -> None:
        self._starts: deque[float] = deque(maxlen=most)

    async def take(self) -> None:
        """Wait until a request may start; whoever comes first starts first."""
        now_s = time.monotonic()
        is_full = len(self._starts) == self._starts.maxlen
        start_s = max(now_s, self._starts[0] + WINDOW_S) if is_full else now_s
        self._starts.append(start_s)
        if start_s > now_s:
            await asyncio.sleep(start_s - now_s)
