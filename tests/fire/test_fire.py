"""The proof by fire in small: real processes around the project's own sessions, against the simulator."""

from collections import Counter
from pathlib import Path

import pytest
from assault import assail
from bad_days import BAD_DAYS, CANNOT_MEET_US, garbled
from project_of_fire import template
from scenarios_of_fire import SCENARIOS
from siege import Siege

from crypto_kedro.exchange.simulator.faults import FaultKind


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_given_a_siege_then_the_trader_survives(name: str) -> None:
    scenario = SCENARIOS[name]
    reason = scenario.why_not()
    if reason is not None:
        pytest.skip(reason)
    found = assail(name, scenario.small, seed=5)
    assert found["findings"] == {}, f"journal, orders and wire log are kept in {found['kept']}"
    assert found["survived"]
    assert found["fills"] > 0
    assert sum(found["faults"].values()) > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "traitor", "count"),
    [
        ("kills", "sends twice", "duplicate_orders"),
        ("kills", "only enters", "unprotected"),
        ("kills", "loses fills", "lost_fills"),
        ("size limits", "dies when storage fails", "unprotected"),
    ],
)
def test_given_a_traitor_in_a_siege_then_what_it_does_is_found(scenario: str, traitor: str, count: str) -> None:
    found = assail(scenario, 2, seed=5, traitor=traitor)
    assert found["counts"][count] > 0
    assert not found["survived"]


@pytest.mark.slow
@pytest.mark.parametrize("where", ["/v1/user/assets", "/v1/user/spot/trade_history", "/btc_jpy/ticker"])
def test_given_a_maintenance_that_begins_amid_a_beginning_then_its_time_passes_and_the_trader_comes_to_work(
    tmp_path: Path, where: str
) -> None:
    maintenance = {"kind": "maintenance", "probability": 0.5, "where": where, "ms": 20_000}
    with Siege(tmp_path, template(), seed=5, lives=1, minutes=2_000) as siege:
        siege.faults(maintenance)
        trader = siege.begin()
        assert siege.ask_to_end(trader) == 0
        siege.faults()
        assert siege.struck["maintenance"] > 0


def test_given_the_faults_of_the_simulator_then_bad_days_have_all_that_a_trader_can_meet() -> None:
    kinds = Counter(fault["kind"] for fault in BAD_DAYS)
    garbling = {fault["kind"] for fault in garbled(1.0)}
    assert set(kinds) | garbling == set(FaultKind) - CANNOT_MEET_US
