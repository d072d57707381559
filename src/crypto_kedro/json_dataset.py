"""JSON and text in the catalog, without pandas; a half-written file is never left behind."""

import os
from pathlib import Path, PurePosixPath
from typing import Any

from kedro_datasets.json import JSONDataset
from kedro_datasets.text import TextDataset


class AtomicSave:
    """Mixin: let the dataset write to a partial file, then put it in place of the old one in a single step.

    Only local files need it; object stores replace an object as a whole.
    """

    _partial: PurePosixPath | None = None

    def _get_save_path(self) -> PurePosixPath:
        target: PurePosixPath = super()._get_save_path()  # type: ignore[misc]
        return self._partial or target

    def save(self, data: Any) -> None:
        """Save ``data``; on any failure the file that stood there before is untouched."""
        if self._protocol != "file":  # type: ignore[attr-defined]
            super().save(data)  # type: ignore[misc]
            return
        target = self._get_save_path()
        partial = target.with_name(f".{target.name}.{os.getpid()}.part")
        self._partial = partial
        try:
            super().save(data)  # type: ignore[misc]
            Path(partial).replace(target)
        finally:
            self._partial = None
            Path(partial).unlink(missing_ok=True)


class AtomicJSONDataset(AtomicSave, JSONDataset):
    """``json.JSONDataset`` with an atomic save."""


class AtomicTextDataset(AtomicSave, TextDataset):
    """``text.TextDataset`` with an atomic save."""
