"""The lease of traders on one machine: a row in SQLite, and a lock that the kernel frees when its holder dies."""

import os
import platform
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from crypto_kedro.session.lease.tenure import LeaseStoreError, LeaseTerms, StoredLease, steady_ms

_SCHEMA = """
CREATE TABLE IF NOT EXISTS lease (
    only INTEGER PRIMARY KEY CHECK (only = 1), token INTEGER NOT NULL, owner TEXT, holder TEXT NOT NULL,
    boot TEXT NOT NULL, ends_ms INTEGER NOT NULL
)
"""
_BUSY_SECONDS = 2.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class _Row:
    token: int
    owner: str | None
    holder: str
    boot: str
    ends_ms: int


class SqliteLease(StoredLease):
    """A lease in a file on a local disk, for processes of one machine.

    A holder that dies is succeeded at once, one that hangs when its time is over. The file must neither be deleted
    while a trader runs nor lie on a network share.

    Args:
        path: the file; made, with its folder, if it is absent.
        terms: for how long the lease is given.
        clock_ms: milliseconds of a clock that is never set and that all processes of the machine share.
    """

    def __init__(self, path: Path, terms: LeaseTerms, *, clock_ms: Callable[[], int] = steady_ms) -> None:
        super().__init__(str(path), terms, clock_ms)
        self._path = path
        self._owner = uuid.uuid4().hex
        self._holder = f"process {os.getpid()} on {platform.node()}"
        self._sign_of_life: sqlite3.Connection | None = None

    def _find_holder(self) -> str | None:
        """Return process and machine of the holder, None for nobody."""
        if not self._path.exists():
            return None
        with self._transaction() as database:
            row = _row(database)
            return None if row is None or self._is_free(row) else row.holder

    def _take(self, above: int) -> int | None:
        with self._store_errors():
            self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._transaction(make=True) as database:
                database.execute(_SCHEMA)
                row = _row(database)
                if row is not None and not self._is_free(row):
                    return None
                token = max(above, 0 if row is None else row.token) + 1
                # Others must see the sign of life no later than the row that refers to it.
                self._show_life(token)
                database.execute(
                    "INSERT OR REPLACE INTO lease VALUES (1, ?, ?, ?, ?, ?)",
                    (token, self._owner, self._holder, _boot_id(), self._clock_ms() + self._terms.ttl_ms),
                )
        except LeaseStoreError:
            self._end_life()
            raise
        if row is not None:
            self._remove_life(row.token)
        return token

    def _extend(self, token: int) -> bool:
        with self._transaction() as database:
            changed = database.execute(
                "UPDATE lease SET ends_ms = ? WHERE owner = ? AND token = ?",
                (self._clock_ms() + self._terms.ttl_ms, self._owner, token),
            )
            kept = changed.rowcount == 1
        if not kept:
            self._end_life()
        return kept

    def _give_back(self, token: int) -> None:
        try:
            with self._transaction() as database:
                database.execute("UPDATE lease SET owner = NULL WHERE owner = ? AND token = ?", (self._owner, token))
        finally:
            self._end_life()
            self._remove_life(token)

    def _is_free(self, row: _Row) -> bool:
        if row.owner is None:
            return True
        same_boot = row.boot == _boot_id()
        if same_boot and self._clock_ms() >= row.ends_ms:
            return True
        life = self._life_path(row.token)
        if not life.exists():
            # Without its sign a holder of this boot is given its time; one of another boot cannot be alive here.
            return not same_boot
        return not _is_locked(life)

    def _life_path(self, token: int) -> Path:
        return self._path.with_name(f"{self._path.name}.holder-{token}")

    def _show_life(self, token: int) -> None:
        self._end_life()
        self._sign_of_life = sqlite3.connect(
            self._life_path(token), isolation_level=None, timeout=0, check_same_thread=False
        )
        self._sign_of_life.execute("BEGIN EXCLUSIVE")

    def _end_life(self) -> None:
        if self._sign_of_life is not None:
            self._sign_of_life.close()
            self._sign_of_life = None

    def _remove_life(self, token: int) -> None:
        """Tidy up; what stays behind on a disk that became read-only is no sign of life without its lock."""
        with suppress(OSError):
            self._life_path(token).unlink(missing_ok=True)

    @contextmanager
    def _transaction(self, *, make: bool = False) -> Iterator[sqlite3.Connection]:
        """Open the file by its name, so that one that was replaced is seen as it is now."""
        mode = "rwc" if make else "rw"
        with (
            self._store_errors(),
            closing(
                sqlite3.connect(
                    f"{self._path.absolute().as_uri()}?mode={mode}",
                    uri=True,
                    isolation_level=None,
                    timeout=_BUSY_SECONDS,
                )
            ) as database,
        ):
            database.execute("BEGIN IMMEDIATE")
            yield database
            database.execute("COMMIT")

    @contextmanager
    def _store_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise LeaseStoreError(
                f"lease {self._path}: the file cannot be used ({error}); free the disk, correct its rights or name "
                "another file, the same for all traders of the account"
            ) from error


def _row(database: sqlite3.Connection) -> _Row | None:
    found = database.execute("SELECT token, owner, holder, boot, ends_ms FROM lease").fetchone()
    return None if found is None else _Row(*found)


def _is_locked(path: Path) -> bool:
    with closing(
        sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=0)
    ) as life:
        try:
            life.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            return True
    return False


def _boot_id() -> str:
    return _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""
