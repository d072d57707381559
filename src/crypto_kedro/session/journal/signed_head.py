"""The head of a journal signed off next to it: a start verifies what came after, and a shortened journal shows."""

import contextlib
import hashlib
import os
from pathlib import Path
from typing import NamedTuple, Self, TypeAlias

import msgspec

from crypto_kedro.session.journal.entry import Head

_BYTES = 512
"""Size of the file: one write replaces it in place, which needs no space on a full disk and is not torn by a kill."""
FileStamp: TypeAlias = tuple[int, int, int]
"""Inode, size in bytes and time of the last change (nanoseconds), which no program can set back."""


class FileStamps(NamedTuple):
    """The state of a journal's file and of its write-ahead log, None for one that does not exist."""

    journal: FileStamp | None
    log: FileStamp | None

    @classmethod
    def of(cls, path: Path) -> Self:
        """Return the present state.

        Raises:
            OSError: it cannot be asked for.
        """
        return cls(_stamp(path), _stamp(path.with_name(f"{path.name}-wal")))


class SignedHead(NamedTuple):
    """A head up to which a journal was whole, with the state of its files at that moment.

    Args:
        head: number and hash of an entry.
        files: while they are in this state, nothing before the head has been changed.
    """

    head: Head
    files: FileStamps

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return what was signed off last; None when nothing was, or the file is damaged.

        Args:
            path: of the journal.
        """
        try:
            with head_file(path).open("rb") as file:
                content, check = msgspec.json.decode(file.read(_BYTES), type=tuple[msgspec.Raw, str])
            if hashlib.sha256(content).hexdigest() != check:
                return None
            return cls(*msgspec.json.decode(content, type=tuple[Head, FileStamps]))
        except (OSError, ValueError):
            return None

    def write(self, path: Path) -> None:
        """Sign off in place of what was signed off before.

        It is not synced: after a loss of power an older head may stand there, which is as true. A failure to write has
        the same effect.
        """
        content = msgspec.json.encode(self)
        whole = msgspec.json.encode((msgspec.Raw(content), hashlib.sha256(content).hexdigest()))
        with contextlib.suppress(OSError):
            descriptor = os.open(head_file(path), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.pwrite(descriptor, whole.ljust(_BYTES - 1) + b"\n", 0)
            finally:
                os.close(descriptor)


def head_file(path: Path) -> Path:
    """Return where the head of a journal is kept."""
    return path.with_name(f"{path.name}-head")


def _stamp(path: Path) -> FileStamp | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_size, stat.st_ctime_ns
