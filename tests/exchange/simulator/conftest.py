"""Simulators that are served for one test."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from served import PRICE, Host, Served, script


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    """The HTTP server that all simulators of these tests are served by, one after the other."""
    serving = Host()
    yield serving
    serving.close()


@pytest.fixture
def serve(host: Host) -> Iterator[Callable[..., Served]]:
    """Serve a simulator until the next one or the end of the test; without arguments its market stands still."""
    started: list[Served] = []

    def start(*arguments: Any, **more: Any) -> Served:
        started.append(Served(host, *(arguments or (script(),)), **more))
        return started[-1]

    yield start
    for simulator in started:
        simulator.close()


@pytest.fixture
def quiet(serve: Callable[..., Served]) -> Served:
    """A simulator whose market stands still at the opening price."""
    simulator = serve()
    assert simulator.client.public("/btc_jpy/ticker").data["last"] == str(PRICE)
    return simulator
