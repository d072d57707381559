"""The shelf as the catalog names it."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from crypto_kedro.errors import LineageError
from crypto_kedro.tracking.kept_shelf import KeptShelf


class ModelShelfDataset(AbstractDataset[None, KeptShelf]):
    """Loading gives the shelf; what stands on it is read when it is asked for.

    Args:
        registered_model: name in the registry.
        filepath: folder where the versions are kept, ``data/06_models/shelf``.
        metadata: for kedro viz.
    """

    def __init__(self, registered_model: str, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._registered_model = registered_model
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> KeptShelf:
        """Return the shelf."""
        return KeptShelf(self._registered_model, self._filepath)

    def save(self, data: None) -> None:  # noqa: ARG002  (Kedro prescribes the signature)
        """Refuse: versions are registered by training."""
        raise LineageError("model shelf: versions are registered by training; save nothing here")

    def _describe(self) -> dict[str, Any]:
        return {"registered_model": self._registered_model, "filepath": str(self._filepath)}
