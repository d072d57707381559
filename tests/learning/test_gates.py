"""Every gate at, just below and just above its threshold; what is not measured fails and says why."""

import json
from dataclasses import replace

import pytest

from crypto_kedro.learning.gate_rules import Comparison, Evidence, GateLimits, GateResult, GateVerdict
from crypto_kedro.learning.gates import GATES, NO_CHAMPION, all_passed, gate_record, judge
from crypto_kedro.learning.intervals import Interval

LIMITS = GateLimits()
GOOD = Evidence(
    data_source="bitbank",
    halt_share=0.001,
    foresight=0.05,
    foresight_limit=0.25,
    features_match=True,
    inference_difference=2e-7,
    trades=400,
    days=200,
    folds_better_than_prior=1.0,
    net_profit=0.5,
    stressed_net_profit=0.3,
    sharpe=2.5,
    buy_and_hold_sharpe=0.8,
    deflated_sharpe=0.99,
    overfitting=0.02,
    random_net_profits=[-0.3] * 200,
    max_drawdown=0.05,
    windows_profitable=1.0,
    regimes_profitable=1.0,
    largest_trade_share=0.05,
    calibration_error=0.01,
    overconfidence=-0.02,
    final_net_profit=0.04,
    final_floor=-0.03,
    champion=NO_CHAMPION,
    champion_net_profit=None,
)
NAMES = [gate.name if isinstance(gate, Comparison) else gate.__name__ for gate in GATES]


def result_of(name: str, evidence: Evidence, limits: GateLimits = LIMITS) -> GateResult:
    return next(result for result in judge(evidence, limits) if result.name == name)


def test_good_evidence_passes_every_gate() -> None:
    assert all_passed(judge(GOOD, LIMITS))


def test_gates_are_reported_under_the_names_of_their_functions() -> None:
    assert [result.name for result in judge(GOOD, LIMITS)] == NAMES


@pytest.mark.parametrize(
    ("gate", "field", "value", "passes"),
    [
        ("enough_trades", "trades", 99, False),
        ("enough_trades", "trades", 100, True),
        ("enough_trades", "trades", 101, True),
        ("better_than_prior", "folds_better_than_prior", 0.799, False),
        ("better_than_prior", "folds_better_than_prior", 0.8, True),
        ("better_than_prior", "folds_better_than_prior", 0.801, True),
        ("profitable", "net_profit", -1e-9, False),
        ("profitable", "net_profit", 0.0, False),
        ("profitable", "net_profit", 1e-9, True),
        ("beats_random_entries", "random_net_profits", [0.1] * 189 + [0.9] * 11, False),
        ("beats_random_entries", "random_net_profits", [0.1] * 190 + [0.9] * 10, False),
        ("beats_random_entries", "random_net_profits", [0.1] * 191 + [0.9] * 9, True),
        ("beats_random_entries", "random_net_profits", [0.5] * 200, False),
        ("drawdown_within_limit", "max_drawdown", 0.199, True),
        ("drawdown_within_limit", "max_drawdown", 0.2, True),
        ("drawdown_within_limit", "max_drawdown", 0.201, False),
        ("calibrated", "calibration_error", 0.049, True),
        ("calibrated", "calibration_error", 0.05, True),
        ("calibrated", "calibration_error", 0.051, False),
        ("final_window_holds", "final_net_profit", -0.0301, False),
        ("final_window_holds", "final_net_profit", -0.03, True),
        ("final_window_holds", "final_net_profit", -0.0299, True),
        ("data_quality", "halt_share", 0.0199, True),
        ("data_quality", "halt_share", 0.02, True),
        ("data_quality", "halt_share", 0.0201, False),
        ("no_foresight", "foresight", 0.249, True),
        ("no_foresight", "foresight", 0.25, True),
        ("no_foresight", "foresight", 0.251, False),
        ("same_features", "features_match", False, False),
        ("inference_parity", "inference_difference", 0.9e-6, True),
        ("inference_parity", "inference_difference", 1e-6, True),
        ("inference_parity", "inference_difference", 1.1e-6, False),
        ("enough_days", "days", 89, False),
        ("enough_days", "days", 90, True),
        ("enough_days", "days", 91, True),
        ("profitable_at_higher_costs", "stressed_net_profit", -1e-9, False),
        ("profitable_at_higher_costs", "stressed_net_profit", 0.0, False),
        ("profitable_at_higher_costs", "stressed_net_profit", 1e-9, True),
        ("deflated_sharpe", "deflated_sharpe", 0.949, False),
        ("deflated_sharpe", "deflated_sharpe", 0.95, True),
        ("deflated_sharpe", "deflated_sharpe", 0.951, True),
        ("not_overfitted", "overfitting", 0.199, True),
        ("not_overfitted", "overfitting", 0.2, True),
        ("not_overfitted", "overfitting", 0.201, False),
        ("beats_buy_and_hold", "buy_and_hold_sharpe", 2.49, True),
        ("beats_buy_and_hold", "buy_and_hold_sharpe", 2.5, False),
        ("beats_buy_and_hold", "buy_and_hold_sharpe", 2.51, False),
        ("stable_over_windows", "windows_profitable", 0.599, False),
        ("stable_over_windows", "windows_profitable", 0.6, True),
        ("stable_over_windows", "windows_profitable", 0.601, True),
        ("stable_over_regimes", "regimes_profitable", 1 / 3, False),
        ("stable_over_regimes", "regimes_profitable", 2 / 3, True),
        ("no_single_trade", "largest_trade_share", 0.249, True),
        ("no_single_trade", "largest_trade_share", 0.25, True),
        ("no_single_trade", "largest_trade_share", 0.251, False),
        ("not_overconfident", "overconfidence", 0.0499, True),
        ("not_overconfident", "overconfidence", 0.05, True),
        ("not_overconfident", "overconfidence", 0.0501, False),
        ("real_data", "data_source", "file", True),
        ("real_data", "data_source", "synthetic", False),
    ],
)
def test_only_the_gate_concerned_turns_on_its_figure(gate: str, field: str, value: object, passes: bool) -> None:
    results = judge(replace(GOOD, **{field: value}), LIMITS)
    assert [result.name for result in results if not result.passed] == ([] if passes else [gate])


