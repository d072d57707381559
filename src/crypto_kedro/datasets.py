"""Catalog datasets that never leave a half-written file behind: write beside the target, then rename."""

import pandas as pd
from kedro_datasets._typing import TablePreview
from kedro_datasets.pandas import ParquetDataset
from kedro_datasets.plotly import JSONDataset as PlotlyJSONDataset

from crypto_kedro.json_dataset import AtomicJSONDataset, AtomicSave, AtomicTextDataset

__all__ = ["AtomicJSONDataset", "AtomicParquetDataset", "AtomicPlotlyDataset", "AtomicTextDataset"]


class AtomicParquetDataset(AtomicSave, ParquetDataset):
    """``pandas.ParquetDataset`` with an atomic save, and a preview that kedro viz can write as JSON."""

    def preview(self, nrows: int = 5) -> TablePreview:
        """Return the first rows, a missing moment as None: pydantic takes NaT for a datetime and fails on it."""
        table = super().preview(nrows)
        table["data"] = [[None if value is pd.NaT else value for value in row] for row in table["data"]]
        return table


class AtomicPlotlyDataset(AtomicSave, PlotlyJSONDataset):
    """``plotly.JSONDataset`` with an atomic save."""
