"""Catalog datasets that never leave a half-written file behind: write beside the target, then rename."""

import os
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
from kedro_datasets._typing import TablePreview
from kedro_datasets.json import JSONDataset
from kedro_datasets.pandas import ParquetDataset
from kedro_datasets.plotly import JSONDataset as PlotlyJSONDataset
from kedro_datasets.text import TextDataset


class _AtomicSave:
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


class AtomicParquetDataset(_AtomicSave, ParquetDataset):
    """``pandas.ParquetDataset`` with an atomic save, and a preview that kedro viz can write as JSON."""

    def preview(self, nrows: int = 5) -> TablePreview:
        """Return the first rows, a missing moment as None: pydantic takes NaT for a datetime and fails on it."""
        table = super().preview(nrows)
        table["data"] = [[None if value is pd.NaT else value for value in row] for row in table["data"]]
        return table


class AtomicJSONDataset(_AtomicSave, JSONDataset):
    """``json.JSONDataset`` with an atomic save."""


class AtomicTextDataset(_AtomicSave, TextDataset):
    """``text.TextDataset`` with an atomic save."""


class AtomicPlotlyDataset(_AtomicSave, PlotlyJSONDataset):
    """``plotly.JSONDataset`` with an atomic save."""
