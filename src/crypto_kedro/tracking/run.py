"""One MLflow run for every ``kedro run``: opened before the first node, closed with its outcome."""

import logging
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mlflow
from mlflow import MlflowClient
from mlflow.entities import LifecycleStage
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from crypto_kedro.errors import ConfigurationError, LineageError
from crypto_kedro.tracking.environment import clear_environment, short_requests
from crypto_kedro.tracking.store import check_store, deleted_experiment, rebase
from crypto_kedro.tracking.target import TrackingTarget, without_credentials

_DATABASE_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
_CONNECT_TIMEOUT_S = 5.0
logger = logging.getLogger(__name__)
_run_id: str | None = None


def attach(target: TrackingTarget, project_path: Path) -> None:
    """Point MLflow, its registry included, at the store that the settings name; artifacts follow a moved project.

    Raises:
        ConfigurationError: the store cannot be used, see `store.rebase`.
    """
    for move in rebase(target, project_path):
        logger.warning("The project moved from %s to %s: the MLflow store follows it.", move.before, move.after)
    uri = target.resolved_uri(project_path)
    clear_environment(uri)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    # MLflow hands its own choices to child processes, where they would pass for somebody's environment.
    clear_environment(uri)


def connect(target: TrackingTarget, project_path: Path) -> None:
    """Point MLflow at the store and select the experiment, creating both where they are missing.

    Raises:
        ConfigurationError: the store cannot be reached, read or written to within 10 s, its experiment was deleted, or
            its artifacts belong to another project.
    """
    check_store(target, project_path)
    attach(target, project_path)
    database = target.database(project_path)
    try:
        if database is not None:
            database.parent.mkdir(parents=True, exist_ok=True)
        with short_requests():
            check_reachable(target.uri)
            _select(target, project_path)
    except (MlflowException, SQLAlchemyError, ImportError, OSError, ValueError) as error:
        reason = without_credentials((str(error).splitlines() or [type(error).__name__])[0])
        # The original would be printed with its chain, and its text holds the whole URI.
        raise ConfigurationError(
            f"tracking.uri: cannot use MLflow at {target.printable_uri()} ({reason}); "
            "start the server or correct the URI"
        ) from None
    finally:
        clear_environment(target.uri)


def _select(target: TrackingTarget, project_path: Path) -> None:
    found = mlflow.get_experiment_by_name(target.experiment)
    if found is None:
        folder = None if target.database(project_path) is None else target.artifact_folder(project_path).as_uri()
        mlflow.create_experiment(target.experiment, artifact_location=folder)
    elif found.lifecycle_stage == LifecycleStage.DELETED:
        raise ConfigurationError(deleted_experiment(target.experiment, found.experiment_id))
    mlflow.set_experiment(target.experiment)


def check_reachable(uri: str) -> None:
    """Connect to a database server once: MLflow would retry for minutes.

    Raises:
        OSError: nothing listens there.
    """
    address = urlsplit(uri)
    port = _DATABASE_PORTS.get(address.scheme.partition("+")[0])
    if port is not None and address.hostname:
        socket.create_connection((address.hostname, address.port or port), timeout=_CONNECT_TIMEOUT_S).close()


def start(name: str, tags: Mapping[str, str], parameters: Mapping[str, Any]) -> str:
    """Open the run of this process, log what it was asked to do and return its id.

    A run that an interrupted notebook left open is closed as killed.
    """
    global _run_id
    finish("KILLED")
    run = mlflow.start_run(run_name=name, tags=dict(tags), log_system_metrics=False)
    _run_id = str(run.info.run_id)
    mlflow.log_params(dict(flatten(parameters)))
    return _run_id


def finish(status: str, error: Exception | None = None) -> None:
    """Close the run, and those inside it, as ``FINISHED``, ``FAILED`` or ``KILLED``; an error's first line is a tag."""
    while mlflow.active_run() is not None:
        if error is not None:
            mlflow.set_tag("error", without_credentials(f"{type(error).__name__}: {error}".splitlines()[0])[:500])
        mlflow.end_run(status)


def kill() -> None:
    """Mark the run of this process as ``KILLED`` from another thread, which does not see it as active."""
    if _run_id is not None:
        MlflowClient().set_terminated(_run_id, "KILLED")


def tag_data(manifest: Mapping[str, Any]) -> None:
    """Tag the run with the source and the hash of the candles it works on."""
    mlflow.set_tags(data_tags(manifest))


def tag_features(manifest: Mapping[str, Any]) -> None:
    """Tag the run with the feature set and the candles behind it."""
    mlflow.set_tags(feature_tags(manifest))


def data_tags(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return the lineage tags of a data manifest.

    Raises:
        LineageError: the manifest does not say where the candles came from.
    """
    return _link(manifest, {"data_source": "source", "data_sha256": "sha256"}, "data manifest", "data")


def feature_tags(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return the lineage tags of a feature manifest, those of its candles included."""
    tags = _link(manifest, {"feature_set": "feature_set", "feature_set_hash": "hash"}, "feature manifest", "features")
    return {**tags, **data_tags(manifest["data"])}


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested mappings with dotted names."""
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from flatten(value, f"{name}.")
        else:
            yield name, value


def _link(manifest: Mapping[str, Any], tags: Mapping[str, str], what: str, pipeline: str) -> dict[str, str]:
    missing = [key for key in tags.values() if not manifest.get(key)]
    if missing:
        raise LineageError(f"{what}: {', '.join(missing)} is missing; run `kedro run --pipelines {pipeline}` again")
    return {tag: str(manifest[key]) for tag, key in tags.items()}
