"""The trial of the judge: its books by hand, its resumption, and a small trial for real."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml
from kedro.config import OmegaConfigLoader

from crypto_kedro.errors import LineageError
from crypto_kedro.evaluation.market_trial import summarise_trial
from crypto_kedro.learning.proportion import clopper_pearson_upper
from crypto_kedro.parameters import ComputeParameters, GateTrialParameters
from crypto_kedro.pipelines.gate_trial.nodes import (
    PlannedMarket,
    code_hash,
    draw_trial,
    judge_markets,
    plan_trial,
    report_trial,
    summarise,
)
from crypto_kedro.pipelines.gate_trial.outcomes import OutcomeStore

CONF = Path(__file__).resolve().parents[2] / "conf"
TRIAL = GateTrialParameters.model_validate(
    {
        "days": 150,
        "first_seed": 70_000,
        "noise_markets": 3,
        "planted": [{"name": "strong", "signal_strength": 0.5, "markets": 2}],
        "confidence_level": 0.95,
    }
)
SEQUENTIAL = ComputeParameters(backend="sequential", workers=1, dask_address=None)
TWO_PROCESSES = ComputeParameters(backend="joblib", workers=2, dask_address=None)


def parameters(**changed: dict[str, Any]) -> dict[str, Any]:
    """The project's own, with some values changed by group."""
    loaded: dict[str, Any] = OmegaConfigLoader(str(CONF), base_env="base", default_run_env="base")["parameters"]
    return {**loaded, **{group: {**loaded[group], **values} for group, values in changed.items()}}


def catalogue() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((CONF / "base" / "feature_order.json").read_text())
    return content


def outcome(group: str, failed: tuple[str, ...], omniscient: dict[str, float | None], **figures: Any) -> dict[str, Any]:
    gates = [
        {"name": name, "value": 0.5, "verdict": "fail" if name in failed else "pass"}
        for name in ("profitable", "calibrated")
    ]
    return {
        "group": group,
        "signal_strength": 0.0 if group == "noise" else 0.2,
        "passed": not failed,
        "gates": gates,
        "trades": 100,
        "net_profit": 0.1,
        "sharpe": 1.0,
        "omniscient_sharpe": omniscient,
        "seconds": 10.0,
        **figures,
    }


OUTCOMES = [
    outcome("noise", ("profitable", "calibrated"), {}, trades=0, sharpe=None, seconds=40.0),
    outcome("noise", ("profitable",), {}, trades=10, net_profit=-0.1),
    outcome("strong", (), {"0.1": 3.0, "0.3": 1.0}, seconds=20.0),
    outcome("strong", ("calibrated",), {"0.1": 2.0, "0.3": None}),
    outcome("strong", (), {"0.1": 4.0, "0.3": 5.0}, sharpe=3.0),
    outcome("strong", (), {"0.1": 3.0, "0.3": 2.0}, sharpe=2.0),
]


def test_given_outcomes_when_summarised_then_promotions_are_counted_by_kind_with_exact_limits() -> None:
    noise, strong = summarise_trial(OUTCOMES, 0.95)["groups"]
    assert (noise["promoted"], noise["markets"], strong["promoted"], strong["markets"]) == (0, 2, 3, 4)
    # Of two markets without a promotion: 1 - 0.05 ** (1 / 2) one-sided, 1 - 0.025 ** (1 / 2) two-sided.
    assert noise["upper_limit"] == pytest.approx(0.7764, abs=1e-4)
    assert noise["interval"]["high"] == pytest.approx(0.8419, abs=1e-4)
    assert strong["rate"] == 0.75


def test_given_outcomes_when_summarised_then_each_gate_knows_whom_it_stopped_and_whom_it_alone_stopped() -> None:
    noise, strong = summarise_trial(OUTCOMES, 0.95)["groups"]
    assert noise["failed"] == {"profitable": 2, "calibrated": 1}
    assert noise["failed_alone"] == {"profitable": 1}
    assert strong["failed"] == strong["failed_alone"] == {"calibrated": 1}


def test_given_outcomes_when_summarised_then_the_best_omniscient_is_the_best_on_average() -> None:
    noise, strong = summarise_trial(OUTCOMES, 0.95)["groups"]
    assert strong["omniscient_sharpe"] == {"0.1": 3.0, "0.3": 2.0}
    assert (strong["best_omniscient_sharpe"], noise["best_omniscient_sharpe"]) == (3.0, None)


def test_given_outcomes_when_summarised_then_time_and_medians_are_told() -> None:
    trial = summarise_trial(OUTCOMES, 0.95)
    assert trial["seconds"] == {"mean": pytest.approx(100 / 6), "longest": 40.0, "total": 100.0}
    assert (trial["groups"][0]["trades"], trial["groups"][0]["sharpe"], trial["groups"][1]["sharpe"]) == (5.0, 1.0, 1.5)


def test_given_the_shipped_plan_then_sixty_silent_markets_of_noise_bound_the_rate_below_five_percent() -> None:
    shipped = GateTrialParameters.model_validate(
        yaml.safe_load((CONF / "base" / "parameters_gate_trial.yml").read_text())["gate_trial"]
    )
    assert clopper_pearson_upper(0, shipped.noise_markets, shipped.confidence_level) < 0.05
    assert len(shipped.planted) == 3


