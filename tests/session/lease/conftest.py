"""A clock that a test moves, and leases on it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from crypto_kedro.session.lease import LeaseTerms, SqliteLease

TERMS = LeaseTerms(ttl_ms=20_000, margin_ms=7_000, renew_every_ms=4_000)


class SteadyClock:
    """Milliseconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_ms = 5_000_000

    def __call__(self) -> int:
        return self.now_ms

    async def sleep(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)


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
