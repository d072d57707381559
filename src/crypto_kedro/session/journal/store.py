"""The journal's file: one append-only table in SQLite, durable at each append, guarded by a hash chain and a fence."""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypeVar, overload

from crypto_kedro.session.journal.account_history import HISTORY
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


class OutdatedFenceError(JournalError):
    """Another process has taken over the lease and written to the journal; this one must send nothing more."""


DAMAGED = "journal"
"""Who halts when the file is damaged."""
_COLUMNS = "seq, at_ms, session_id, fence, kind, body, hash"
_LAST_AT = "SELECT at_ms FROM entries ORDER BY seq DESC LIMIT 1"
_PAGE = 500
"""Entries read at once, so that a long reading neither fills the memory nor keeps the file from being tidied."""


class Journal:
    """What happened, entry by entry; made with `open`.

    A process opens its own journal and uses it in one thread at a time.
    """

    def __init__(self, path: Path, database: sqlite3.Connection, probe: SyncProbe | None) -> None:
        self._path = path
        self._database = database
        self._probe = probe
        self._memory = JournalMemory()
        self._taken = 0
        self._last_at_ms = 0
        self._watch: Watch | None = None

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
            raise JournalError(f"journal {path}: cannot be opened ({error}); {remedy(error)}") from error
        try:
            return cls(path, database, None if read_only else SyncProbe.beside(path))
        except OSError as error:
            database.close()
            raise JournalError(f"journal {path}: cannot be opened ({error}); look at the disk") from error

    @classmethod
    def open_to_trade(cls, path: Path) -> Self:
        """Open a journal for writing, verify it, and watch its file from now on; see `damage`.

        Raises:
            AlteredJournalError: it was altered, cut off, emptied, deleted or replaced since it was last written.
            JournalError: the file cannot be opened, or is no journal.
        """
        # Before it is opened, which makes and changes files.
        known = known_state(path)
        journal = cls.open(path)
        try:
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
        bodies = [encode_record(record).decode() for record in records]
        try:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                last_hash = self._insert(writer, at_ms, records, bodies)
                self._database.execute("COMMIT")
                if self._probe is not None:
                    self._probe.ask()
                self._last_at_ms = at_ms
                if self._watch is not None:
                    self._watch.advance(Head(self._taken, last_hash))
            except BaseException:
                self._forget()
                raise
        except sqlite3.Error as error:
            raise JournalError(f"journal {self._path}: nothing was written ({error}); {remedy(error)}") from error
        except OSError as error:
            raise JournalError(
                f"journal {self._path}: what was just written may be lost ({error}); look at the disk: it is failing"
            ) from error

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
        """Close the file."""
        self.damage()
        self._database.close()
        if self._watch is not None:
            self._watch.sign_closed()
        if self._probe is not None:
            self._probe.close()

    def _insert(self, writer: Writer, at_ms: int, records: tuple[Record, ...], bodies: list[str]) -> str:
        """Write the rows within a transaction, and take them in; return the hash of the last."""
        self.damage()
        head, highest = self.head, self.highest_fence
        fence = highest if writer.fence is None else writer.fence
        if fence < highest:
            raise OutdatedFenceError(
                f"journal {self._path}: session {writer.session_id} holds token {fence}, and a session with token "
                f"{highest} has written since; it took over, end this one"
            )
        memory = self._up_to_date()
        seq, previous = head
        for record, body in zip(records, bodies, strict=True):
            seq += 1
            link = Link(seq, at_ms, writer.session_id, fence, record.kind(), body)
            previous = link_hash(previous, link)
            self._database.execute(f"INSERT INTO entries ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", (*link, previous))
            memory.take(Entry(seq, at_ms, writer.session_id, fence, record))
        self._taken = seq
        return previous

    def _forget(self) -> None:
        """Undo an append that failed; the memory holds some of it and is made anew when next asked."""
        if self._database.in_transaction:
            self._database.execute("ROLLBACK")
        self._memory, self._taken = JournalMemory(), 0

    def _up_to_date(self) -> JournalMemory:
        """Return the memory with everything that any process has written."""
        head = self.head
        if head.seq > self._taken:
            try:
                for entry in self.entries(*REMEMBERED, after=self._taken):
                    self._memory.take(entry)
                    self._taken = entry.seq
            except JournalError:
                self._forget()
                raise
            # Not all kinds are taken, and meanwhile another process may have written more.
            self._taken = max(self._taken, head.seq)
        return self._memory

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
            raise JournalError(f"journal {self._path}: cannot be read ({error}); {remedy(error)}") from error
