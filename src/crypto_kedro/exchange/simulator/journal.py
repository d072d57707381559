"""What the simulated exchange must remember over a restart: accepted commands, market time and nonces."""

import sqlite3
from contextlib import closing
from pathlib import Path

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.exchange.simulator.commands import Command, decode_command, encode_command

_SCHEMA = """
CREATE TABLE IF NOT EXISTS origin (name TEXT NOT NULL, start_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS command (number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, command BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS clock (only INTEGER PRIMARY KEY CHECK (only = 1), at_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS nonce (key TEXT PRIMARY KEY, last INTEGER NOT NULL);
"""


class Journal:
    """An append-only log in SQLite; what a client was told survives a kill of the process.

    Every write is its own transaction in the write-ahead log. A loss of power may cost the last of them.

    Args:
        path: the file; made if it is absent.
        origin: market and account that the commands belong to.
        start_ms: moment at which the market was entered, Unix milliseconds UTC.

    Raises:
        ConfigurationError: the file belongs to another origin, or is no such file.
    """

    def __init__(self, path: Path, origin: str, start_ms: int) -> None:
        self._path = path
        try:
            self._database = sqlite3.connect(path, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.executescript(_SCHEMA)
            stored = self._database.execute("SELECT name, start_ms FROM origin").fetchone()
        except sqlite3.Error as error:
            raise ConfigurationError(f"{path}: not usable as simulator state ({error}); name another file") from error
        if stored is None:
            self._database.execute("INSERT INTO origin VALUES (?, ?)", (origin, start_ms))
        elif stored != (origin, start_ms):
            raise ConfigurationError(
                f"{path} holds the state of another simulated exchange ({stored[0]} from {stored[1]}, "
                f"not {origin} from {start_ms}); "
                "start with the same data and account, or name another file"
            )
        row = self._database.execute("SELECT at_ms FROM clock").fetchone()
        self._noted_ms = -1 if row is None else int(row[0])

    @property
    def last_ms(self) -> int:
        """The latest market time that was noted, -1 for none."""
        return self._noted_ms

    def commands(self) -> list[tuple[int, Command]]:
        """Return every command with its market time, in their order."""
        rows = self._database.execute("SELECT at_ms, command FROM command ORDER BY number").fetchall()
        return [(at_ms, decode_command(text)) for at_ms, text in rows]

    def nonces(self) -> dict[str, int]:
        """Return the last nonce of each key."""
        return dict(self._database.execute("SELECT key, last FROM nonce").fetchall())

    def append(self, at_ms: int, command: Command) -> None:
        """Write down a command that was carried out."""
        self._database.execute("INSERT INTO command (at_ms, command) VALUES (?, ?)", (at_ms, encode_command(command)))

    def note_time(self, at_ms: int) -> None:
        """Write down the market time up to which something may have been told to a client."""
        if at_ms > self._noted_ms:
            self._database.execute("INSERT OR REPLACE INTO clock VALUES (1, ?)", (at_ms,))
            self._noted_ms = at_ms

    def note_nonce(self, key: str, nonce: int) -> None:
        """Write down the last nonce of a key."""
        self._database.execute("INSERT OR REPLACE INTO nonce VALUES (?, ?)", (key, nonce))

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def stored_start_ms(path: Path) -> int | None:
    """Return the moment at which a stored exchange entered its market, None when nothing is stored.

    Raises:
        ConfigurationError: the file is no state of a simulated exchange.
    """
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(path)) as database:
            row = database.execute("SELECT start_ms FROM origin").fetchone()
    except sqlite3.Error as error:
        raise ConfigurationError(f"{path}: not usable as simulator state ({error}); name another file") from error
    return None if row is None else int(row[0])
