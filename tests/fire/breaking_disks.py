"""Break a disk under a journal again and again: is everything still there that was acknowledged?

Beside the journal, a table of SQLite's own shows what a disk that breaks amid an fsync takes with it. Needs root.

Example:
  python tests/fire/breaking_disks.py journal 500
"""

import itertools
import json
import multiprocessing
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click
from real_disk import IN_A_NAMESPACE, Disk

from crypto_kedro.session.journal import Journal, JournalError, Writer
from crypto_kedro.session.journal.records import CycleStarted, Trigger

_MOST_SECONDS_WHOLE = 0.05
_PATIENCE_S = 60


def append_to_table(path: Path) -> Iterator[int]:
    """Append rows to a plain table until the disk breaks; yield how many have been committed."""
    with closing(_table(path)) as database:
        for number in itertools.count(_rows(database) + 1):
            try:
                database.execute("INSERT INTO entries VALUES (?)", ("x" * 4_000,))
            except sqlite3.Error:
                return
            yield number


def append_to_journal(path: Path) -> Iterator[int]:
    """Append entries to a journal until the disk breaks; yield the number of each that was acknowledged."""
    with Journal.open(path) as journal:
        for number in itertools.count(journal.head.seq + 1):
            try:
                journal.append(Writer("session", 1), 0, CycleStarted(f"{number:04000}", Trigger.BAR))
            except JournalError:
                return
            yield number


def rows_of_table(path: Path) -> int:
    """Return how many rows a table has kept."""
    with closing(_table(path)) as database:
        return _rows(database)


def entries_of_journal(path: Path) -> int:
    """Return how many entries a journal has kept."""
    with Journal.open(path) as journal:
        return journal.verify().seq


def _table(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE IF NOT EXISTS entries (body TEXT)")
    return database


def _rows(database: sqlite3.Connection) -> int:
    return int(database.execute("SELECT COUNT(*) FROM entries").fetchone()[0])


FILES: dict[str, tuple[Callable[[Path], Iterator[int]], Callable[[Path], int]]] = {
    "journal": (append_to_journal, entries_of_journal),
    "table": (append_to_table, rows_of_table),
}


def break_disks(name: str, rounds: int, seed: int) -> dict[str, int]:
    """Break a disk so many times and return how often something was missing that had been acknowledged."""
    write, count = FILES[name]
    moments, fork = random.Random(seed), multiprocessing.get_context("fork")
    lost = 0
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder, "disk")
        at.mkdir()
        disk = Disk(Path(folder, "image"), at)
        for number in range(rounds):
            path, acknowledged = at / f"{number}.db", fork.Value("q", 0)
            writing = fork.Process(target=_acknowledge, args=(write, path, acknowledged))
            writing.start()
            deadline = time.monotonic() + _PATIENCE_S
            while acknowledged.value == 0:
                assert time.monotonic() < deadline, "nothing was written"
                time.sleep(0.001)
            time.sleep(moments.uniform(0, _MOST_SECONDS_WHOLE))
            disk.turn_read_only()
            writing.join()
            assert writing.exitcode == 0, f"the writer ended with {writing.exitcode}"
            disk.repair()
            lost += count(path) < acknowledged.value
            for left in at.glob(f"{number}.db*"):
                left.unlink()
        disk.take_away()
    return {"rounds": rounds, "lost": lost}


def _acknowledge(write: Callable[[Path], Iterator[int]], path: Path, acknowledged: Any) -> None:
    for number in write(path):
        acknowledged.value = number


def in_a_namespace(name: str, rounds: int, seed: int) -> dict[str, int]:
    """Break disks in a process whose mounts vanish with it."""
    command = [*IN_A_NAMESPACE, sys.executable, str(Path(__file__)), name, str(rounds), "--seed", str(seed), "--here"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    found: dict[str, int] = json.loads(done.stdout)
    return found


@click.command()
@click.argument("name", type=click.Choice(list(FILES)))
@click.argument("rounds", type=click.IntRange(1))
@click.option("--seed", default=1, show_default=True, help="Of the moments.")
@click.option("--here", is_flag=True, hidden=True)
def main(name: str, rounds: int, seed: int, here: bool) -> None:
    """Break a disk so many ROUNDS under NAME and print how often something acknowledged was lost."""
    click.echo(json.dumps((break_disks if here else in_a_namespace)(name, rounds, seed)))


if __name__ == "__main__":
    main()
