"""The journal's file: one append-only table in SQLite, durable at each append, guarded by a hash chain and a fence."""

import logging
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar, overload

from crypto_kedro.session.journal.account_history import HISTORY
from crypto_kedro.session.journal.ballast import Ballast
from crypto_kedro.session.journal.chain import GENESIS, Link, link_hash
from crypto_kedro.session.journal.database import connect, remedy
from crypto_kedro.session.journal.encoding import decode_record, encode_record
from crypto_kedro.session.journal.entry import Entry, HaltInForce, Head, OpenIntent, Writer
from crypto_kedro.session.journal.memory import REMEMBERED, JournalMemory
from crypto_kedro.session.journal.records import JournalError, Record
from crypto_kedro.session.journal.signed_head import SignedHead
from crypto_kedro.session.journal.sync_probe import SyncProbe
from crypto_kedro.session.journal.verification import Watch, known_state, verify_chain
from crypto_kedro.trading.ledger import TradeLedger

R = TypeVar("R", bound=Record)

_log = logging.getLogger(__name__)


class OutdatedFenceError(JournalError):
    """Another process has taken over the lease and written to the journal; this one must send nothing more."""


class JournalStorageError(JournalError):
    """The file cannot be read or written now: its disk is full, read-only or failing, or another process locks it.

    Args:
        sentence: what failed, and what to do.
        cause: the error of SQLite or of the file system.
    """

    def __init__(self, sentence: str, cause: Exception | None = None) -> None:
        super().__init__(sentence)
        self.is_busy = getattr(cause, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


DAMAGED = "journal"
"""Who halts when the file is damaged."""
_COLUMNS = "seq, at_ms, session_id, fence, kind, body, hash"
_LAST_AT = "SELECT at_ms FROM entries ORDER BY seq DESC LIMIT 1"
_BUSY_MS = 1_000
"""How long a trader waits for another process that locks the file, before it keeps its records in memory."""
_PAGE = 500
"""Entries read at once, so that a long reading neither fills the memory nor keeps the file from being tidied."""


class Journal:
    """What happened, entry by entry; made with `open`.

    A process opens its own journal and uses it in one thread at a time.

    Attributes:
        trouble: why records are kept in memory instead of the file, in a sentence; None while nothing is kept.
        is_lost: whether the disk may have lost what it had acknowledged; this process writes nothing more to it.
    """

    def __init__(self, path: Path, database: sqlite3.Connection, probe: SyncProbe | None) -> None:
        self._path = path
        self._database = database
        self._probe = probe
        self._memory = JournalMemory()
        self._taken = 0
        self._last_at_ms = 0
        self._watch: Watch | None = None
        self._ballast: Ballast | None = None
        self._kept: list[_Row] = []
        self.trouble: str | None = None
        self.is_lost = False

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Self:
        """Open a journal, for writing made if it is absent.

        Args:
            path: the file; SQLite keeps two more beside it while it is open.
            read_only: change nothing; another process may be writing meanwhile.

        Raises:
            JournalError: the file cannot be opened, or is no journal.
        """
        if read_only and not path.is_file():
            raise JournalError(f"journal {path}: there is no such file; name the journal of a session that ran")
        try:
            database = connect(path, read_only)
        except sqlite3.Error as error:
            raise JournalStorageError(f"journal {path}: cannot be opened ({error}); {remedy(error)}") from error
        try:
            return cls(path, database, None if read_only else SyncProbe.beside(path))
        except OSError as error:
            database.close()
            raise JournalStorageError(f"journal {path}: cannot be opened ({error}); look at the disk") from error

    @classmethod
    def open_to_trade(cls, path: Path) -> Self:
        """Open a journal for writing, verify it, and watch its file from now on; see `damage`.

        Raises:
            AlteredJournalError: it was altered, cut off, emptied, deleted or replaced since it was last written.
            JournalError: the file cannot be opened, or is no journal.
        """
        # Before it is opened, which makes and changes files.
        known, ballast = known_state(path), Ballast(path)
        try:
            journal = cls.open(path)
        except JournalStorageError:
            if not ballast.release():
                raise
            journal = cls.open(path)
        try:
            journal._ballast = ballast
            journal._database.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
            journal._watch = Watch(path, journal._database, known)
            journal._last_at_ms = next((row[0] for row in journal._rows(_LAST_AT)), 0)
        except BaseException:
            journal.close()
            raise
        return journal

    @classmethod
    def open_as_evidence(cls, path: Path) -> Self:
        """Open a journal for reading and verify it from its first entry on.

        Raises:
            AlteredJournalError: it was altered or cut off.
            JournalError: the file cannot be opened, or is no journal.
        """
        journal = cls.open(path, read_only=True)
        try:
            journal.verify()
        except BaseException:
            journal.close()
            raise
        return journal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def head(self) -> Head:
        """Number and hash of the last entry; 0 and zeros for an empty journal."""
        row = self._rows("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1")
        return Head(*row[0]) if row else Head(0, GENESIS)

    @property
    def highest_fence(self) -> int:
        """The highest fencing token that has written, 0 before the first."""
        row = self._rows("SELECT fence FROM entries ORDER BY seq DESC LIMIT 1")
        return int(row[0][0]) if row else 0

    def append(self, writer: Writer, at_ms: int, *records: Record) -> None:
        """Write records in one transaction; once it returns they survive a loss of power.

        Args:
            writer: who writes them.
            at_ms: of the writer's clock, Unix milliseconds UTC.
            records: in their order; all of them are written, or none.

        Raises:
            OutdatedFenceError: a holder of a later lease has written.
            JournalError: the disk is full, read-only or failing, or a record contradicts those before it.
        """
        rows = _rows_of(writer, at_ms, records)
        try:
            self._commit(rows)
        except BaseException:
            self._forget()
            raise

    def append_or_keep(self, writer: Writer, at_ms: int, *records: Record) -> None:
        """Write records like `append`; where the disk does not take them, keep them in memory until it does.

        For what protects a position, which must not wait for a disk. A full disk is first given back its ballast. What
        is kept counts like what is written, is lost if the process dies, and goes to the log as well.

        Raises:
            OutdatedFenceError: a holder of a later lease has written.
            JournalError: a record contradicts those before it.
        """
        rows = _rows_of(writer, at_ms, records)
        try:
            if self._kept:
                self._keep(rows)
            else:
                self._commit_with_ballast(rows)
        except JournalStorageError as error:
            self.trouble = str(error)
            self._keep(rows)
        except BaseException:
            self._forget()
            raise

    def write_kept(self) -> None:
        """Try to write what was kept in memory.

        Raises:
            OutdatedFenceError: a holder of a later lease has written.
        """
        if self._kept:
            try:
                self._commit_with_ballast([])
            except JournalStorageError as error:
                self.trouble = str(error)

    def has_room(self) -> bool:
        """Whether the whole life of one more position can be written, as far as that can be known."""
        return not self._kept and (self._ballast is None or self._ballast.hold())

    @overload
    def entries(self, *, session_id: str | None = None, after: int = 0) -> Iterator[Entry[Record]]: ...
    @overload
    def entries(self, *kinds: type[R], session_id: str | None = None, after: int = 0) -> Iterator[Entry[R]]: ...
    def entries(self, *kinds: type[Record], session_id: str | None = None, after: int = 0) -> Iterator[Entry[Any]]:
        """Yield entries, oldest first.

        Args:
            kinds: of these kinds; without any, of all.
            session_id: of this session; None is of all.
            after: number of the entry after which to begin.

        Raises:
            JournalError: the file or an entry cannot be read.
        """
        for row in self._stored(tuple(kind.kind() for kind in kinds), session_id, after):
            seq, at_ms, session, fence, _, body, _ = row
            yield Entry(seq, at_ms, session, fence, decode_record(body))

    def verify(self, known: Head | None = None) -> Head:
        """Check the hash of each entry.

        Args:
            known: a head that this journal once had; None takes the one that is signed off next to it, if any. Without
                one a journal whose last entries were cut off looks whole.

        Returns:
            The present head.

        Raises:
            AlteredJournalError: an entry was changed, added, left out or cut off; the message names the first.
            JournalError: the file cannot be read.
        """
        signed = SignedHead.read(self._path) if known is None else None
        return verify_chain(self._path, self._database, signed.head if signed is not None else known)

    def damage(self) -> str | None:
        """Return what happened to the file while it is open to trade, in a sentence; None while it is whole.

        It stays damaged; what is appended then is not signed off.
        """
        return None if self._watch is None else self._watch.look()

    def unanswered(self) -> tuple[OpenIntent, ...]:
        """Return the intents of all sessions that have no final answer, oldest first."""
        return self._up_to_date().unanswered()

    def halt(self) -> HaltInForce | None:
        """Return the halt in force; None when trading is allowed. A damaged journal is a halt."""
        damage = self.damage()
        if damage is None:
            return self._up_to_date().halt
        with suppress(JournalError):
            self._up_to_date()
        return self._memory.halt or HaltInForce(DAMAGED, damage, flatten=False, since_ms=self._last_at_ms)

    def ledger(self) -> TradeLedger | None:
        """Return the account's history, folded from the fills, transfers and equity points of all sessions.

        It begins with the capital of the first session. None before that.

        Raises:
            LedgerError: the fills do not add up.
        """
        return self._up_to_date().ledger(lambda: self.entries(*HISTORY))

    def has_fill(self, trade_id: int) -> bool:
        """Whether a fill is written down already."""
        return self.fill_ms(trade_id) is not None

    def fill_ms(self, trade_id: int) -> int | None:
        """Return when a fill was executed, Unix milliseconds UTC; None if it is not written down."""
        return self._up_to_date().fills_ms.get(trade_id)

    def close(self) -> None:
        """Close the file, after one more attempt to write what was kept."""
        with suppress(JournalError):
            self.write_kept()
        self.damage()
        self._database.close()
        if self._watch is not None:
            self._watch.sign_closed()
        if self._probe is not None:
            self._probe.close()

    def _commit_with_ballast(self, rows: list["_Row"]) -> None:
        """Write rows behind those that were kept, on a full disk with the space of the ballast."""
        try:
            self._commit(rows)
        except JournalStorageError as error:
            if error.is_busy or self._ballast is None or not self._ballast.release():
                raise
            self._commit(rows)

    def _commit(self, rows: list["_Row"]) -> None:
        """Write rows in one transaction, behind those that were kept.

        Raises:
            OutdatedFenceError: a holder of a later lease has written.
            JournalStorageError: they could not be written.
            JournalError: a record contradicts those before it.
        """
        if self.is_lost:
            raise JournalStorageError(
                f"journal {self._path}: its disk has failed; end the session and look at the disk"
            )
        rows = [*self._kept, *rows]
        try:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                head = self._insert(rows)
                self._database.execute("COMMIT")
                self._taken = head.seq
            finally:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
            if self._probe is not None:
                self._probe.ask()
        except sqlite3.Error as error:
            sentence = f"journal {self._path}: nothing was written ({error}); {remedy(error)}"
            raise JournalStorageError(sentence, error) from error
        except OSError as error:
            self.is_lost = True
            raise JournalStorageError(
                f"journal {self._path}: what was just written may be lost ({error}); look at the disk: it is failing"
            ) from error
        self._kept, self.trouble = [], None
        if rows:
            self._last_at_ms = rows[-1].at_ms
        if self._watch is not None:
            self._watch.advance(head)

    def _insert(self, rows: list["_Row"]) -> Head:
        """Write rows within a transaction, and take in those that are not yet; return the new head."""
        self.damage()
        memory = self._up_to_date()
        head, highest = self.head, self.highest_fence
        seq, previous = head
        for row in rows:
            writer = row.writer
            fence = highest if writer.fence is None else writer.fence
            if fence < highest:
                raise OutdatedFenceError(
                    f"journal {self._path}: session {writer.session_id} holds token {fence}, and a session with token "
                    f"{highest} has written since; it took over, end this one"
                )
            seq, highest = seq + 1, fence
            link = Link(seq, row.at_ms, writer.session_id, fence, row.record.kind(), row.body)
            previous = link_hash(previous, link)
            self._database.execute(f"INSERT INTO entries ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", (*link, previous))
            self._take(row, seq, memory)
        return Head(seq, previous)

    def _take(self, row: "_Row", seq: int, memory: JournalMemory) -> None:
        if not row.is_taken:
            memory.take(Entry(seq, row.at_ms, row.writer.session_id, row.writer.fence or 0, row.record))
            row.is_taken = True

    def _keep(self, rows: list["_Row"]) -> None:
        """Keep rows in memory until they can be written."""
        memory = self._up_to_date()
        for row in rows:
            self._take(row, self._taken + len(self._kept) + 1, memory)
            self._kept.append(row)
            _log.critical("Kept in memory because the journal cannot be written: %s", row.body)

    def _forget(self) -> None:
        """Undo an append that failed; the memory holds some of it and is folded again when it is next needed."""
        self._memory, self._taken = JournalMemory(), 0
        for row in self._kept:
            row.is_taken = False

    def _up_to_date(self) -> JournalMemory:
        """Return the memory with everything that any process has written, and with what was kept."""
        try:
            self._fold()
        except JournalStorageError:
            # What is known already still holds while the file cannot be read.
            if not self._taken:
                raise
        for number, row in enumerate(self._kept, start=1):
            self._take(row, self._taken + number, self._memory)
        return self._memory

    def _fold(self) -> None:
        """Take in what any process has written since the last time."""
        head = self.head
        if head.seq <= self._taken:
            return
        try:
            for entry in self.entries(*REMEMBERED, after=self._taken):
                self._memory.take(entry)
                self._taken = entry.seq
        except JournalStorageError:
            raise
        except JournalError:
            self._forget()
            raise
        # Not all kinds are taken, and meanwhile another process may have written more.
        self._taken = max(self._taken, head.seq)

    def _stored(self, kinds: tuple[str, ...], session_id: str | None, after: int) -> Iterator[tuple[Any, ...]]:
        """Yield rows page by page, as they are stored."""
        conditions, values = ["seq > ?"], [*kinds]
        if kinds:
            conditions.append(f"kind IN ({', '.join('?' * len(kinds))})")
        if session_id is not None:
            conditions.append("session_id = ?")
            values.append(session_id)
        query = f"SELECT {_COLUMNS} FROM entries WHERE {' AND '.join(conditions)} ORDER BY seq LIMIT {_PAGE}"
        while rows := self._rows(query, after, *values):
            yield from rows
            after = rows[-1][0]

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._database.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise JournalStorageError(f"journal {self._path}: cannot be read ({error}); {remedy(error)}") from error


@dataclass(slots=True, eq=False)
class _Row:
    """A record on its way into the file; ``is_taken`` once the memory has it."""

    writer: Writer
    at_ms: int
    record: Record
    body: str
    is_taken: bool = False


def _rows_of(writer: Writer, at_ms: int, records: Iterable[Record]) -> list[_Row]:
    return [_Row(writer, at_ms, record, encode_record(record).decode()) for record in records]
