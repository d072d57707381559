"""Datasets keep the last good file whatever happens while a new one is written."""

from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest
from kedro.io.core import DatasetError
from pydantic import TypeAdapter

from crypto_kedro.datasets import AtomicJSONDataset, AtomicParquetDataset, AtomicPlotlyDataset, AtomicTextDataset


def test_parquet_round_trips_and_leaves_no_partial_file(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1.5, 2.5]})
    dataset = AtomicParquetDataset(filepath=str(tmp_path / "deep" / "a.parquet"))

    dataset.save(frame)

    pd.testing.assert_frame_equal(dataset.load(), frame)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.parquet"]


def test_json_that_cannot_be_written_leaves_the_old_file_as_it_was(tmp_path: Path) -> None:
    dataset = AtomicJSONDataset(filepath=str(tmp_path / "a.json"))
    dataset.save({"kept": 1})

    with pytest.raises(DatasetError):
        dataset.save({"ok": 1, "not json": object()})

    assert dataset.load() == {"kept": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_text_and_figure_round_trip(tmp_path: Path) -> None:
    text = AtomicTextDataset(filepath=str(tmp_path / "a.html"))
    text.save("<p>kept</p>")
    figure = AtomicPlotlyDataset(filepath=str(tmp_path / "a.json"))
    figure.save(go.Figure(go.Scatter(y=[1, 2])))

    assert text.load() == "<p>kept</p>"
    assert list(figure.load().data[0].y) == [1, 2]


def test_a_previewable_table_is_shown_by_kedro_viz(tmp_path: Path) -> None:
    dataset = AtomicParquetDataset(filepath=str(tmp_path / "a.parquet"))
    dataset.save(pd.DataFrame({"a": [1, 2, 3]}))

    assert len(dataset.preview(nrows=2)["data"]) == 2


def test_a_missing_moment_is_previewed_as_none_which_kedro_viz_can_write(tmp_path: Path) -> None:
    dataset = AtomicParquetDataset(filepath=str(tmp_path / "a.parquet"))
    moment = pd.Timestamp("2018-07-24T16:00", tz="UTC")
    dataset.save(pd.DataFrame({"order_id": [1, 2, 3], "canceled_at": [moment, pd.NaT, moment]}))

    preview = dataset.preview(nrows=2)

    assert preview["columns"] == ["order_id", "canceled_at"]
    assert preview["data"] == [[1, moment], [2, None]]
    TypeAdapter(list[list[Any]]).dump_json(preview["data"])
