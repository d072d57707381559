"""The evaluation pipeline, run as Kedro runs it, on a synthetic market with predictions of known worth."""

import json
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from known_predictions import BAR_MS, minute_walk, predict, signals_of

from crypto_kedro.errors import LineageError
from crypto_kedro.learning.labels import BarrierRule, label_bars
from crypto_kedro.market.fingerprint import frame_sha256
from crypto_kedro.market.frame import frame_from_bars
from crypto_kedro.market.resample import resample
from crypto_kedro.parameters import (
    CostParameters,
    EvaluationParameters,
    FeatureParameters,
    GateParameters,
    LabelParameters,
    TradingParameters,
    TrainingParameters,
)
from crypto_kedro.pipelines.evaluation import create_pipeline
from crypto_kedro.pipelines.evaluation.nodes import TRADED_FRAMES

CONF = Path(__file__).resolve().parents[2] / "conf" / "base"
FEATURES = [f"feature_{number}" for number in range(1, 13)]
PATHS = {
    "enabled": True,
    "paths": [{"net_profit": 0.1, "sharpe": 1.5, "max_drawdown": 0.05, "trades": 120}],
    "quantiles": {},
}
SOURCES = {
    "noise": (0.0, "synthetic"),
    "silence": (0.05, "file"),
    "knowledge": (0.75, "file"),
    "planted": (0.75, "synthetic"),
}


def group(name: str) -> dict[str, Any]:
    file = CONF / f"parameters_{'training' if name == 'labels' else name}.yml"
    loaded: dict[str, Any] = yaml.safe_load(file.read_text())[name]
    return loaded


@dataclass(frozen=True)
class KnownBundle:
    """A model whose first three features are its probabilities, which is all that the evaluation asks of a bundle."""

    feature_set_hash: str = "f" * 64
    feature_names: tuple[str, ...] = tuple(FEATURES)

    def predict_proba(self, values: np.ndarray) -> np.ndarray:
        return values[:, :3]

    def predict_by_model(self, values: np.ndarray) -> dict[str, np.ndarray]:
        return {"only": values[:, :3]}


def features_of(predictions: pd.DataFrame) -> pd.DataFrame:
    """The features of `KnownBundle`, the others 0."""
    frame = predictions[["timestamp"]].assign(**dict.fromkeys(FEATURES, 0.0))
    frame[FEATURES[:3]] = predictions[["p_short", "p_flat", "p_long"]].to_numpy()
    return frame


def inputs(knowledge: float, source: str) -> dict[str, Any]:
    """What the earlier pipelines leave in the catalog."""
    costs = CostParameters.model_validate(group("costs"))
    minutes = minute_walk(days=40, seed=1)
    bars = resample(minutes, BAR_MS)
    labels = label_bars(bars, BarrierRule(), costs.schedule(), max_gap_minutes=60).frame
    predictions = predict(labels, knowledge, seed=2)
    tables = {
        "signals": signals_of(predictions),
        "oos_predictions": predictions,
        "labels": labels,
        "bars_1m": frame_from_bars(minutes),
        "bars_15m": frame_from_bars(bars),
    }
    return {
        **tables,
        "features": features_of(predictions),
        "model_bundle": KnownBundle(),
        "path_figures": PATHS,
        "champion": {"version": None, "bundle": None},
        "trials": {
            "d" * 64: {"trials": 3, "daily_sharpes": [0.01, 0.02]},
            "e" * 64: {"trials": 900, "daily_sharpes": []},
        },
        "training_report": {
            "tables": {name: frame_sha256(table) for name, table in tables.items()},
            "confidence_threshold": group("training")["confidence_threshold"],
            "data_source": source,
            "dry_run": False,
            "leakage_checks": {"correlation_with_next_return": dict.fromkeys(FEATURES, 0.02)},
            "parameters": {"labels": group("labels"), "training": group("training")},
            "importances": {
                "lightgbm": {name: 1.0 + place for place, name in enumerate(FEATURES)},
                "random_forest": dict.fromkeys(FEATURES, 1.0),
            },
        },
        "folds": pd.DataFrame(
            {
                "window": ["fold-1", "final"],
                "train_from": pd.to_datetime(["2024-10-01", "2024-11-01"], utc=True),
                "train_rows": [8000, 9000],
            }
        ),
        "feature_manifest": {
            "feature_set": "stationary12",
            "hash": "f" * 64,
            "data": {
                "source": source,
                "location": "candles <of> March",
                "sha256": "d" * 64,
                "rows": 57_600,
                "first": "2025-01-01T00:00:00Z",
                "last": "2025-02-09T23:59:00Z",
            },
        },
        "data_quality": {
            "rows_read": 57_590,
            "duplicates_removed": 0,
            "forming_bars_dropped": 0,
            "bars": 57_600,
            "gaps": [{"start": "2025-01-05T00:00:00Z", "end": "2025-01-05T00:10:00Z", "minutes": 10}],
            "halt_minutes_filled": 10,
            "longest_gap_minutes": 10,
            "max_gap_minutes": 60,
            "gaps_not_crossed": 0,
            "zero_volume": {"share": 0.125},
            "price_jpy": {"first": 5e6, "last": 5e6, "lowest": 4e6, "highest": 6e6},
        },
        "params:evaluation": EvaluationParameters.model_validate(
            {**group("evaluation"), "bootstrap_replications": 200, "random_traders": 40, "overfitting_blocks": 8}
        ),
        "params:gates": GateParameters.model_validate({**group("gates"), "min_days": 30}),
        "params:training": TrainingParameters.model_validate(group("training")),
        "params:features": FeatureParameters.model_validate(group("features")),
        "params:labels": LabelParameters.model_validate(group("labels")),
        "params:trading": TradingParameters.model_validate(group("trading")),
        "params:costs": costs,
    }


