"""The file of a paper account: how it began, the rules it met, and every input that changed it."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.exchange.paper.inputs import Input, decode_input, decode_rules, encode_input, encode_rules
from crypto_kedro.exchange.port import RetryLaterError, StopTradingError
from crypto_kedro.trading.money import Jpy, Price
from crypto_kedro.trading.rules import MarketRules, RuleSchedule

_SCHEMA = """
CREATE TABLE IF NOT EXISTS origin (
    only INTEGER PRIMARY KEY CHECK (only = 1), start_ms INTEGER NOT NULL, price_ticks INTEGER NOT NULL,
    cash_units INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS owner (only INTEGER PRIMARY KEY CHECK (only = 1), number INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS rules (since_ms INTEGER PRIMARY KEY, rules BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS input (number INTEGER PRIMARY KEY, input BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS latest (number INTEGER PRIMARY KEY, input BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS followed (only INTEGER PRIMARY KEY CHECK (only = 1), trade_id INTEGER NOT NULL) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Origin:
    """How a paper account began.

    Args:
        start_ms: Unix milliseconds UTC, not after its first input.
        price: last price of the market.
        cash: JPY to start with.
    """

    start_ms: int
    price: Price
    cash: Jpy


class AccountFile:
    """An append-only log in SQLite that survives a kill of the process and a loss of power.

    One process at a time writes: whoever opens the file takes it over, and the one before it can write no more.

    Args:
        path: the file; made if it is absent.
        patience_s: how long another process that is writing is waited for.

    Raises:
        ConfigurationError: the file cannot be used.
    """

    def __init__(self, path: Path, *, patience_s: float = 5.0) -> None:
        self._path = path
        try:
            self._database = sqlite3.connect(path, timeout=patience_s, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(_SCHEMA)
            self._owner = self._take_over()
        except sqlite3.Error as error:
            raise ConfigurationError(
                f"{path}: not usable as a paper account ({error}); move the file away to begin anew"
            ) from error

    def _take_over(self) -> int:
        (number,) = self._database.execute(
            "INSERT INTO owner VALUES (1, 1) ON CONFLICT DO UPDATE SET number = number + 1 RETURNING number"
        ).fetchone()
        return int(number)

    @property
    def origin(self) -> Origin | None:
        """How the account began, None for a new file."""
        row = self._database.execute("SELECT start_ms, price_ticks, cash_units FROM origin").fetchone()
        return None if row is None else Origin(row[0], Price(row[1]), Jpy(row[2]))

    @property
    def trade_id(self) -> int:
        """The newest trade of the market that the account has met, 0 for none."""
        row = self._database.execute("SELECT trade_id FROM followed").fetchone()
        return 0 if row is None else int(row[0])

    def schedule(self) -> RuleSchedule:
        """Return the rules that the account met, by their dates."""
        rows = self._database.execute("SELECT since_ms, rules FROM rules ORDER BY since_ms").fetchall()
        return RuleSchedule(tuple(row[0] for row in rows), tuple(decode_rules(row[1]) for row in rows))

    def inputs(self) -> Iterator[Input]:
        """Yield every input that changed the account, and what it met right before, in order."""
        return self._inputs("SELECT input FROM input ORDER BY number")

    def latest(self) -> Iterator[Input]:
        """Yield what the account met after all that changed it."""
        return self._inputs("SELECT input FROM latest ORDER BY number")

    def _inputs(self, question: str) -> Iterator[Input]:
        for (text,) in self._database.execute(question):
            yield decode_input(text)

    def begin(self, origin: Origin, rules: MarketRules, trade_id: int) -> None:
        """Write down how the account begins.

        Raises:
            RetryLaterError, StopTradingError: see `append`.
        """
        with self._writing() as database:
            row = (origin.start_ms, origin.price.ticks, origin.cash.units)
            database.execute("INSERT INTO origin VALUES (1, ?, ?, ?)", row)
            database.execute("INSERT INTO rules VALUES (0, ?)", (encode_rules(rules),))
            database.execute("INSERT INTO followed VALUES (1, ?)", (trade_id,))

    def adopt(self, rules: MarketRules, since_ms: int) -> None:
        """Write down rules that hold from a moment on.

        Raises:
            RetryLaterError, StopTradingError: see `append`.
        """
        with self._writing() as database:
            database.execute("INSERT INTO rules VALUES (?, ?)", (since_ms, encode_rules(rules)))

    def append(self, inputs: Sequence[Input], latest: Sequence[Input], trade_id: int) -> None:
        """Write down what the account has met, as a whole or not at all.

        Args:
            inputs: those that changed it.
            latest: in place of what was latest before; they changed nothing so far.
            trade_id: the newest trade of the market.

        Raises:
            RetryLaterError: it cannot be written, for example on a full disk.
            StopTradingError: another process has taken the account over.
        """
        with self._writing() as database:
            rows = [(encode_input(met),) for met in inputs]
            database.executemany("INSERT INTO input (input) VALUES (?)", rows)
            database.execute("DELETE FROM latest")
            database.executemany("INSERT INTO latest VALUES (?, ?)", list(enumerate(map(encode_input, latest))))
            database.execute("UPDATE followed SET trade_id = ?", (trade_id,))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Let the account's owner write one transaction."""
        database = self._database
        try:
            database.execute("BEGIN IMMEDIATE")
            (owner,) = database.execute("SELECT number FROM owner").fetchone()
            if owner != self._owner:
                raise StopTradingError(
                    f"paper account {self._path}: another process has taken it over; let only one session trade it"
                )
            yield database
            database.execute("COMMIT")
        except sqlite3.Error as error:
            raise RetryLaterError(
                f"paper account {self._path}: cannot be written ({error}); look at the disk", outcome_known=False
            ) from error
        finally:
            if database.in_transaction:
                database.execute("ROLLBACK")
