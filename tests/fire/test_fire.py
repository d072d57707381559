"""The proof by fire in small: real processes around the project's own sessions, against the simulator."""

from collections import Counter

import pytest
from assault import assail
from bad_days import BAD_DAYS, CANNOT_MEET_US
from scenarios_of_fire import SCENARIOS

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
    ("traitor", "count"),
    [("sends twice", "duplicate_orders"), ("only enters", "unprotected"), ("loses fills", "lost_fills")],
)
def test_given_a_traitor_in_a_siege_then_what_it_does_is_found(traitor: str, count: str) -> None:
    found = assail("kills", 4, seed=5, traitor=traitor)
    assert found["counts"][count] > 0
    assert not found["survived"]


def test_given_the_faults_of_the_simulator_then_bad_days_have_all_that_a_trader_can_meet() -> None:
    kinds = Counter(fault["kind"] for fault in BAD_DAYS)
    assert set(kinds) == set(FaultKind) - CANNOT_MEET_US
