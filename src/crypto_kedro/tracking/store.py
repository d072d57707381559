"""A SQLite store and its artifacts, checked without MLflow and moved along with the project."""

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.tracking.target import TrackingTarget

_BUSY_S = 5.0
_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("logged_models", "artifact_location"),
)
"""Every column in which MLflow keeps an absolute artifact location."""


@dataclass(frozen=True, slots=True)
class Move:
    """A project's root that changed, since MLflow keeps absolute paths.

    Args:
        before: root that the store still names.
        after: root of the project now.
    """

    before: Path
    after: Path


def check_store(target: TrackingTarget, project_path: Path) -> None:
    """Check that the store can be written to; its content stays as it is.

    Raises:
        ConfigurationError: the database or a folder cannot be written to, the database is locked or no database, or
            the experiment was deleted.
    """
    database = target.database(project_path)
    if database is None:
        return
    check_folders([database.parent, target.artifact_folder(project_path)])
    if not database.exists():
        return
    with _opened(database) as connection:
        # Only a write shows a read-only file, and only in a transaction of its own can it be taken back.
        connection.execute("BEGIN IMMEDIATE")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute(f"PRAGMA user_version = {version + 1}")
        connection.execute("ROLLBACK")
        _check_experiment(connection, target.experiment)


def check_folders(folders: Iterable[Path]) -> None:
    """Check that files can be made in folders, or where those would be created.

    Raises:
        ConfigurationError: one of them cannot be written to.
    """
    for folder in sorted(set(folders)):
        existing = folder
        try:
            existing = next(path for path in (folder, *folder.parents) if path.exists())
            with tempfile.TemporaryFile(dir=existing):
                pass
        except (OSError, UnicodeError) as error:
            raise ConfigurationError(
                f"{existing} cannot be written to ({_reason(error)}); make it a folder that this user may write to"
            ) from None


def moves(target: TrackingTarget, project_path: Path) -> tuple[Move, ...]:
    """Return the former roots that a store in the project still names; nothing is changed.

    A store outside the project may serve several. It moved with its project only if the former artifacts are gone and
    the present ones exist.

    Raises:
        ConfigurationError: the experiment's artifacts lie in the folder of another project, or the store is damaged.
    """
    database, folder = target.database(project_path), target.artifact_folder(project_path)
    if database is None or not database.exists() or Path(target.artifact_root).is_absolute():
        return ()
    with _opened(database) as connection:
        locations = dict(_experiment_folders(connection))
    root, found = project_path.absolute(), set()
    for name, location in sorted(locations.items()):
        before = _root_of(location, target.artifact_root)
        if location == folder or (before is None and location.is_relative_to(root)):
            continue
        is_own = database.resolve().is_relative_to(root.resolve()) or (folder.exists() and not location.exists())
        if before is not None and is_own:
            found.add(Move(before, root))
        elif name == target.experiment:
            raise ConfigurationError(
                f"tracking.experiment: the artifacts of {name} lie in {location}, outside this project; "
                "set tracking.artifact_root to that folder, or choose another tracking.experiment"
            )
    return tuple(sorted(found, key=lambda move: str(move.before)))


def rebase(target: TrackingTarget, project_path: Path) -> tuple[Move, ...]:
    """Let every artifact location follow the project, in one transaction, and return the moves.

    A renamed project finds its artifacts again, a copied one no longer reads or writes those of the original.

    Raises:
        ConfigurationError: see `moves`, or the database cannot be written to.
    """
    found, database = moves(target, project_path), target.database(project_path)
    if not found or database is None:
        return ()
    with _opened(database) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for move in found:
            for table, column in _existing_columns(connection):
                for before, after in (
                    (move.before.as_uri(), move.after.as_uri()),
                    (str(move.before), str(move.after)),
                ):
                    connection.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                        (after, len(before) + 1, len(before) + 1, f"{before}/"),
                    )
        connection.execute("COMMIT")
    return found


@contextmanager
def _opened(database: Path) -> Iterator[sqlite3.Connection]:
    """Open a database that exists.

    Raises:
        ConfigurationError: SQLite refuses, within 5 s if the database is locked.
    """
    try:
        uri = f"{database.as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None)) as connection:
            yield connection
    except (sqlite3.Error, UnicodeError) as error:
        raise ConfigurationError(
            f"tracking.uri: the database {database} cannot be used ({_reason(error)}); "
            "make the file and its folder writable, end what locks it, or move a damaged file away"
        ) from None


def _check_experiment(connection: sqlite3.Connection, experiment: str) -> None:
    if ("experiments", "artifact_location") not in _existing_columns(connection):
        return
    query = "SELECT experiment_id FROM experiments WHERE name = ? AND lifecycle_stage = 'deleted'"
    if (deleted := connection.execute(query, (experiment,)).fetchone()) is not None:
        raise ConfigurationError(deleted_experiment(experiment, str(deleted[0])))


def deleted_experiment(experiment: str, experiment_id: str) -> str:
    """Return the sentence on an experiment that was deleted in MLflow."""
    return (
        f"tracking.experiment: {experiment} was deleted in MLflow; restore it with "
        f"`mlflow experiments restore --experiment-id {experiment_id}`, or choose another tracking.experiment"
    )


def _experiment_folders(connection: sqlite3.Connection) -> Iterator[tuple[str, Path]]:
    """Yield the folder of every experiment that keeps its artifacts on this machine."""
    if ("experiments", "artifact_location") not in _existing_columns(connection):
        return
    for name, location in connection.execute("SELECT name, artifact_location FROM experiments").fetchall():
        if location is None:
            continue
        if location.startswith("file:"):
            yield name, Path(url2pathname(urlsplit(location).path))
        elif location.startswith("/"):
            yield name, Path(location)


def _existing_columns(connection: sqlite3.Connection) -> tuple[tuple[str, str], ...]:
    """Return those of `_LOCATIONS` that this version of the schema has."""
    tables = {table for table, _ in _LOCATIONS}
    existing = {
        (table, row[1]) for table in tables for row in connection.execute(f"PRAGMA table_info({table})").fetchall()
    }
    return tuple(location for location in _LOCATIONS if location in existing)


def _root_of(location: Path, artifact_root: str) -> Path | None:
    """Return the project that keeps its artifacts in ``location``, None if the name of the folder is another."""
    ending = Path(artifact_root).parts
    if location.parts[-len(ending) :] != ending:
        return None
    return Path(*location.parts[: -len(ending)])


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
