"""The model bundle as a catalog entry: saving exports an ensemble, loading verifies what lies on disk."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from crypto_kedro.learning.export import BundleContent, write_bundle
from crypto_kedro.serving.bundle import DESCRIPTION_FILE, ModelBundle, load_bundle


class BundleDataset(AbstractDataset[BundleContent, ModelBundle]):
    """A directory that takes a `BundleContent` and gives back the verified `ModelBundle`.

    Args:
        filepath: the directory.
        metadata: for plugins such as kedro-viz.
    """

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def save(self, data: BundleContent) -> None:
        """Export the ensemble in one step; a bundle that stood there stays whole until then."""
        write_bundle(self._filepath, data)

    def load(self) -> ModelBundle:
        """Return the bundle.

        Raises:
            BundleError: a file is missing or was altered.
        """
        return load_bundle(self._filepath)

    def _exists(self) -> bool:
        return (self._filepath / DESCRIPTION_FILE).is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