def test_given_a_plan_then_every_market_has_a_seed_and_a_key_of_its_own_and_noise_comes_first() -> None:
    planned = plan_trial(parameters(), catalogue(), TRIAL)
    assert [market.case.seed for market in planned] == list(range(70_000, 70_005))
    assert [market.group for market in planned] == ["noise"] * 3 + ["strong"] * 2
    assert len({market.key for market in planned}) == 5


@pytest.mark.parametrize(
    "changed",
    [
        {"gates": {"min_trades": 101}},
        {"training": {"n_folds": 4}},
        {"costs": {"slippage": 0.0002}},
        {"trading": {"min_agreement": 0.7}},
    ],
)
def test_given_another_setting_that_decides_when_planned_then_all_keys_are_others(
    changed: dict[str, dict[str, Any]],
) -> None:
    before, after = keys(parameters()), keys(parameters(**changed))
    assert before.isdisjoint(after)


def test_given_another_machine_when_planned_then_the_keys_are_the_same() -> None:
    elsewhere = parameters(compute={"backend": "dask", "workers": 64}, tracking={"uri": "sqlite:///elsewhere.db"})
    assert keys(elsewhere) == keys(parameters())


def test_given_a_longer_trial_when_planned_then_the_markets_that_it_shares_keep_their_keys() -> None:
    shorter = TRIAL.model_copy(update={"noise_markets": 2, "planted": ()})
    assert keys(parameters(), shorter) < keys(parameters(), TRIAL)


def test_given_other_code_when_hashed_then_the_hash_is_another(tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    source = tmp_path / "features" / "kernels.py"
    source.write_text("a = 1\n")
    before = code_hash(tmp_path)
    source.write_text("a = 2\n")
    assert code_hash(tmp_path) != before


def test_given_outcomes_on_disk_when_judged_again_then_they_are_taken_as_they_are(tmp_path: Path) -> None:
    store, planned = OutcomeStore(tmp_path), plan_trial(parameters(), catalogue(), TRIAL)
    for place, market in enumerate(planned):
        store.put(market.key, {"found": place})
    judged = judge_markets(planned, parameters(), catalogue(), store, SEQUENTIAL)
    assert [market["found"] for market in judged] == [0, 1, 2, 3, 4]
    assert [market["group"] for market in judged] == ["noise"] * 3 + ["strong"] * 2


def test_given_a_damaged_outcome_when_judged_then_its_file_is_named(tmp_path: Path) -> None:
    store, planned = OutcomeStore(tmp_path), plan_trial(parameters(), catalogue(), TRIAL)
    (tmp_path / f"{planned[1].key}.json").write_text("{")
    with pytest.raises(LineageError, match=f"{planned[1].key}.json is not JSON"):
        judge_markets(planned, parameters(), catalogue(), store, SEQUENTIAL)


def test_given_a_trial_when_reported_then_the_verdict_names_size_and_power_and_the_page_fetches_nothing() -> None:
    page = report_trial(summarise(OUTCOMES, TRIAL))
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "0 of 2 models of pure noise were promoted: the rate is below 77.6% with 95% confidence." in text
    assert "earns a Sharpe ratio of 3.0, 3 of 4 models were promoted (75%)." in text
    assert not re.search(r"(?:src|href)=\"(?!#)", page)


def test_given_a_trial_when_drawn_then_the_picture_is_whole_and_the_same_each_time() -> None:
    picture = draw_trial(summarise(OUTCOMES, TRIAL))
    assert ET.fromstring(picture).tag.endswith("svg")
    assert "3 of 4" in picture
    assert draw_trial(summarise(OUTCOMES, TRIAL)) == picture


@pytest.mark.slow
def test_given_noise_and_a_loud_signal_when_tried_then_only_the_signal_is_promoted(tmp_path: Path) -> None:
    trial = TRIAL.model_copy(
        update={"noise_markets": 4, "planted": (TRIAL.planted[0].model_copy(update={"markets": 4}),)}
    )
    settings = parameters(gates={"min_days": 60}, evaluation={"random_traders": 20})
    planned = plan_trial(settings, catalogue(), trial)
    judged = judge_markets(planned, settings, catalogue(), OutcomeStore(tmp_path / "two"), TWO_PROCESSES)
    noise, strong = summarise(judged, trial)["groups"]
    assert noise["promoted"] == 0
    assert strong["promoted"] >= 3
    assert strong["best_omniscient_sharpe"] > 5.0
    alone = judge_markets(planned[-1:], settings, catalogue(), OutcomeStore(tmp_path / "one"), SEQUENTIAL)
    assert timeless(alone[0]) == timeless(judged[-1])


def timeless(judged: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in judged.items() if name != "seconds"}


def keys(settings: dict[str, Any], trial: GateTrialParameters = TRIAL) -> set[str]:
    planned: list[PlannedMarket] = plan_trial(settings, catalogue(), trial)
    return {market.key for market in planned}
