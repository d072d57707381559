"""The clock that a session lives by: real time, or that of a simulated market."""

import asyncio
import time
from collections.abc import Callable


def wall_clock_ms() -> int:
    """Return the machine's clock, Unix milliseconds UTC."""
    return time.time_ns() // 1_000_000


class SessionClock:
    """Tells the time and waits for it.

    Args:
        now_ms: Unix milliseconds UTC of the market.
        speed: milliseconds of the market in one of real time.
    """

    def __init__(self, now_ms: Callable[[], int] = wall_clock_ms, speed: float = 1.0) -> None:
        self._now_ms = now_ms
        self._speed = speed

    def now_ms(self) -> int:
        """Return the time, Unix milliseconds UTC."""
        return self._now_ms()

    async def wait(self, until_ms: int, event: asyncio.Event, most_s: float) -> bool:
        """Wait for a moment or for an event, at most so many real seconds; return whether the event is set.

        The event loop always gets its turn, so that a caller that loops cannot stop everything else.
        """
        left_s = (until_ms - self._now_ms()) / 1000 / self._speed
        if left_s > 0 and not event.is_set():
            try:
                async with asyncio.timeout(min(left_s, most_s)):
                    await event.wait()
            except TimeoutError:
                pass
        else:
            await asyncio.sleep(0)
        return event.is_set()
