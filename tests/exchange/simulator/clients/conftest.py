"""The simulator as a process."""

from collections.abc import Iterator

import pytest
from foreign import Simulator, Truth


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """One simulator for all tests of a client."""
    running = Simulator()
    yield running
    running.close()


@pytest.fixture
def truth(simulator: Simulator) -> Truth:
    """What the simulator says itself."""
    return simulator.truth
