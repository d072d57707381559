"""The model that holds the alias ``champion``, read from MLflow."""

from typing import Any

from kedro.io import AbstractDataset
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from crypto_kedro.errors import LineageError
from crypto_kedro.tracking.registry import CHAMPION, registered_bundle


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
            "bundle": registered_bundle(version.name, version.version),
        }

    def save(self, data: None) -> None:  # noqa: ARG002  (Kedro prescribes the signature)
        """Refuse: the alias is moved by a verdict."""
        raise LineageError("champion: it is set by the verdict of an evaluation; save the dataset `promotion` instead")

    def _describe(self) -> dict[str, Any]:
        return {"registered_model": self._registered_model}
