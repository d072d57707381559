"""The model that holds the alias ``champion``, read from MLflow."""

from pathlib import Path
from typing import Any

import mlflow
from kedro.io import AbstractDataset
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from crypto_kedro.errors import LineageError
from crypto_kedro.serving.bundle import ModelBundle, load_bundle
from crypto_kedro.tracking.registry import CHAMPION


class ChampionDataset(AbstractDataset[None, dict[str, Any]]):
    """Loading gives ``version`` (such as ``btc-jpy-ensemble version 3``) and ``bundle``, both None without a champion.

    Args:
        registered_model: name in the registry.
        metadata: for kedro viz.
    """

    def __init__(self, registered_model: str, metadata: dict[str, Any] | None = None) -> None:
        self._registered_model = registered_model
        self.metadata = metadata

    def load(self) -> dict[str, Any]:
        """Return the champion.

        Raises:
            LineageError: the registry names a champion whose bundle cannot be read.
        """
        try:
            version = MlflowClient().get_model_version_by_alias(self._registered_model, CHAMPION)
        except MlflowException:
            return {"version": None, "bundle": None}
        return {
            "version": f"{version.name} version {version.version}",
            "bundle": _bundle(version.name, version.version),
        }

    def save(self, data: None) -> None:  # noqa: ARG002  (Kedro prescribes the signature)
        """Refuse: the alias is moved by a verdict."""
        raise LineageError("champion: it is set by the verdict of an evaluation; save the dataset `promotion` instead")

    def _describe(self) -> dict[str, Any]:
        return {"registered_model": self._registered_model}


def _bundle(name: str, version: str) -> ModelBundle:
    try:
        folder = mlflow.artifacts.download_artifacts(f"models:/{name}/{version}")
    except MlflowException as error:
        raise LineageError(
            f"champion: {name} version {version} cannot be read from MLflow ({error}); restore its artifacts or move "
            "the alias"
        ) from error
    return load_bundle(next(Path(folder).rglob("bundle.json")).parent)
