"""Storage that fails under a trader, and is mended."""

import resource
import sqlite3
import time
from typing import Protocol

from real_disk import Disk
from siege import Siege
from trader_process import TraderProcess

_SIZES = (0, 1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 512, 1_024)
"""Bytes that are left, in units of 1 KiB."""
_LOCKED_S = 5.5


class Storage(Protocol):
    """What journal and lease are written to.

    Attributes:
        outlives_its_trader: whether it can only be mended when no trader uses it.
    """

    outlives_its_trader: bool

    def fail(self, trader: TraderProcess, number: int) -> None:
        """Let it fail for a trader; the number chooses one of several ways."""

    def mend(self, trader: TraderProcess) -> None:
        """Let it work again."""


class SizeLimit:
    """No file of the process may grow beyond the largest one and some bytes.

    Args:
        siege: of the traders.
    """

    outlives_its_trader = False

    def __init__(self, siege: Siege) -> None:
        self._siege = siege

    def fail(self, trader: TraderProcess, number: int) -> None:
        most = self._siege.journal_bytes() + _left_bytes(number)
        resource.prlimit(trader.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    def mend(self, trader: TraderProcess) -> None:
        if trader.is_alive:
            unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            resource.prlimit(trader.pid, resource.RLIMIT_FSIZE, unlimited)


class FullDisk:
    """A disk of its own is filled up.

    Args:
        siege: of the traders.
    """

    outlives_its_trader = False

    def __init__(self, siege: Siege) -> None:
        self._disk = _disk_of(siege)

    def fail(self, trader: TraderProcess, number: int) -> None:
        self._disk.fill(_left_bytes(number))

    def mend(self, trader: TraderProcess) -> None:
        self._disk.clear()


class BrokenDisk:
    """A disk of its own can only be read any more.

    Args:
        siege: of the traders.
    """

    outlives_its_trader = True

    def __init__(self, siege: Siege) -> None:
        self._disk = _disk_of(siege)

    def fail(self, trader: TraderProcess, number: int) -> None:
        self._disk.turn_read_only()

    def mend(self, trader: TraderProcess) -> None:
        self._disk.repair()


class LockedJournal:
    """Another program holds the lock of the journal.

    Args:
        siege: of the traders.
    """

    outlives_its_trader = False

    def __init__(self, siege: Siege) -> None:
        self._siege = siege
        self._locked_at = 0.0

    def fail(self, trader: TraderProcess, number: int) -> None:
        self._database = sqlite3.connect(self._siege.session.journal, isolation_level=None, timeout=30)
        self._database.execute("BEGIN EXCLUSIVE" if number % 2 else "BEGIN IMMEDIATE")
        self._locked_at = time.monotonic()

    def mend(self, trader: TraderProcess) -> None:
        time.sleep(max(0.0, self._locked_at + _LOCKED_S - time.monotonic()))
        self._database.execute("ROLLBACK")
        self._database.close()


def _disk_of(siege: Siege) -> Disk:
    return Disk(siege.session.root.with_name("disk.img"), siege.session.root)


def _left_bytes(number: int) -> int:
    """Return another size for each round; a moment of a position's life meets each size in time."""
    return _SIZES[(number + number // len(_SIZES)) % len(_SIZES)] * 1_024
