"""One clock for exchange and traders, in a file: it moves when a trader waits, so no machine is too slow for it."""

import asyncio
import contextlib
import fcntl
import mmap
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Self

from crypto_kedro.session.clock import SessionClock

_MOMENT = struct.Struct("<qq")
_A_MOMENT_S = 0.003
"""In which what the exchange tells arrives."""


class SharedClock:
    """Unix milliseconds UTC that several processes read and move.

    Args:
        path: of the file; see `make`.
        shifted: whether this is the clock of a machine that somebody sets wrong.
    """

    def __init__(self, path: Path, *, shifted: bool = False) -> None:
        self._file = path.open("r+b")
        self._memory = mmap.mmap(self._file.fileno(), _MOMENT.size)
        self._shifted = shifted

    @classmethod
    def make(cls, path: Path, now_ms: int) -> Self:
        """Make the file."""
        path.write_bytes(_MOMENT.pack(now_ms, 0))
        return cls(path)

    def __call__(self) -> int:
        now_ms, shift_ms = _MOMENT.unpack_from(self._memory)
        return int(now_ms + shift_ms) if self._shifted else int(now_ms)

    def move(self, by_ms: int) -> None:
        """Let time pass."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        now_ms, shift_ms = _MOMENT.unpack_from(self._memory)
        _MOMENT.pack_into(self._memory, 0, now_ms + by_ms, shift_ms)
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def set_wrong(self, by_ms: int) -> None:
        """Shift the clocks that can be shifted."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        now_ms, _ = _MOMENT.unpack_from(self._memory)
        _MOMENT.pack_into(self._memory, 0, now_ms, by_ms)
        fcntl.flock(self._file, fcntl.LOCK_UN)

    async def sleep(self, seconds: float) -> None:
        """Wait, which lets time pass for everybody."""
        await asyncio.sleep(0)
        self.move(round(seconds * 1000))


class RestlessClock(SessionClock):
    """A session's clock that lets time pass for everybody when its session waits for nothing but time.

    Args:
        clock: of the trader.
        most_waits: so often the session may wait; None is no end.
        on_wait: is called before each wait.
        on_over: is called after the last.
    """

    def __init__(
        self,
        clock: SharedClock,
        most_waits: int | None,
        on_wait: Callable[[], object],
        on_over: Callable[[], object],
    ) -> None:
        super().__init__(clock)
        self._clock = clock
        self._waits_left = most_waits
        self._on_wait = on_wait
        self._on_over = on_over

    async def wait(self, until_ms: int, event: asyncio.Event, most_s: float) -> bool:
        """Give the event a moment of real time; if it is not set then, the time is come."""
        self._on_wait()
        if not event.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(most_s, _A_MOMENT_S)):
                    await event.wait()
        if not event.is_set():
            self._clock.move(max(until_ms - self._clock(), 1))
        if self._waits_left is not None:
            self._waits_left -= 1
            if self._waits_left == 0:
                self._on_over()
        return event.is_set()