@pytest.mark.parametrize(
    ("field", "value", "gates"),
    [
        ("data_source", None, ["real_data"]),
        ("data_source", "", ["real_data"]),
        ("halt_share", None, ["data_quality"]),
        ("foresight", None, ["no_foresight"]),
        ("foresight_limit", None, ["no_foresight"]),
        ("features_match", None, ["same_features"]),
        ("inference_difference", None, ["inference_parity"]),
        ("days", None, ["enough_days"]),
        ("stressed_net_profit", None, ["profitable_at_higher_costs"]),
        ("sharpe", None, ["beats_buy_and_hold"]),
        ("buy_and_hold_sharpe", None, ["beats_buy_and_hold"]),
        ("deflated_sharpe", None, ["deflated_sharpe"]),
        ("overfitting", None, ["not_overfitted"]),
        ("windows_profitable", None, ["stable_over_windows"]),
        ("regimes_profitable", None, ["stable_over_regimes"]),
        ("largest_trade_share", None, ["no_single_trade"]),
        ("overconfidence", None, ["not_overconfident"]),
        ("champion", None, ["holds_against_champion"]),
        ("trades", None, ["enough_trades", "beats_random_entries", "drawdown_within_limit"]),
        ("folds_better_than_prior", None, ["better_than_prior"]),
        ("net_profit", None, ["profitable", "beats_random_entries"]),
        ("random_net_profits", [], ["beats_random_entries"]),
        ("max_drawdown", None, ["drawdown_within_limit"]),
        ("calibration_error", None, ["calibrated"]),
        ("final_net_profit", None, ["final_window_holds"]),
        ("final_floor", None, ["final_window_holds"]),
    ],
)
def test_what_cannot_be_measured_fails_and_says_so(field: str, value: object, gates: list[str]) -> None:
    failed = [result for result in judge(replace(GOOD, **{field: value}), LIMITS) if not result.passed]
    assert [result.name for result in failed] == gates
    for result in failed:
        assert result.value is None
        assert result.explanation.startswith("Not measured")


def test_without_trades_neither_drawdown_nor_random_entries_can_be_judged() -> None:
    failed = judge(replace(GOOD, trades=0, net_profit=0.0, max_drawdown=0.0), LIMITS)
    verdicts = {result.name: result.value for result in failed if not result.passed}
    assert verdicts == {
        "enough_trades": 0,
        "profitable": 0.0,
        "beats_random_entries": None,
        "drawdown_within_limit": None,
    }


def test_a_demonstration_may_allow_synthetic_candles_and_the_result_says_so() -> None:
    synthetic = replace(GOOD, data_source="synthetic")
    allowed = result_of("real_data", synthetic, replace(LIMITS, allow_synthetic=True))
    assert allowed.verdict is GateVerdict.PASS
    assert "gates.allow_synthetic" in allowed.explanation


@pytest.mark.parametrize(("rival", "passes"), [(0.039, True), (0.04, True), (0.041, False), (None, False)])
def test_given_a_champion_then_the_challenger_must_do_as_well_in_the_final_window(
    rival: float | None, passes: bool
) -> None:
    evidence = replace(GOOD, champion="ensemble version 3", champion_net_profit=rival)
    result = result_of("holds_against_champion", evidence)
    assert result.passed is passes
    assert "ensemble version 3" in result.explanation


def test_an_interval_stands_beside_the_value_that_it_belongs_to() -> None:
    interval = Interval(0.1, 0.9, 0.95)
    results = judge(replace(GOOD, intervals={"net_profit": interval}), LIMITS)
    assert {result.name for result in results if result.interval} == {"profitable"}


def test_no_result_at_all_is_not_a_pass() -> None:
    assert not all_passed([])


def test_the_record_is_json_and_names_what_failed() -> None:
    record = json.loads(json.dumps(gate_record(judge(replace(GOOD, trades=3), LIMITS))))
    assert record["passed"] is False
    assert record["failed"] == ["enough_trades"]
    assert record["gates"][5] == {
        "name": "enough_trades",
        "value": 3,
        "threshold": ">= 100",
        "interval": None,
        "verdict": "fail",
        "explanation": "3 trades out of sample.",
    }
