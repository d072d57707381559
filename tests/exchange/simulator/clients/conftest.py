"""The simulator and ccxt as processes."""

from collections.abc import Iterator

import pytest
from ccxt_process import started
from foreign import ForeignClient, Simulator, Truth


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    """One simulator for all clients."""
    running = Simulator()
    yield running
    running.close()


@pytest.fixture
def truth(simulator: Simulator) -> Truth:
    """What the simulator says itself."""
    return simulator.truth


@pytest.fixture(scope="session")
def ccxt_client(simulator: Simulator) -> Iterator[ForeignClient]:
    """What ccxt tells."""
    running = started(simulator)
    yield running
    running.close()


@pytest.fixture(autouse=True)
def no_open_orders(truth: Truth) -> Iterator[None]:
    """No test leaves an order behind."""
    yield
    truth.cancel_everything()
