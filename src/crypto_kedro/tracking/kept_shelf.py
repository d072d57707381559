"""The traded versions kept beside the registry, so that a session starts without MLflow.

The shelf is written whenever MLflow is at hand, with a stamp of the registry that it shows. A session compares the
stamp at its start: while the registry is as it was, what is kept is what the registry would answer; otherwise the
registry is read again by a process of its own, whose memory is given back when it ends.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crypto_kedro.errors import LineageError
from crypto_kedro.serving.bundle import load_bundle
from crypto_kedro.tracking.target import TrackingTarget
from crypto_kedro.tracking.traded_model import TradedModel

SHELF = Path("data", "06_models", "shelf")
SHELF_FILE = "shelf.json"
FORMAT = 2
"""From 2 on each bundle on the shelf has been tried by whoever put it there."""
ABSENT = "absent"
"""Stamp of a registry that does not exist."""
UNREADABLE = 3
"""Exit status of a reader that has told in one sentence why the registry cannot be read."""

_READER = "crypto_kedro.tracking.shelf_keeper"
_HEADER_BYTES = 100


@dataclass(frozen=True, slots=True)
class KeptShelf:
    """The versions as they were last read from the registry; see `bring_up_to_date`.

    Args:
        registered_model: name in the registry.
        folder: where they are kept.
    """

    registered_model: str
    folder: Path

    def first_of(self, aliases: Sequence[str]) -> TradedModel | None:
        """Return the version of the first alias that exists, None when none does.

        Raises:
            LineageError: nothing was kept, or the registry could not read that version.
            BundleError: the bundle was altered since.
        """
        kept = kept_of(self.folder, self.registered_model)
        if kept is None:
            raise LineageError(
                f"{self.registered_model}: no version is kept in {self.folder}; start sessions with `kedro run`"
            )
        for alias in aliases:
            if alias in kept["aliases"]:
                return self._traded(alias, kept["aliases"][alias])
        return None

    def _traded(self, alias: str, kept: Mapping[str, Any]) -> TradedModel:
        if "error" in kept:
            raise LineageError(kept["error"])
        digest = kept["bundle_digest"]
        bundle = load_bundle(self.folder / digest, tried_digest=digest)
        if bundle.digest != digest:
            raise LineageError(
                f"{kept['version']}: the bundle in {bundle.path} is another than the registry's; delete {self.folder}"
            )
        return TradedModel(alias, kept["version"], kept["run_id"], kept["tags"], bundle, kept["kelly"])


def kept_of(folder: Path, registered_model: str) -> dict[str, Any] | None:
    """Return what is kept of a model: ``stamp`` and, by alias, ``aliases``; None for nothing that can be read."""
    try:
        kept = json.loads((folder / SHELF_FILE).read_bytes())
    except (OSError, ValueError):
        return None
    is_known = isinstance(kept, dict) and kept.get("format") == FORMAT
    return kept if is_known and kept["registered_model"] == registered_model else None


def write_shelf(folder: Path, registered_model: str, stamp: str | None, aliases: Mapping[str, Any]) -> None:
    """Write down what the registry holds, in place of what was known."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {"format": FORMAT, "registered_model": registered_model, "stamp": stamp, "aliases": aliases}
    partial = folder / f".{SHELF_FILE}.{os.getpid()}.part"
    partial.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    partial.replace(folder / SHELF_FILE)


def registry_stamp(database: Path | None) -> str | None:
    """Return what changes whenever the registry is written to; None where only asking the registry can tell.

    Args:
        database: path of a SQLite store, None for a server.
    """
    if database is None:
        return None
    if not database.exists():
        return ABSENT
    # SQLite counts every transaction in the header of the file, or appends it to the log beside it.
    with database.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    files = [path for path in (database, Path(f"{database}-wal"), Path(f"{database}-journal")) if path.exists()]
    sizes = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return f"{header.hex()} {sizes}"


def bring_up_to_date(target: TrackingTarget, project_path: Path, registered_model: str) -> None:
    """Make sure that the shelf shows the registry as it is now.

    Args:
        target: where the registry is.
        project_path: root of the project.
        registered_model: name in the registry.

    Raises:
        LineageError: the registry cannot be read.
    """
    folder = project_path / SHELF
    kept, stamp = kept_of(folder, registered_model), registry_stamp(target.database(project_path))
    if kept is not None and stamp is not None and kept["stamp"] == stamp:
        return
    if stamp == ABSENT:
        # MLflow would create it.
        write_shelf(folder, registered_model, stamp, {})
        return
    reader = subprocess.run(
        [sys.executable, "-m", _READER], check=False, capture_output=True, text=True, encoding="utf-8",
        input=json.dumps([asdict(target), str(project_path), registered_model]),
    )  # fmt: skip
    if reader.returncode == UNREADABLE:
        raise LineageError(reader.stdout.strip())
    if reader.returncode != 0:
        reason = (reader.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise LineageError(f"{registered_model}: reading MLflow at {target.printable_uri()} failed ({reason})")
