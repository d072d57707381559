"""The project's own pipelines on one synthetic market, in memory, to the verdict of every gate."""

import contextlib
import io
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node
from kedro.runner import SequentialRunner

from crypto_kedro.candle_dataset import CandleDataset
from crypto_kedro.evaluation.conditions import Conditions
from crypto_kedro.evaluation.omniscient import omniscient_sharpe
from crypto_kedro.evaluation.span import build_span
from crypto_kedro.learning.bundle_dataset import BundleDataset
from crypto_kedro.market.synthetic import synthetic_market
from crypto_kedro.parameters import Parameters
from crypto_kedro.pipelines import data, evaluation, features, training

_NO_CHAMPION = {"version": None, "bundle": None}
OMNISCIENT_SHARES = (0.03, 0.1, 0.3)


@dataclass(frozen=True, slots=True)
class MarketCase:
    """One market to judge a model of.

    Args:
        days: length in UTC days.
        seed: of the market's draws.
        signal_strength: as `synthetic_market` takes it; 0 is noise.
    """

    days: int
    seed: int
    signal_strength: float


def run_market(parameters: Parameters, feature_catalogue: dict[str, Any], case: MarketCase) -> dict[str, Any]:
    """Run data, features, training and evaluation as `kedro run` does, and return the outcome.

    Two settings differ from a run on real candles. Without them no verdict would be one on the model: the gate on the
    source of the data lets synthetic candles pass, and every model is trained in one thread, so that its bytes do not
    depend on how many markets are run beside it. There is no champion yet, and the market is tried once.

    Args:
        parameters: all of the project's.
        feature_catalogue: content of ``feature_order.json``.
        case: the market.

    Returns:
        JSON-able: ``seed``, ``days``, ``signal_strength``, ``passed``, ``gates`` (as `gate_record` lists them),
        ``trades``, ``net_profit``, ``sharpe``, ``days_traded``, ``omniscient_sharpe`` (by share of the bars; empty for
        noise) and ``seconds``.
    """
    started = time.perf_counter()
    with TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()), _quiet("kedro"):
        catalog = _catalog(parameters, feature_catalogue, case, Path(folder))
        outcome: dict[str, Any] = SequentialRunner().run(_pipeline(), catalog)["outcome"].load()
    return {**asdict(case), **outcome, "seconds": time.perf_counter() - started}


def describe_outcome(
    gate_results: dict[str, Any], evaluation: dict[str, Any], omniscient: dict[str, float | None]
) -> dict[str, Any]:
    """Return what is kept of a market."""
    strategy = evaluation["trading"]["strategy"]
    return {
        "passed": gate_results["passed"],
        "gates": gate_results["gates"],
        **{name: strategy[name] for name in ("trades", "net_profit", "sharpe")},
        "days_traded": strategy["days"],
        "omniscient_sharpe": omniscient,
    }


def ask_the_omniscient(
    case: MarketCase, bars_1m: pd.DataFrame, bars_15m: pd.DataFrame, signals: pd.DataFrame, conditions: Conditions
) -> dict[str, float | None]:
    """Return the Sharpe ratio of the omniscient traders by their share of the bars; nothing on noise."""
    if case.signal_strength == 0.0:
        return {}
    truth = synthetic_market(case.days, case.seed, signal_strength=case.signal_strength).expected_return
    span = build_span(bars_1m, bars_15m, signals)
    sharpe = omniscient_sharpe(span, truth, conditions, OMNISCIENT_SHARES)
    return {f"{share:g}": value for share, value in sharpe.items()}


def _pipeline() -> Pipeline:
    rooms = sum((room.create_pipeline() for room in (data, features, training, evaluation)), Pipeline([]))
    ends = Pipeline(
        [
            node(
                ask_the_omniscient,
                ["case", "bars_1m", "bars_15m", "signals", "conditions"],
                "omniscient",
                name="ask_the_omniscient",
            ),
            node(describe_outcome, ["gate_results", "evaluation", "omniscient"], "outcome", name="describe_outcome"),
        ]
    )
    return (rooms + ends).to_outputs("outcome")


def _catalog(parameters: Parameters, feature_catalogue: dict[str, Any], case: MarketCase, folder: Path) -> DataCatalog:
    """Return a catalog that keeps everything in memory but the exported model, which is verified where it lies."""
    drawn = {"days": case.days, "seed": case.seed, "signal_strength": case.signal_strength}
    given: dict[str, Any] = {f"params:{name}": getattr(parameters, name) for name in type(parameters).model_fields}
    given["params:gates"] = parameters.gates.model_copy(update={"allow_synthetic": True})
    given["params:training"] = parameters.training.model_copy(update={"threads": 1})
    # Markets run side by side; within one, nothing does.
    given["params:compute"] = parameters.compute.model_copy(update={"backend": "sequential"})
    given |= {"feature_catalogue": feature_catalogue, "champion": _NO_CHAMPION, "trials": {}, "case": case}
    catalog = DataCatalog({name: MemoryDataset(value, copy_mode="assign") for name, value in given.items()})
    catalog["candles"] = CandleDataset(source="synthetic", pair=parameters.data.pair, synthetic=drawn)
    catalog["model_bundle"] = BundleDataset(filepath=str(folder / "bundle"))
    catalog["trained"] = MemoryDataset(copy_mode="assign")
    return catalog


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Let a logger speak of warnings only: a hundred markets would name their nodes thousands of times."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
