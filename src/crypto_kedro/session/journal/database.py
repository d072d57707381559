"""The SQLite file of a journal: its table, what guards it, and how it is opened."""

import sqlite3
from pathlib import Path

from crypto_kedro.session.journal.records import JournalError

_APPLICATION = 0x6A6E6C31
"""Mark by which SQLite files of this kind are known."""
_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS entries (
        seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, session_id TEXT NOT NULL, fence INTEGER NOT NULL,
        kind TEXT NOT NULL, body TEXT NOT NULL, hash TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX IF NOT EXISTS entries_by_kind ON entries (kind, seq)",
    "CREATE INDEX IF NOT EXISTS entries_by_session ON entries (session_id, kind, seq)",
    """CREATE TRIGGER IF NOT EXISTS entries_stay BEFORE UPDATE ON entries
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END""",
    """CREATE TRIGGER IF NOT EXISTS entries_remain BEFORE DELETE ON entries
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END""",
    # A replacing insert deletes without asking the trigger above.
    """CREATE TRIGGER IF NOT EXISTS entries_follow BEFORE INSERT ON entries
        WHEN NEW.seq <> (SELECT COALESCE(MAX(seq), 0) + 1 FROM entries)
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END""",
    f"PRAGMA application_id = {_APPLICATION}",
)


def connect(path: Path, read_only: bool) -> sqlite3.Connection:
    """Open the file of a journal; for writing it is made where it is absent, and every commit is synced to the disk.

    Raises:
        JournalError: the file is something else.
        sqlite3.Error: it cannot be opened, made or read.
    """
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )
    database.execute("PRAGMA busy_timeout = 5000")
    # In this order: another process may be making the file, its tables and its mark at once.
    holds_tables = database.execute("SELECT 1 FROM sqlite_master").fetchone() is not None
    (mark,) = database.execute("PRAGMA application_id").fetchone()
    is_new = mark != _APPLICATION
    if is_new and (read_only or holds_tables):
        raise JournalError(f"journal {path}: this file is no journal; name another file")
    if not read_only:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        # macOS otherwise leaves what was synced in the cache of the drive.
        database.execute("PRAGMA fullfsync = ON")
    if is_new:
        database.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA:
            database.execute(statement)
        database.execute("COMMIT")
    return database


def remedy(error: sqlite3.Error) -> str:
    """Return what to do about a failure of SQLite."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return _REMEDIES.get(code, "look at the disk, or restore the file from a copy")


_REMEDIES = {
    sqlite3.SQLITE_FULL: "free some space on the disk",
    sqlite3.SQLITE_IOERR: "look at the disk: it may be full or failing",
    sqlite3.SQLITE_READONLY: "make the file and its folder writable",
    sqlite3.SQLITE_CANTOPEN: "make its folder, and the file readable and writable",
    sqlite3.SQLITE_BUSY: "end the other process that writes to it",
    sqlite3.SQLITE_NOTADB: "name the file of a journal",
}
