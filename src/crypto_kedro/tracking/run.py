"""One MLflow run for every ``kedro run``: opened before the first node, closed with its outcome."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException

from crypto_kedro.errors import ConfigurationError, LineageError
from crypto_kedro.tracking.target import SQLITE, TrackingTarget, without_credentials


def connect(target: TrackingTarget, project_path: Path) -> None:
    """Point MLflow at the store and select the experiment, creating both where they are missing.

    Raises:
        ConfigurationError: the store cannot be reached or read.
    """
    uri = target.resolved_uri(project_path)
    if uri.startswith(SQLITE):
        Path(uri.removeprefix(SQLITE)).parent.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(uri)
    try:
        if mlflow.get_experiment_by_name(target.experiment) is None:
            beside = (project_path / target.artifact_root).as_uri() if uri.startswith(SQLITE) else None
            mlflow.create_experiment(target.experiment, artifact_location=beside)
        mlflow.set_experiment(target.experiment)
    except MlflowException as error:
        reason = without_credentials(str(error).splitlines()[0])
        # The original would be printed with its chain, and its text holds the whole URI.
        raise ConfigurationError(
            f"tracking.uri: cannot use MLflow at {target.printable_uri()} ({reason}); "
            "start the server or correct the URI"
        ) from None


def start(name: str, tags: Mapping[str, str], parameters: Mapping[str, Any]) -> str:
    """Open the run of this process, log what it was asked to do and return its id."""
    run = mlflow.start_run(run_name=name, tags=dict(tags), log_system_metrics=False)
    mlflow.log_params(dict(flatten(parameters)))
    return str(run.info.run_id)


def finish(status: str, error: Exception | None = None) -> None:
    """Close the run as ``FINISHED`` or ``FAILED``, keeping the first line of the error as a tag."""
    if mlflow.active_run() is None:
        return
    if error is not None:
        mlflow.set_tag("error", without_credentials(f"{type(error).__name__}: {error}".splitlines()[0])[:500])
    mlflow.end_run(status)


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
