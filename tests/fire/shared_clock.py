"""One clock for exchange and traders, in a file: it moves when a trader waits, so no machine is too slow for it."""

import asyncio
import fcntl
import mmap
import struct
from pathlib import Path
from typing import Self

_MOMENT = struct.Struct("<qq")


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
