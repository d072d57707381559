"""The registered versions that a pipeline will need, looked up before it works."""

import mlflow
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from crypto_kedro.errors import LineageError
from crypto_kedro.tracking.target import without_credentials

_JUDGED = "registered_model"
_CHAMPION = "champion"


def check_versions(pipeline: Pipeline, catalog: DataCatalog) -> None:
    """Check that the version to be judged exists, and that the champion to compare it with can be read.

    Raises:
        LineageError: one was deleted, or its artifacts were.
    """
    read = pipeline.inputs()
    if _JUDGED in read and catalog.exists(_JUDGED):
        registered = catalog.load(_JUDGED)
        if registered["version"] is not None:
            check_version(registered["name"], str(registered["version"]))
    if _CHAMPION in read:
        catalog.load(_CHAMPION)


def check_version(name: str, version: str) -> None:
    """Check that a version exists in the registry, and that the run that trained it does.

    Raises:
        LineageError: it was deleted, or the registry cannot be read.
    """
    client = MlflowClient()
    try:
        found = client.get_model_version(name, version)
        if found.run_id:
            client.get_run(found.run_id)
    except MlflowException as error:
        reason = without_credentials(str(error).splitlines()[0])
        raise LineageError(
            f"{name} version {version} was deleted or belongs to another store than "
            f"{without_credentials(mlflow.get_tracking_uri())} ({reason}); run `kedro run --pipelines training` again"
        ) from None
