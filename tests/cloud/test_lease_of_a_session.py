"""A session's lease lies where its parameters say: in a file of this machine, or in a bucket."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from storages import BUCKET, Storage

from crypto_kedro.cloud.lease import CLOUD_TERMS, GcsLease
from crypto_kedro.parameters.session import SessionParameters
from crypto_kedro.pipelines.trading.leases import lease_of
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.lease import Fence, LeaseTerms, SqliteLease


def session(**lease: Any) -> SessionParameters:
    return SessionParameters.model_validate(
        {"environment": "live", "exchange": "bitbank", "models": ["champion"], "lease": lease}
    )


def test_given_no_bucket_then_the_lease_is_a_file_of_the_session(tmp_path: Path) -> None:
    lease = lease_of(session(), SessionFolder(tmp_path / "live"))
    assert isinstance(lease, SqliteLease)
    assert lease.terms == LeaseTerms()
    assert asyncio.run(lease.acquire()) == Fence(1)
    assert (tmp_path / "live" / "lease.db").exists()


@pytest.mark.parametrize(("named", "at"), [({}, "live/lease"), ({"object": "one/trader"}, "one/trader")])
def test_given_a_bucket_then_the_lease_is_an_object_of_it_for_all_machines(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: dict[str, str], at: str
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", storage.url)
    folders = [SessionFolder(tmp_path / machine / "live") for machine in ("one", "other")]

    async def story() -> None:
        first, second = [lease_of(session(bucket=BUCKET, **named), folder) for folder in folders]
        assert isinstance(first, GcsLease)
        assert first.terms == CLOUD_TERMS
        assert await first.acquire() == Fence(1)
        assert await second.acquire() is None
        await first.release()
        assert await second.acquire() == Fence(2)
        await second.release()

    asyncio.run(story())
    blob = storage.client().bucket(BUCKET).get_blob(at)
    assert blob is not None
    blob.delete()


def test_given_an_object_without_a_bucket_then_it_is_refused() -> None:
    with pytest.raises(ValueError, match=r"session\.lease\.object is set without session\.lease\.bucket"):
        session(object="one/trader")
