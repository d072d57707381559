"""Nodes of the trial of the judge."""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import crypto_kedro
from crypto_kedro.compute import run_all
from crypto_kedro.evaluation.market_trial import summarise_trial
from crypto_kedro.parameters import ComputeParameters, GateTrialParameters, Parameters, validate_parameters
from crypto_kedro.pipelines.gate_trial.market import MarketCase, run_market
from crypto_kedro.pipelines.gate_trial.outcomes import OutcomeStore
from crypto_kedro.reporting.gate_trial_report import gate_trial_html, gate_trial_svg

logger = logging.getLogger(__name__)

NOISE = "noise"
# The other groups say where and how a market is judged, or what is done with its model afterwards.
_DECISIVE = ("data", "features", "labels", "training", "tuning", "evaluation", "gates", "costs", "trading")
_ROOMS = ("evaluation", "exchange", "features", "learning", "market", "pipelines", "serving", "session", "trading")


@dataclass(frozen=True, slots=True)
class PlannedMarket:
    """A market with the kind that it is counted among, and the key of its outcome."""

    group: str
    case: MarketCase
    key: str


def plan_trial(
    parameters: dict[str, Any], feature_catalogue: dict[str, Any], trial: GateTrialParameters
) -> list[PlannedMarket]:
    """Return the markets: noise first, then each planted strength; every market has a seed of its own.

    An outcome's key is a hash of all that it depends on: the settings, the feature catalogue, the code, and the market.
    """
    settings = validate_parameters(parameters)
    decisive = {name: getattr(settings, name).model_dump(mode="json") for name in _DECISIVE}
    del decisive["data"]["synthetic"]
    basis = {
        "parameters": decisive,
        "feature_catalogue": feature_catalogue,
        "code": code_hash(Path(crypto_kedro.__file__).parent),
    }
    kinds = [
        (NOISE, 0.0, trial.noise_markets),
        *((kind.name, kind.signal_strength, kind.markets) for kind in trial.planted),
    ]
    planned: list[PlannedMarket] = []
    for name, strength, markets in kinds:
        for _ in range(markets):
            case = MarketCase(trial.days, trial.first_seed + len(planned), strength)
            planned.append(PlannedMarket(name, case, outcome_key(basis, case)))
    return planned


def code_hash(package: Path) -> str:
    """Return a hash of the source of every room that an outcome depends on, in 64 hexadecimal digits."""
    digest = sha256()
    for file in sorted(file for room in _ROOMS for file in (package / room).rglob("*.py")):
        digest.update(file.relative_to(package).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def outcome_key(basis: dict[str, Any], case: MarketCase) -> str:
    """Return the key of a market's outcome, in 32 hexadecimal digits."""
    text = json.dumps({**basis, "case": asdict(case)}, sort_keys=True)
    return sha256(text.encode()).hexdigest()[:32]


def judge_markets(
    planned: list[PlannedMarket],
    parameters: dict[str, Any],
    feature_catalogue: dict[str, Any],
    store: OutcomeStore,
    compute: ComputeParameters,
) -> list[dict[str, Any]]:
    """Judge the markets that have no outcome yet, and return the outcomes of all in their order.

    Each outcome is kept as soon as it is there. ``group`` is added to what `run_market` says.
    """
    settings = validate_parameters(parameters)
    missing = [market for market in planned if store.get(market.key) is None]
    logger.info("Gate trial: %d markets, %d of them judged before", len(planned), len(planned) - len(missing))
    done = 0

    def keep(judged: tuple[str, dict[str, Any]]) -> None:
        nonlocal done
        done += 1
        key, outcome = judged
        store.put(key, outcome)
        stopped = [gate["name"] for gate in outcome["gates"] if gate["verdict"] != "pass"]
        logger.info(
            "Gate trial: %d of %d, seed %d, signal %g, %.0f s: %s",
            done, len(missing), outcome["seed"], outcome["signal_strength"], outcome["seconds"],
            f"stopped by {', '.join(stopped)}" if stopped else "promoted",
        )  # fmt: skip

    where = compute.where()
    run_all(partial(_judge, settings, feature_catalogue), missing, where, keep)
    return [{"group": market.group, **(store.get(market.key) or {})} for market in planned]


def summarise(outcomes: list[dict[str, Any]], trial: GateTrialParameters) -> dict[str, Any]:
    """Return the figures of the trial, with the outcomes that they were counted from."""
    return {
        "settings": trial.model_dump(mode="json"),
        **summarise_trial(outcomes, trial.confidence_level),
        "outcomes": [_brief(outcome) for outcome in outcomes],
    }


def draw_trial(trial_result: dict[str, Any]) -> str:
    """Return the plot of the trial as an SVG file."""
    return gate_trial_svg(trial_result)


def report_trial(trial_result: dict[str, Any]) -> str:
    """Return the report of the trial as an HTML page."""
    return gate_trial_html(trial_result)


def _judge(
    settings: Parameters, feature_catalogue: dict[str, Any], market: PlannedMarket
) -> tuple[str, dict[str, Any]]:
    return market.key, run_market(settings, feature_catalogue, market.case)


def _brief(outcome: dict[str, Any]) -> dict[str, Any]:
    """Return an outcome without the sentences of its gates."""
    gates: Sequence[dict[str, Any]] = outcome["gates"]
    return {
        **outcome,
        "gates": {gate["name"]: {"value": gate["value"], "verdict": gate["verdict"]} for gate in gates},
    }
