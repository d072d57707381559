"""The features pipeline on bars of the synthetic market."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from crypto_kedro.datasets import AtomicJSONDataset, AtomicParquetDataset, AtomicPlotlyDataset
from crypto_kedro.errors import FeatureError, LineageError
from crypto_kedro.features import FeatureManager, load_feature_set
from crypto_kedro.market.bars import DAY_MS, MINUTE_MS, Bars
from crypto_kedro.market.fingerprint import frame_sha256
from crypto_kedro.market.frame import candles_from_frame, frame_from_bars
from crypto_kedro.market.gaps import fill_halts
from crypto_kedro.market.resample import CONTEXT_MS, DECISION_MS, resample
from crypto_kedro.market.synthetic import synthetic_candles
from crypto_kedro.parameters import FeatureParameters
from crypto_kedro.pipelines.features import create_pipeline

Run = Callable[[dict[str, Any]], DataCatalog]
CATALOGUE = Path(__file__).parents[2] / "conf" / "base" / "feature_order.json"


@pytest.fixture(scope="module")
def minutes() -> Bars:
    candles = candles_from_frame(synthetic_candles(days=30, seed=4))
    return fill_halts(candles, max_halt_minutes=DAY_MS // MINUTE_MS, location="synthetic")


@pytest.fixture
def inputs(minutes: Bars) -> dict[str, Any]:
    bars_15m = frame_from_bars(resample(minutes, DECISION_MS))
    bars_4h = frame_from_bars(resample(minutes, CONTEXT_MS))
    return {
        "bars_15m": bars_15m,
        "bars_4h": bars_4h,
        "data_manifest": {
            "source": "synthetic",
            "bars_15m_sha256": frame_sha256(bars_15m),
            "bars_4h_sha256": frame_sha256(bars_4h),
        },
        "feature_catalogue": json.loads(CATALOGUE.read_text(encoding="utf-8")),
        "params:features": FeatureParameters(feature_set="stationary12", max_gap_minutes=60),
    }


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the pipeline into files and return the catalog that reads them."""

    def run_into_files(inputs: dict[str, Any]) -> DataCatalog:
        outputs = {
            "features": AtomicParquetDataset(filepath=str(tmp_path / "features.parquet")),
            "feature_manifest": AtomicJSONDataset(filepath=str(tmp_path / "manifest.json")),
            "feature_overview": AtomicPlotlyDataset(filepath=str(tmp_path / "overview.json")),
        }
        catalog = DataCatalog({name: MemoryDataset(value) for name, value in inputs.items()} | outputs)
        SequentialRunner().run(create_pipeline(), catalog)
        return catalog

    return run_into_files


def test_given_bars_when_run_then_features_are_complete_and_described(inputs: dict[str, Any], run: Run) -> None:
    catalog = run(inputs)

    features, manifest = catalog.load("features"), catalog.load("feature_manifest")
    manager = FeatureManager(load_feature_set(CATALOGUE, "stationary12"))
    assert manager.validate_features(features) is features
    assert manifest["hash"] == manager.feature_set.hash
    assert manifest["names"] == manager.get_feature_names()
    assert manifest["rows"] == len(features)
    assert manifest["rows"] + sum(manifest["dropped_rows"].values()) == len(inputs["bars_15m"])
    assert pd.Timestamp(manifest["first"]) == features["timestamp"].iloc[0]
    assert pd.Timestamp(manifest["last"]) == features["timestamp"].iloc[-1]
    assert manifest["features_sha256"] == frame_sha256(features)
    assert manifest["data"] == inputs["data_manifest"]


def test_given_features_when_drawn_then_every_one_is_shown_in_a_small_figure(inputs: dict[str, Any], run: Run) -> None:
    figure = run(inputs).load("feature_overview")

    titles = [annotation.text for annotation in figure.layout.annotations]
    assert titles == list(load_feature_set(CATALOGUE, "stationary12").names)
    assert all(0.95 < np.sum(trace.y) <= 1.0 for trace in figure.data)
    assert len(figure.to_json()) < 200_000


def test_given_bars_of_another_run_when_run_then_the_lineage_is_refused(inputs: dict[str, Any], run: Run) -> None:
    inputs["bars_4h"] = inputs["bars_4h"].iloc[:-1]

    with pytest.raises(LineageError, match="bars_4h is not the table that data_manifest describes"):
        run(inputs)


def test_given_too_few_bars_when_run_then_the_needed_history_is_named(inputs: dict[str, Any], run: Run) -> None:
    inputs["bars_15m"] = inputs["bars_15m"].iloc[:300]
    inputs["data_manifest"]["bars_15m_sha256"] = frame_sha256(inputs["bars_15m"])

    with pytest.raises(FeatureError, match=r"none of 300 bars has a full history.*looks back 481 bars of 15 minutes"):
        run(inputs)
