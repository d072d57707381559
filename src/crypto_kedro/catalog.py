"""The catalog of a run."""

from typing import Any

from kedro.io import DataCatalog, MemoryDataset
from pydantic import BaseModel

_PLAIN = (dict, list, tuple, str, int, float, BaseModel, type(None))


class ProjectCatalog(DataCatalog):
    """Kedro's catalog, which keeps parameters without importing pandas to see that they are no frames."""

    def __setitem__(self, key: str, value: Any) -> None:
        """Add a dataset or a value."""
        kept = MemoryDataset(value, copy_mode="deepcopy") if isinstance(value, _PLAIN) else value
        super().__setitem__(key, kept)
