"""Leases on a clock that a test moves."""

from collections.abc import Callable
from pathlib import Path

import pytest
from steady_clock import TERMS, SteadyClock

from crypto_kedro.session.lease import SqliteLease


@pytest.fixture
def clock() -> SteadyClock:
    return SteadyClock()


@pytest.fixture
def lease_path(tmp_path: Path) -> Path:
    return tmp_path / "session" / "lease.db"


@pytest.fixture
def trader(lease_path: Path, clock: SteadyClock) -> Callable[[], SqliteLease]:
    """Make another trader's view of the one lease."""
    return lambda: SqliteLease(lease_path, TERMS, clock_ms=clock)
