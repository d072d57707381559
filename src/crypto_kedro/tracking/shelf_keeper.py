"""Reads the registry and keeps its traded versions; also a program of its own, see `kept_shelf`."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException

from crypto_kedro.errors import CryptoKedroError, LineageError
from crypto_kedro.tracking.environment import short_requests
from crypto_kedro.tracking.kept_shelf import SHELF, UNREADABLE, registry_stamp, write_shelf
from crypto_kedro.tracking.run import attach
from crypto_kedro.tracking.target import TrackingTarget, without_credentials
from crypto_kedro.tracking.traded_model import ModelShelf, TradedModel


def keep_shelf(database: Path | None, registered_model: str, folder: Path) -> None:
    """Write down the version of every alias with its bundle, as the registry has them now.

    Args:
        database: SQLite store that MLflow is connected to, None for a server.
        registered_model: name in the registry.
        folder: where they are kept.

    Raises:
        LineageError: the registry cannot be read.
    """
    # Read before the versions: what is written while they are read makes the stamp old rather than the versions.
    stamp = registry_stamp(database)
    folder.mkdir(parents=True, exist_ok=True)
    shelf = ModelShelf(registered_model)
    aliases = {alias: _kept(shelf, alias, folder) for alias in shelf.aliases()}
    write_shelf(folder, registered_model, stamp, aliases)
    named = {entry.get("bundle_digest") for entry in aliases.values()}
    for beside in folder.iterdir():
        if beside.is_dir() and beside.name not in named:
            shutil.rmtree(beside)


def _kept(shelf: ModelShelf, alias: str, folder: Path) -> dict[str, Any]:
    try:
        model = shelf.first_of([alias])
    except CryptoKedroError as error:
        return {"error": without_credentials(str(error))}
    if model is None:
        return {"error": f"{shelf.registered_model}: the alias {alias} was taken away while it was read; start again"}
    _keep_bundle(model, folder)
    return {
        "version": model.version,
        "run_id": model.run_id,
        "tags": dict(model.tags),
        "bundle_digest": model.bundle.digest,
        "kelly": model.kelly,
    }


def _keep_bundle(model: TradedModel, folder: Path) -> None:
    target = folder / model.bundle.digest
    if target.exists():
        return
    partial = folder / f".{model.bundle.digest}.{os.getpid()}.part"
    shutil.copytree(model.bundle.path, partial)
    try:
        partial.rename(target)
    except OSError as error:
        shutil.rmtree(partial)
        if not target.exists():
            raise LineageError(f"{model.version}: its bundle cannot be kept in {target} ({error.strerror})") from error


def main() -> None:
    """Keep the shelf that standard input names as JSON: tracking target, project, registered model."""
    values, project, registered_model = json.load(sys.stdin)
    target, project_path = TrackingTarget(**values), Path(project)
    try:
        with short_requests():
            attach(target, project_path)
            keep_shelf(target.database(project_path), registered_model, project_path / SHELF)
    except (CryptoKedroError, MlflowException) as error:
        sys.stdout.write(without_credentials(str(error)).splitlines()[0])
        raise SystemExit(UNREADABLE) from None


if __name__ == "__main__":
    main()
