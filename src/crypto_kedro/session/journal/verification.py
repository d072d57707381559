"""Verifying a journal: its hash chain at a start, and its file while a trader runs."""

import sqlite3
from pathlib import Path
from typing import NamedTuple

from crypto_kedro.session.journal.chain import GENESIS, Link, link_hash
from crypto_kedro.session.journal.database import connect, remedy
from crypto_kedro.session.journal.entry import Head
from crypto_kedro.session.journal.records import JournalError
from crypto_kedro.session.journal.signed_head import FileStamps, SignedHead, head_file

_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
}
"""Failures that show nothing about what the file holds."""


class AlteredJournalError(JournalError):
    """What is in the file is not what was written there."""


def verify_chain(
    path: Path, database: sqlite3.Connection, known: Head | None = None, after: Head | None = None
) -> Head:
    """Check the hash of each entry.

    Args:
        path: of the journal, for the messages.
        database: the open file.
        known: a head that the journal once had; without it a journal whose last entries were cut off looks whole.
        after: an entry up to which the chain holds; None checks from the first entry on.

    Returns:
        The present head.

    Raises:
        AlteredJournalError: an entry was changed, added, left out or cut off; the message names the first.
        JournalError: the file cannot be read.
    """
    seq, previous = after or Head(0, GENESIS)
    restore = f"restore the file from a copy, or move it and {head_file(path).name} away to begin a new one"
    try:
        if database.execute("SELECT 1 FROM entries WHERE seq < 1").fetchone() is not None:
            raise AlteredJournalError(f"journal {path}: an entry was added before the first; {restore}")
        for row in database.execute(
            "SELECT seq, at_ms, session_id, fence, kind, body, hash FROM entries WHERE seq > ? ORDER BY seq", (seq,)
        ):
            seq += 1
            if row[0] != seq:
                raise AlteredJournalError(f"journal {path}: entry {seq} is missing; {restore}")
            stored = row[-1]
            if link_hash(previous, Link(*row[:-1])) != stored:
                raise AlteredJournalError(f"journal {path}: entry {seq} was altered; {restore}")
            if known is not None and seq == known.seq and stored != known.hash:
                raise AlteredJournalError(
                    f"journal {path}: entry {seq} is not the one that was there before, so the journal was rewritten "
                    f"or is another one; {_put_back(path)}"
                )
            previous = stored
    except sqlite3.Error as error:
        raise _unreadable(path, error) from error
    if known is not None and known.seq > seq:
        raise AlteredJournalError(
            f"journal {path}: it ends at entry {seq} and once had {known.seq}, so its end was cut off or it is "
            f"an older copy; {_put_back(path)}"
        )
    return Head(seq, previous)


class KnownState(NamedTuple):
    """What is known of a journal before it is opened: the head signed off last, and the present state of its files."""

    signed: SignedHead | None
    files: FileStamps


def known_state(path: Path) -> KnownState:
    """Return what is known of a journal.

    Raises:
        AlteredJournalError: a head was signed off, and the file is gone or empty.
        JournalError: the file system does not answer.
    """
    try:
        signed, files = SignedHead.read(path), FileStamps.of(path)
    except OSError as error:
        raise JournalError(f"journal {path}: cannot be read ({error}); look at the disk") from error
    if signed is not None and (files.journal is None or files.journal[1] == 0):
        raise AlteredJournalError(
            f"journal {path}: it is {'gone' if files.journal is None else 'empty'} and once had {signed.head.seq} "
            f"entries; put the file back, or delete {head_file(path).name} to begin a new one"
        )
    return KnownState(signed, files)