def run(folder: Path, given: dict[str, Any]) -> DataCatalog:
    """Run the pipeline with the project's own catalog entries, their files moved into a folder."""
    entries = yaml.safe_load((CONF / "catalog_evaluation.yml").read_text())
    for name in ("champion", "trials", "path_figures"):
        del entries[name]
    for entry in entries.values():
        entry["filepath"] = str(folder / entry["filepath"])
    catalog = DataCatalog.from_config(entries)
    for name, value in given.items():
        catalog[name] = MemoryDataset(value, copy_mode="assign")
    # The verdict goes to MLflow, which has tests of its own.
    SequentialRunner().run(create_pipeline() - create_pipeline().only_nodes("pass_verdict", "cross_validate"), catalog)
    return catalog


@pytest.fixture(scope="module")
def catalogs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DataCatalog]:
    return {name: run(tmp_path_factory.mktemp(name), inputs(*given)) for name, given in SOURCES.items()}


class Page(HTMLParser):
    """Everything that a page would fetch, and the text and headings that it shows."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.headings: list[str] = []
        self.text = ""
        self._tag = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        targets = [value or "" for name, value in attrs if name in {"src", "href", "xlink:href", "srcset", "data"}]
        self.fetched += [target for target in targets if not target.startswith(("#", "data:"))]

    def handle_data(self, data: str) -> None:
        if self._tag in {"h1", "h2"} and data.strip():
            self.headings.append(data.strip())
        self.text += data


def page_of(catalog: DataCatalog) -> Page:
    return Page(catalog.load("evaluation_report"))


def verdict_of(catalog: DataCatalog) -> str:
    text = " ".join(page_of(catalog).text.split())
    return text[text.index("Verdict.") : text.index("Key figures")]


def test_noise_of_the_synthetic_market_finds_no_edge_and_fails_the_gates(catalogs: dict[str, DataCatalog]) -> None:
    gate_results = catalogs["noise"].load("gate_results")
    assert gate_results["passed"] is False
    assert {"real_data", "beats_random_entries"} <= set(gate_results["failed"])
    assert "No edge found: at a confidence of 0.5 the model's" in verdict_of(catalogs["noise"])
    assert "The candles are synthetic" in verdict_of(catalogs["noise"])


def test_a_model_that_never_reaches_the_threshold_is_said_to_have_asked_for_no_trade(
    catalogs: dict[str, DataCatalog],
) -> None:
    verdict = verdict_of(catalogs["silence"])
    assert "No edge found: at a confidence of 0.5 the model asked for 0 trades in 3," in verdict
    assert catalogs["silence"].load("trades").empty


def test_a_model_that_knows_the_future_passes_every_gate_on_market_data(catalogs: dict[str, DataCatalog]) -> None:
    assert catalogs["knowledge"].load("gate_results")["failed"] == []
    assert "Edge found out of sample: at a confidence of 0.5 the model's" in verdict_of(catalogs["knowledge"])


def test_the_same_model_on_synthetic_candles_fails_on_the_source_alone(catalogs: dict[str, DataCatalog]) -> None:
    assert catalogs["planted"].load("gate_results")["failed"] == ["real_data"]
    assert "The generator's planted signal was found" in verdict_of(catalogs["planted"])


def test_the_report_fetches_nothing_and_is_light(catalogs: dict[str, DataCatalog]) -> None:
    for catalog in catalogs.values():
        html = catalog.load("evaluation_report")
        assert Page(html).fetched == []
        assert len(html.encode()) < 2_000_000


def test_the_report_holds_all_its_parts_in_order(catalogs: dict[str, DataCatalog]) -> None:
    assert page_of(catalogs["knowledge"]).headings == [
        "Evaluation of the BTC/JPY ensemble",
        "Key figures",
        "Gates",
        "Profit beside baselines",
        "Luck",
        "Account",
        "Trades",
        "Gate funnel",
        "Costs",
        "Months",
        "When it traded",
        "Other costs",
        "Predictions",
        "Windows",
        "Reliability",
        "Importances",
        "Lineage",
        "Data quality",
        "Method",
    ]


def test_the_report_escapes_what_comes_from_outside(catalogs: dict[str, DataCatalog]) -> None:
    assert "candles &lt;of&gt; March" in catalogs["knowledge"].load("evaluation_report")


def test_the_same_inputs_give_the_same_files(catalogs: dict[str, DataCatalog], tmp_path: Path) -> None:
    again = run(tmp_path, inputs(*SOURCES["noise"]))
    for name in ("evaluation", "gate_results", "evaluation_report"):
        assert again.load(name) == catalogs["noise"].load(name), name


def test_figures_for_kedro_viz_are_small_and_draw_what_was_measured(catalogs: dict[str, DataCatalog]) -> None:
    catalog = catalogs["knowledge"]
    equity, reliability = catalog.load("equity_figure"), catalog.load("reliability_figure")
    assert len(equity.to_json()) < 200_000
    strategy = next(trace for trace in equity.data if trace.name == "the model's trader")
    assert strategy.y[-1] == pytest.approx(1 + catalog.load("evaluation")["trading"]["strategy"]["net_profit"])
    assert {trace.name for trace in reliability.data} == {"perfect", "short", "flat", "long"}


def test_everything_that_happened_is_kept(catalogs: dict[str, DataCatalog]) -> None:
    catalog = catalogs["knowledge"]
    for name in TRADED_FRAMES:
        assert not catalog.load(name).empty or name == "refused_orders", name
    orders, fills = catalog.load("orders"), catalog.load("fills")
    assert set(fills["order_id"]) <= set(orders["order_id"])
    assert {"entry", "stop", "target"} <= set(orders["purpose"].dropna())
    record = json.loads(catalog.load("decisions")["record"].iloc[0])
    assert [gate["name"] for gate in record["gates"]] == catalog.load("funnel").query("is_gate")["reason"].tolist()
    assert json.dumps(catalog.load("evaluation"), allow_nan=False)


def test_only_trials_on_the_same_candles_count(catalogs: dict[str, DataCatalog]) -> None:
    validation = catalogs["knowledge"].load("evaluation")["trading"]["validation"]
    assert validation["trials"] == 3
    assert 0 < validation["sharpe"]["expected_maximum"] < 1


def test_the_trades_can_be_zoomed_offline(catalogs: dict[str, DataCatalog]) -> None:
    page = catalogs["knowledge"].load("trades_page")
    assert Page(page).fetched == []
    assert "trades.html" in catalogs["knowledge"].load("evaluation_report")
    assert len(catalogs["knowledge"].load("trades_figure").to_json()) < 5_000_000


def test_a_manifest_that_does_not_name_the_candles_stops_the_report(tmp_path: Path) -> None:
    given = inputs(*SOURCES["knowledge"])
    del given["feature_manifest"]["data"]["sha256"]
    with pytest.raises(LineageError, match="sha256"):
        run(tmp_path, given)


@pytest.mark.parametrize("name", ["labels", "bars_1m", "bars_15m", "oos_predictions", "signals"])
def test_a_table_that_is_not_the_trainings_own_is_refused(tmp_path: Path, name: str) -> None:
    given = inputs(*SOURCES["knowledge"])
    given[name] = given[name].iloc[:-1]
    with pytest.raises(LineageError, match=f"{name} changed since the training"):
        run(tmp_path, given)


def test_another_threshold_than_the_models_is_refused(tmp_path: Path) -> None:
    given = inputs(*SOURCES["knowledge"])
    given["params:training"] = given["params:training"].model_copy(update={"confidence_threshold": 0.7})
    with pytest.raises(LineageError, match=r"was trained for 0\.5"):
        run(tmp_path, given)


def test_other_barriers_than_the_models_are_refused(tmp_path: Path) -> None:
    given = inputs(*SOURCES["knowledge"])
    given["params:labels"] = given["params:labels"].model_copy(update={"stop_loss_atr": 1.0})
    with pytest.raises(LineageError, match="group labels is not the one"):
        run(tmp_path, given)
