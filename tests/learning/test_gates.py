"""Every gate at, just below and just above its threshold; what is not measured fails and says why."""

import json
from dataclasses import replace

import pytest

from crypto_kedro.learning.gates import (
    GATES,
    Evidence,
    GateLimits,
    GateResult,
    GateVerdict,
    all_passed,
    gate_record,
    judge,
)

LIMITS = GateLimits(
    allow_synthetic=False,
    min_trades=100,
    min_folds_better_than_prior=0.6,
    min_net_profit=0.0,
    random_percentile=95.0,
    max_drawdown=0.2,
    max_calibration_error=0.05,
    min_final_net_profit=0.0,
)
GOOD = Evidence(
    data_source="bitbank",
    trades=400,
    folds_better_than_prior=1.0,
    net_profit=0.5,
    random_net_profits=[-0.3] * 200,
    max_drawdown=0.05,
    calibration_error=0.01,
    final_net_profit=0.04,
)
NAMES = [gate.__name__ for gate in GATES]


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
        ("better_than_prior", "folds_better_than_prior", 0.599, False),
        ("better_than_prior", "folds_better_than_prior", 0.6, True),
        ("better_than_prior", "folds_better_than_prior", 0.601, True),
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
        ("final_window_holds", "final_net_profit", -1e-9, False),
        ("final_window_holds", "final_net_profit", 0.0, True),
        ("final_window_holds", "final_net_profit", 1e-9, True),
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
        ("trades", None, ["enough_trades", "beats_random_entries", "drawdown_within_limit"]),
        ("folds_better_than_prior", None, ["better_than_prior"]),
        ("net_profit", None, ["profitable", "beats_random_entries"]),
        ("random_net_profits", [], ["beats_random_entries"]),
        ("max_drawdown", None, ["drawdown_within_limit"]),
        ("calibration_error", None, ["calibrated"]),
        ("final_net_profit", None, ["final_window_holds"]),
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


def test_no_result_at_all_is_not_a_pass() -> None:
    assert not all_passed([])


def test_the_record_is_json_and_names_what_failed() -> None:
    record = json.loads(json.dumps(gate_record(judge(replace(GOOD, trades=3), LIMITS))))
    assert record["passed"] is False
    assert record["failed"] == ["enough_trades"]
    assert record["gates"][1] == {
        "name": "enough_trades",
        "value": 3,
        "threshold": ">= 100",
        "verdict": "fail",
        "explanation": "3 trades out of sample.",
    }
