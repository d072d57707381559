"""The proof by fire in small: real processes around the project's own cycle, against the simulator."""

from pathlib import Path

import pytest
from checker import Verdict
from scenarios_of_fire import SCENARIOS
from siege import Siege


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_given_a_siege_then_the_trader_survives(tmp_path: Path, name: str) -> None:
    scenario, times, _ = SCENARIOS[name]
    with Siege(tmp_path, seed=5, lives=4 * times + 20, minutes=20_000) as siege:
        scenario(siege, times)
        assert siege.verdict() == Verdict()
        assert siege.evidence().history.fills
