"""The training pipeline on the synthetic market, through files, as a rehearsal."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from crypto_kedro.datasets import AtomicJSONDataset, AtomicParquetDataset, AtomicPlotlyDataset
from crypto_kedro.errors import FeatureError, LeakageError, LineageError
from crypto_kedro.learning.bundle_dataset import BundleDataset
from crypto_kedro.market.bars import DAY_MS, MINUTE_MS
from crypto_kedro.market.fingerprint import frame_sha256
from crypto_kedro.market.frame import candles_from_frame, frame_from_bars
from crypto_kedro.market.gaps import fill_halts
from crypto_kedro.market.resample import CONTEXT_MS, DECISION_MS, resample
from crypto_kedro.market.synthetic import synthetic_candles
from crypto_kedro.parameters import (
    ComputeParameters,
    CostParameters,
    FeatureParameters,
    LabelParameters,
    TrainingParameters,
    TuningParameters,
)
from crypto_kedro.pipelines.features.nodes import make_features
from crypto_kedro.pipelines.training import create_pipeline
from crypto_kedro.serving.bundle import ModelBundle

Run = Callable[..., DataCatalog]
CONF = Path(__file__).parents[2] / "conf" / "base"
SHORT_HISTORY = {"min_training_days": 20, "final_days": 5, "dry_run": True, "threads": 1, "recomputed_rows": 10}


def configured(group: str) -> dict[str, Any]:
    own = {"costs", "tuning", "compute"}
    file = f"parameters_{group}.yml" if group in own else "parameters_training.yml"
    values: dict[str, Any] = yaml.safe_load((CONF / file).read_text(encoding="utf-8"))[group]
    return values


@pytest.fixture(scope="module")
def inputs() -> dict[str, Any]:
    """Bars of forty synthetic days, their features, and the parameters as configured."""
    candles = candles_from_frame(synthetic_candles(days=40, seed=4))
    minutes = fill_halts(candles, max_halt_minutes=DAY_MS // MINUTE_MS, location="synthetic")
    bars_15m, bars_4h = (frame_from_bars(resample(minutes, interval)) for interval in (DECISION_MS, CONTEXT_MS))
    catalogue = json.loads((CONF / "feature_order.json").read_text(encoding="utf-8"))
    data_manifest = {
        "source": "synthetic",
        "sha256": "ab12",
        "bars_15m_sha256": frame_sha256(bars_15m),
        "bars_4h_sha256": frame_sha256(bars_4h),
    }
    parameters = FeatureParameters(feature_set="stationary12", max_gap_minutes=60)
    features, manifest = make_features(bars_15m, bars_4h, data_manifest, catalogue, parameters)
    return {
        "bars_1m": frame_from_bars(minutes),
        "bars_15m": bars_15m,
        "bars_4h": bars_4h,
        "features": features,
        "feature_manifest": manifest,
        "feature_catalogue": catalogue,
        "params:labels": LabelParameters(**configured("labels")),
        "params:costs": CostParameters(**configured("costs")),
        "params:training": TrainingParameters(**{**configured("training"), **SHORT_HISTORY}),
        "params:tuning": TuningParameters(**configured("tuning")),
        "params:compute": ComputeParameters(**{**configured("compute"), "backend": "sequential"}),
    }


def run_into(folder: Path, inputs: dict[str, Any], **slice_of: Any) -> DataCatalog:
    """Run the pipeline, or a slice of it, into files of a folder and return the catalog that reads them."""
    outputs: dict[str, Any] = {
        name: AtomicParquetDataset(filepath=str(folder / f"{name}.parquet"))
        for name in ("labels", "folds", "oos_predictions")
    }
    for name in ("label_summary", "leakage_checks", "tuning_result", "training_report"):
        outputs[name] = AtomicJSONDataset(filepath=str(folder / f"{name}.json"))
    outputs["folds_over_price"] = AtomicPlotlyDataset(filepath=str(folder / "folds_over_price.json"))
    outputs["model_bundle"] = BundleDataset(filepath=str(folder / "bundle"))
    outputs["trained"] = MemoryDataset(copy_mode="assign")
    catalog = DataCatalog({name: MemoryDataset(value) for name, value in inputs.items()} | outputs)
    # The registration goes to MLflow, which has tests of its own.
    pipeline = create_pipeline() - create_pipeline().only_nodes("register_model")
    SequentialRunner().run(pipeline.filter(**slice_of), catalog)
    return catalog


@pytest.fixture(scope="module")
def trained(inputs: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> DataCatalog:
    return run_into(tmp_path_factory.mktemp("trained"), inputs)


def test_given_features_when_trained_then_the_bundle_repeats_the_final_windows_predictions(
    trained: DataCatalog, inputs: dict[str, Any]
) -> None:
    bundle: ModelBundle = trained.load("model_bundle")
    tested = trained.load("oos_predictions").query("window == 'final'")
    features = inputs["features"].merge(tested[["timestamp"]], on="timestamp")

    served = bundle.predict_proba(features[list(bundle.feature_names)].to_numpy())

    np.testing.assert_allclose(served, tested[["p_short", "p_flat", "p_long"]], atol=1e-6, rtol=0)


def test_given_features_when_trained_then_the_bundle_knows_where_it_comes_from(
    trained: DataCatalog, inputs: dict[str, Any]
) -> None:
    bundle: ModelBundle = trained.load("model_bundle")
    final = trained.load("folds").iloc[-1]
    assert bundle.data_source == "synthetic"
    assert bundle.feature_set_hash == inputs["feature_manifest"]["hash"]
    assert bundle.confidence_threshold == configured("training")["confidence_threshold"]
    assert pd.Timestamp(bundle.training_window["to"]) == final["train_to"]
    assert bundle.provenance["data_sha256"] == "ab12"
    assert bundle.provenance["training"]["dry_run"] is True


def test_given_a_rehearsal_when_trained_then_there_are_two_folds_and_a_final_window(trained: DataCatalog) -> None:
    assert trained.load("folds")["window"].tolist() == ["fold-1", "fold-2", "final"]
    assert trained.load("oos_predictions")["window"].unique().tolist() == ["fold-1", "fold-2", "final"]


def test_given_a_training_when_reported_then_scores_stand_beside_the_priors(trained: DataCatalog) -> None:
    report = trained.load("training_report")
    for scores in [*report["windows"].values(), report["total"]]:
        assert set(scores["metrics"]) == set(scores["prior"])
        assert set(scores["models"]) == {"lightgbm", "xgboost", "random_forest"} == set(report["importances"])
        assert sum(scores["class_shares"]["test"].values()) == pytest.approx(1.0)
    assert report["labels"]["rows"] == len(trained.load("labels"))
    assert report["leakage_checks"]["recomputed_rows"] == SHORT_HISTORY["recomputed_rows"]
    assert report["parameters"]["training"]["seed"] == configured("training")["seed"]
    assert report["data_source"] == "synthetic"


def test_given_tuning_as_shipped_when_trained_then_the_configured_settings_hold(trained: DataCatalog) -> None:
    bundle: ModelBundle = trained.load("model_bundle")
    assert trained.load("tuning_result") == {"enabled": False, "windows": {}}
    assert bundle.provenance["models"]["lightgbm"] == {**configured("training")["models"]["lightgbm"], "rounds": 10}


def test_given_a_tuned_window_when_trained_then_its_model_and_its_bundle_have_the_chosen_settings(
    trained: DataCatalog, inputs: dict[str, Any], tmp_path: Path
) -> None:
    chosen = {"enabled": True, "windows": {"final": {"settings": {"lightgbm": {"learning_rate": 0.3}}}}}
    run_into(tmp_path, inputs, to_outputs=["labels", "label_summary", "tuning_result"])
    (tmp_path / "tuning_result.json").write_text(json.dumps(chosen))
    tuned = run_into(tmp_path, inputs, from_nodes=["train"])

    windows = [catalog.load("oos_predictions").set_index("window") for catalog in (trained, tuned)]
    same = {name: windows[0].loc[name].equals(windows[1].loc[name]) for name in ("fold-1", "fold-2", "final")}
    assert same == {"fold-1": True, "fold-2": True, "final": False}
    assert tuned.load("model_bundle").provenance["models"]["lightgbm"]["learning_rate"] == 0.3
    assert tuned.load("training_report")["tuning"] == chosen


def test_given_labels_when_made_then_every_bar_is_labelled_or_counted(
    trained: DataCatalog, inputs: dict[str, Any]
) -> None:
    summary = trained.load("label_summary")
    assert summary["rows"] + sum(summary["dropped"].values()) == len(inputs["bars_15m"])
    assert sum(summary["shares"].values()) == pytest.approx(1.0)


def test_given_the_same_inputs_when_trained_again_then_the_bundle_is_the_same(
    trained: DataCatalog, inputs: dict[str, Any], tmp_path: Path
) -> None:
    again = run_into(tmp_path, inputs)
    assert again.load("model_bundle").digest == trained.load("model_bundle").digest


def test_given_labels_and_checks_on_disk_when_run_from_training_on_then_the_result_is_the_same(
    trained: DataCatalog, inputs: dict[str, Any], tmp_path: Path
) -> None:
    run_into(tmp_path, inputs, to_outputs=["labels", "label_summary", "tuning_result"])
    resumed = run_into(tmp_path, inputs, from_nodes=["train"])
    assert resumed.load("model_bundle").digest == trained.load("model_bundle").digest


def test_given_a_feature_that_peeks_when_run_then_nothing_is_trained(inputs: dict[str, Any], tmp_path: Path) -> None:
    features = inputs["features"]
    peeking = features.assign(rsi_14=features["rsi_14"].shift(-1)).iloc[:-1]
    manifest = {**inputs["feature_manifest"], "features_sha256": frame_sha256(peeking)}
    with pytest.raises(LeakageError, match="'rsi_14'"):
        run_into(tmp_path, {**inputs, "features": peeking, "feature_manifest": manifest})
    assert not (tmp_path / "bundle").exists()
    assert not (tmp_path / "oos_predictions.parquet").exists()


def test_given_features_of_another_catalogue_when_run_then_it_refuses(inputs: dict[str, Any], tmp_path: Path) -> None:
    manifest = {**inputs["feature_manifest"], "hash": "0" * 64}
    with pytest.raises(FeatureError, match="run `kedro run --pipelines features` first"):
        run_into(tmp_path, {**inputs, "feature_manifest": manifest})


def test_given_features_that_the_manifest_does_not_describe_when_run_then_it_refuses(
    inputs: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(LineageError, match="not the table that feature_manifest describes"):
        run_into(tmp_path, {**inputs, "features": inputs["features"].iloc[1:]})


def test_given_the_figure_of_the_folds_when_saved_then_it_is_small(trained: DataCatalog) -> None:
    figure = trained.load("folds_over_price")
    assert {trace.name for trace in figure.data} >= {"price", "training", "testing"}
    assert len(figure.to_json()) < 200_000
