"""Ask a file system whether it has really kept what it said it had synced."""

import os
from pathlib import Path
from typing import Self


class SyncProbe:
    """A small file beside the journal, by which a file system is asked whether it still keeps things.

    An ext4 whose disk fails amid an fsync can report success and lose what was appended: the transaction that failed
    is over by the time that fsync looks for it. From then on it refuses every change of a file's size, so one such
    change after the fsync tells. See ``docs/decisions/kept-after-sync.md``.

    Args:
        descriptor: of the open file.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def beside(cls, journal: Path) -> Self:
        """Open the probe of a journal; it is made if it is absent.

        Raises:
            OSError: it cannot be made or written.
        """
        name = journal.with_name(f"{journal.name}-probe")
        return cls(os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644))

    def ask(self) -> None:
        """Return if everything synced before is kept.

        Raises:
            OSError: it may be lost.
        """
        # Only a size that differs from the one before is a change.
        os.ftruncate(self._descriptor, 1)
        os.ftruncate(self._descriptor, 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