class Watch:
    """Knows a journal that a trader writes, and notices whatever else happens to its file.

    Made with the journal just opened; the chain is verified first: behind the signed head where the files are as they
    were then, otherwise from the first entry on.

    Args:
        path: of the journal.
        database: the open file.
        known: about it before it was opened.

    Raises:
        AlteredJournalError: the journal was altered.
        JournalError: it cannot be read.

    Attributes:
        damage: the first thing that was noticed, in a sentence; None while all is well.
    """

    def __init__(self, path: Path, database: sqlite3.Connection, known: KnownState) -> None:
        self._path = path
        self._database = database
        self.damage: str | None = None
        try:
            self._version = self._data_version()
            self._files = FileStamps.of(path)
            signed = known.signed
            is_unchanged = signed is not None and signed.files == known.files and self._holds(signed.head)
        except sqlite3.Error as error:
            raise _unreadable(path, error) from error
        except OSError as error:
            raise JournalError(f"journal {path}: cannot be read ({error}); look at the disk") from error
        head = None if signed is None else signed.head
        self._head = verify_chain(path, database, head, head if is_unchanged else None)
        self._sign()

    def look(self) -> str | None:
        """Return what is wrong with the journal, None while all is well.

        While nobody else wrote, this takes some microseconds; otherwise the whole chain is verified.
        """
        if self.damage is None:
            try:
                self._examine()
            except AlteredJournalError as error:
                self.damage = str(error)
            except (JournalError, OSError, sqlite3.Error):
                # Nothing is known now; the next look asks again.
                return None
        return self.damage

    def advance(self, head: Head) -> None:
        """Take note of an own append, right after it was committed; `look` was called within its transaction."""
        if self.damage is None:
            self._head = head
            self._sign()

    def sign_closed(self) -> None:
        """Sign off the journal that has just been closed, which may have tidied its files; `look` was called before."""
        if self.damage is None:
            self._sign()

    def _sign(self) -> None:
        try:
            self._files = FileStamps.of(self._path)
        except OSError:
            return
        if self._head.seq and self._files.journal is not None:
            SignedHead(self._head, self._files).write(self._path)

    def _examine(self) -> None:
        files, version = FileStamps.of(self._path), self._data_version()
        if files == self._files and version == self._version:
            return
        before, now = self._files.journal, files.journal
        if now is None or before is None:
            raise AlteredJournalError(f"journal {self._path}: the file was deleted while it was in use; {_RESTART}")
        if now[0] != before[0]:
            raise AlteredJournalError(f"journal {self._path}: another file was put in its place; {_RESTART}")
        if now[1] < before[1]:
            raise AlteredJournalError(f"journal {self._path}: the file was cut off while it was in use; {_RESTART}")
        log = self._files.log
        if log is not None and (files.log is None or files.log[0] != log[0]):
            raise AlteredJournalError(f"journal {self._path}: its file -wal was deleted or replaced; {_RESTART}")
        self._head = _verify_afresh(self._path, self._head)
        self._files, self._version = files, version

    def _data_version(self) -> int:
        """Return what changes when another connection has written."""
        return int(self._database.execute("PRAGMA data_version").fetchone()[0])

    def _holds(self, head: Head) -> bool:
        row = self._database.execute("SELECT hash FROM entries WHERE seq = ?", (head.seq,)).fetchone()
        return row is not None and bool(row[0] == head.hash)


_RESTART = "end the session, put the file back and start again"


def _verify_afresh(path: Path, known: Head) -> Head:
    """Verify a journal as another process would find it, without what this one still holds in memory."""
    try:
        database = connect(path, read_only=True)
    except sqlite3.Error as error:
        raise _unreadable(path, error) from error
    except JournalError as error:
        raise AlteredJournalError(str(error)) from error
    try:
        return verify_chain(path, database, known)
    finally:
        database.close()


def _unreadable(path: Path, error: sqlite3.Error) -> JournalError:
    """Return the error for a failure of SQLite, which may be due to what the file holds."""
    is_passing = getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING
    kind = JournalError if is_passing else AlteredJournalError
    return kind(f"journal {path}: cannot be read ({error}); {remedy(error)}")


def _put_back(path: Path) -> str:
    return f"put the right file back, or delete {head_file(path).name} to go on with this one"
