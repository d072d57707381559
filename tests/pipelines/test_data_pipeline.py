"""The data pipeline, run by Kedro on real files in a temporary folder."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from crypto_kedro.candle_dataset import CandleDataset
from crypto_kedro.datasets import AtomicJSONDataset, AtomicParquetDataset, AtomicTextDataset
from crypto_kedro.errors import DataError
from crypto_kedro.market.fingerprint import frame_sha256
from crypto_kedro.market.synthetic import synthetic_candles
from crypto_kedro.parameters import DataParameters
from crypto_kedro.pipelines.data import create_pipeline

SYNTHETIC = {"days": 3, "seed": 5, "signal_strength": 0.0}


def parameters(**settings: Any) -> DataParameters:
    values = {"source": "synthetic", "path": None, "pair": "btc_jpy", "start": None, "end": None}
    gaps = {"max_halt_minutes": 1_440, "max_gap_minutes": 60}
    return DataParameters.model_validate({**values, "synthetic": SYNTHETIC, **gaps, **settings})


def catalog(folder: Path, candles: CandleDataset) -> DataCatalog:
    files = {
        **{
            name: AtomicParquetDataset(filepath=f"{folder}/{name}.parquet")
            for name in ("bars_1m", "bars_15m", "bars_4h")
        },
        **{
            name: AtomicJSONDataset(filepath=f"{folder}/{name}.json")
            for name in ("candle_origin", "data_manifest", "data_quality")
        },
        "data_quality_report": AtomicTextDataset(filepath=f"{folder}/report.html"),
    }
    return DataCatalog({"candles": candles, "params:data": MemoryDataset(parameters()), **files})


def run(folder: Path, candles: CandleDataset) -> DataCatalog:
    data = catalog(folder, candles)
    SequentialRunner().run(create_pipeline(), data)
    return data


def synthetic_dataset() -> CandleDataset:
    return CandleDataset(source="synthetic", pair="btc_jpy", synthetic=SYNTHETIC)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> DataCatalog:
    return run(tmp_path_factory.mktemp("data"), synthetic_dataset())


def test_given_three_synthetic_days_when_run_then_all_bars_are_on_disk(done: DataCatalog) -> None:
    lengths = {name: len(done.load(name)) for name in ("bars_1m", "bars_15m", "bars_4h")}

    assert lengths == {"bars_1m": 4_320, "bars_15m": 288, "bars_4h": 18}


def test_given_a_finished_run_when_the_bars_are_hashed_then_the_manifest_agrees(done: DataCatalog) -> None:
    manifest = done.load("data_manifest")

    assert manifest["bars_sha256"] == frame_sha256(done.load("bars_1m"))
    assert manifest["bars_15m_sha256"] == frame_sha256(done.load("bars_15m"))
    assert manifest["bars_4h_sha256"] == frame_sha256(done.load("bars_4h"))
    assert manifest["sha256"] == frame_sha256(synthetic_candles(3, 5))


def test_given_a_synthetic_run_when_the_manifest_is_read_then_source_seed_and_span_are_in_it(done: DataCatalog) -> None:
    manifest = done.load("data_manifest")

    assert (manifest["source"], manifest["rows"], manifest["pair"]) == ("synthetic", 4_320, "btc_jpy")
    assert (manifest["first"], manifest["last"]) == ("2025-01-01T00:00:00Z", "2025-01-03T23:59:00Z")
    assert manifest["details"] == {**SYNTHETIC, "start": "2025-01-01"}


@pytest.mark.parametrize("name", ["bars_1m", "bars_15m", "bars_4h"])
def test_given_bars_of_a_synthetic_run_when_taken_for_real_files_then_they_stay_synthetic(
    done: DataCatalog, name: str
) -> None:
    path = str(done[name]._filepath)

    assert CandleDataset(source="file", pair="btc_jpy", path=path).load().source == "synthetic"


def test_given_a_finished_run_when_the_report_is_read_then_it_says_that_the_market_is_synthetic(
    done: DataCatalog,
) -> None:
    assert "The market is synthetic" in done.load("data_quality_report")


def test_given_the_same_settings_when_run_twice_then_the_manifest_is_the_same(
    done: DataCatalog, tmp_path: Path
) -> None:
    again = run(tmp_path, synthetic_dataset())

    assert again.load("data_manifest") == done.load("data_manifest")


def test_given_bars_on_disk_when_only_the_later_nodes_run_then_the_candles_are_not_read_again(
    done: DataCatalog,
) -> None:
    before = done.load("data_manifest")
    unreadable = CandleDataset(source="file", pair="btc_jpy", path="nowhere.parquet")
    resumed = catalog(Path(done["bars_1m"]._filepath).parent, unreadable)

    SequentialRunner().run(create_pipeline().from_nodes("make_decision_bars", "make_context_bars"), resumed)

    assert resumed.load("data_manifest") == before


def test_given_damaged_candles_when_run_after_a_good_run_then_the_last_good_data_stays_as_it_was(
    tmp_path: Path,
) -> None:
    outputs, raw = tmp_path / "out", tmp_path / "raw.parquet"
    run(outputs, synthetic_dataset())
    before = {path.name: path.read_bytes() for path in outputs.iterdir()}
    damaged = synthetic_candles(3, 5)
    damaged.loc[100, "low"] = -1.0
    damaged.to_parquet(raw)

    with pytest.raises(DataError, match=r"raw\.parquet, row 101 .*: low must be positive"):
        run(outputs, CandleDataset(source="file", pair="btc_jpy", path=str(raw)))

    assert {path.name: path.read_bytes() for path in outputs.iterdir()} == before


def test_given_the_real_file_when_run_then_decision_and_context_bars_cover_it(
    real_candles_path: Path, tmp_path: Path
) -> None:
    data = run(tmp_path, CandleDataset(source="file", pair="btc_jpy", path=str(real_candles_path)))

    bars_15m, bars_4h = data.load("bars_15m"), data.load("bars_4h")
    assert (len(bars_15m), len(bars_4h)) == (26_016, 1_626)
    assert bars_15m["timestamp"].dtype == bars_4h["timestamp"].dtype == "datetime64[ms, UTC]"
    assert bars_15m.loc[bars_15m["gap_minutes"] == 75, "timestamp"].tolist() == list(
        pd.date_range("2018-07-24 16:00", "2018-07-24 17:15", freq="15min", tz="UTC")
    )
