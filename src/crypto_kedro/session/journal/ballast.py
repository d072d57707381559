"""Space on the disk that is kept free for a journal, so that a position's whole life can be written on a full disk."""

import contextlib
import os
import resource
from pathlib import Path

_BYTES = 4 << 20
"""Many times what a position leads to: orders, answers and fills, and a decision for each bar of its longest life."""


class Ballast:
    """A file next to a journal that is given back when the disk is full.

    Args:
        journal: the journal's file.
    """

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._path = journal.with_name(f"{journal.name}-ballast")

    def hold(self) -> bool:
        """Make the file if it is not there; return whether the journal has room for a position's whole life."""
        if not self._may_grow():
            return False
        try:
            if self._path.stat().st_size == _BYTES:
                return True
        except FileNotFoundError:
            pass
        except OSError:
            return False
        return self._make()

    def release(self) -> bool:
        """Give the space back; return whether there was any."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True

    def _may_grow(self) -> bool:
        """Whether the limit of the process lets the journal's files grow by as much."""
        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        if limit == resource.RLIM_INFINITY:
            return True
        files = (self._journal, self._journal.with_name(f"{self._journal.name}-wal"))
        return all(not file.exists() or file.stat().st_size + _BYTES <= limit for file in files)

    def _make(self) -> bool:
        partial = self._path.with_name(f"{self._path.name}.part")
        try:
            with partial.open("wb") as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, _BYTES)
                else:
                    file.write(bytes(_BYTES))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                partial.unlink()
            return False
        return True
