"""A lease that is held for the length of a session."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from steady_clock import SteadyClock

from crypto_kedro.session.lease import HeldLease, LeaseLostError, LeaseStoreError, LeaseTerms, SqliteLease, held_lease

QUICK = LeaseTerms(ttl_ms=2_000, margin_ms=1_000, renew_every_ms=10)
Traders = Callable[[], SqliteLease]


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.005)


def ignore(_: LeaseStoreError) -> None:
    pass


def lose(path: Path) -> None:
    """Let somebody else stand in the file as the holder."""
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE lease SET owner = 'another', token = token + 1")


def test_given_a_session_when_it_is_over_then_the_lease_is_free_at_once(trader: Traders) -> None:
    async def story() -> None:
        first, second = trader(), trader()
        async with held_lease(first, 0, above=0, on_trouble=ignore) as held:
            assert held.fence == first.fence
            assert await second.acquire() is None
        assert held.renewing.cancelled()
        assert await second.acquire() is not None

    asyncio.run(story())


def test_given_a_long_wait_then_the_lease_is_renewed_meanwhile(lease_path: Path, clock: SteadyClock) -> None:
    async def story() -> None:
        lease = SqliteLease(lease_path, QUICK, clock_ms=clock)
        async with held_lease(lease, 0, above=0, on_trouble=ignore) as held:

            async def maintenance() -> str:
                for _ in range(5):
                    clock.now_ms += QUICK.usable_ms
                    assert not lease.holds()
                    await until(lease.holds)
                return "over"

            assert await held.during(maintenance()) == "over"

    asyncio.run(story())


def test_given_work_when_the_lease_is_lost_then_the_work_is_broken_off(lease_path: Path, clock: SteadyClock) -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("work")

    async def session(held: HeldLease) -> None:
        lose(lease_path)
        await held.during(work())

    async def story() -> None:
        lease = SqliteLease(lease_path, QUICK, clock_ms=clock)
        with pytest.raises(LeaseLostError, match="no longer valid"):
            async with held_lease(lease, 0, above=0, on_trouble=ignore) as held:
                await session(held)

    asyncio.run(story())
    assert ended == ["work"]


def test_given_an_error_when_the_lease_cannot_be_given_back_either_then_the_error_is_told_and_not_the_lease(
    trader: Traders, lease_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with held_lease(trader(), 0, above=0, on_trouble=ignore):
            lease_path.write_bytes(b"no database at all" * 100)
            raise ValueError("what really happened")

    with pytest.raises(ValueError, match="what really happened"):
        asyncio.run(story())
    assert "cannot be used" in caplog.text
