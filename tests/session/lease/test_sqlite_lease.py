"""One holder at a time, with growing tokens, whatever becomes of the holder, the clock and the file."""

import asyncio
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steady_clock import TERMS, SteadyClock

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.session.lease import (
    Fence,
    LeaseLostError,
    LeaseStoreError,
    LeaseTerms,
    SqliteLease,
    acquire_within,
    keep_renewed,
)

Traders = Callable[[], SqliteLease]


def test_given_a_holder_when_another_asks_then_it_is_refused_and_told_by_whom(trader: Traders) -> None:
    async def story() -> None:
        first, second = trader(), trader()
        assert await first.acquire() == Fence(1)
        assert await second.acquire() is None
        assert not second.holds()
        assert f"process {os.getpid()} " in str(await second.held_by())

    asyncio.run(story())


def test_given_a_release_when_another_asks_then_it_has_the_lease_at_once_with_a_greater_token(trader: Traders) -> None:
    async def story() -> None:
        first, second = trader(), trader()
        await first.acquire()
        await first.release()
        assert not first.holds()
        assert first.fence is None
        assert await second.held_by() is None
        assert await second.acquire() == Fence(2)

    asyncio.run(story())


def test_given_a_journal_with_a_token_when_the_lease_is_new_then_its_token_is_greater(trader: Traders) -> None:
    assert asyncio.run(trader().acquire(above=41)) == Fence(42)


def test_given_a_holder_when_it_acquires_again_then_its_token_stays(trader: Traders) -> None:
    async def story() -> None:
        lease = trader()
        assert await lease.acquire() == await lease.acquire() == Fence(1)

    asyncio.run(story())


def test_given_no_renewal_then_the_holder_stops_before_a_successor_can_begin(
    trader: Traders, clock: SteadyClock
) -> None:
    async def story() -> None:
        hung, waiting = trader(), trader()
        await hung.acquire()
        clock.now_ms += TERMS.usable_ms - 1
        assert hung.holds()
        clock.now_ms += 1
        assert not hung.holds()
        with pytest.raises(LeaseLostError, match="token 1 was not renewed in time"):
            hung.require()
        clock.now_ms += TERMS.margin_ms - 1
        assert await waiting.acquire() is None
        clock.now_ms += 1
        assert await waiting.acquire() == Fence(2)

    asyncio.run(story())


def test_given_a_successor_when_the_old_holder_wakes_then_its_renewal_says_that_the_lease_is_lost(
    trader: Traders, clock: SteadyClock
) -> None:
    async def story() -> None:
        hung, successor = trader(), trader()
        await hung.acquire()
        clock.now_ms += TERMS.ttl_ms
        await successor.acquire()
        with pytest.raises(LeaseLostError, match="token 1 is no longer valid, it is held by process"):
            await hung.renew()
        assert not hung.holds()
        await hung.release()
        assert successor.holds()
        await successor.renew()

    asyncio.run(story())


def test_given_nobody_took_it_when_a_late_holder_renews_then_it_goes_on(trader: Traders, clock: SteadyClock) -> None:
    async def story() -> None:
        lease = trader()
        await lease.acquire()
        clock.now_ms += 10 * TERMS.ttl_ms
        assert not lease.holds()
        await lease.renew()
        assert lease.holds()

    asyncio.run(story())


def test_given_a_slow_renewal_then_its_time_counts_from_before_it_was_asked_for(
    lease_path: Path, clock: SteadyClock
) -> None:
    class SlowDisk(SqliteLease):
        def _extend(self, token: int) -> bool:
            clock.now_ms += 5_000
            return super()._extend(token)

    async def story() -> None:
        lease = SlowDisk(lease_path, TERMS, clock_ms=clock)
        await lease.acquire()
        await lease.renew()
        clock.now_ms += TERMS.usable_ms - 5_000
        assert not lease.holds()

    asyncio.run(story())


def test_given_the_machine_started_anew_when_the_holder_is_gone_then_the_old_time_does_not_bar_a_successor(
    trader: Traders, lease_path: Path, clock: SteadyClock
) -> None:
    async def story() -> None:
        before = trader()
        await before.acquire()
        before._end_life()  # what the end of its process does
        clock.now_ms = 1_000
        assert await trader().acquire() == Fence(2)

    asyncio.run(story())


def test_given_the_file_was_deleted_when_it_is_renewed_then_the_holder_ends_with_its_time(
    trader: Traders, lease_path: Path, clock: SteadyClock
) -> None:
    async def story() -> None:
        lease = trader()
        await lease.acquire()
        lease_path.unlink()
        with pytest.raises(LeaseStoreError, match=r"lease\.db: the file cannot be used"):
            await lease.renew()
        assert lease.holds()
        clock.now_ms += TERMS.usable_ms
        assert not lease.holds()

    asyncio.run(story())


def test_given_another_file_took_its_place_when_it_is_renewed_then_it_is_lost_though_the_tokens_are_equal(
    trader: Traders, lease_path: Path
) -> None:
    async def story() -> None:
        first, second = trader(), trader()
        await first.acquire()
        lease_path.rename(lease_path.with_name("elsewhere"))
        lease_path.with_name("lease.db.holder-1").unlink()
        assert await second.acquire() == Fence(1)
        with pytest.raises(LeaseLostError):
            await first.renew()

    asyncio.run(story())


def test_given_a_path_that_cannot_be_made_then_the_error_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    lease = SqliteLease(tmp_path / "file" / "lease.db", TERMS)
    with pytest.raises(LeaseStoreError, match=r"file/lease\.db: the file cannot be used"):
        asyncio.run(lease.acquire())


def test_given_a_file_that_is_no_lease_then_nobody_holds_it(lease_path: Path, trader: Traders) -> None:
    lease_path.parent.mkdir()
    lease_path.write_text("no database, but longer than the header of one would have to be " * 9)
    lease = trader()
    with pytest.raises(LeaseStoreError, match="not a database"):
        asyncio.run(lease.acquire())
    assert not lease.holds()


def test_given_a_failure_while_it_is_taken_then_another_can_take_it(trader: Traders, lease_path: Path) -> None:
    async def story() -> None:
        unlucky, next_one = trader(), trader()
        await unlucky.acquire()
        await unlucky.release()
        lease_path.with_name("lease.db.holder-2").mkdir()
        with pytest.raises(LeaseStoreError):
            await unlucky.acquire()
        lease_path.with_name("lease.db.holder-2").rmdir()
        assert await next_one.acquire() == Fence(2)

    asyncio.run(story())


def test_given_a_standby_when_the_holder_releases_then_it_takes_over(trader: Traders, clock: SteadyClock) -> None:
    async def story() -> None:
        active, standby = trader(), trader()
        await active.acquire()
        naps = 0

        async def nap(seconds: float) -> None:
            nonlocal naps
            naps += 1
            if naps == 3:
                await active.release()

        assert await acquire_within(standby, 60, sleep=nap) == Fence(2)
        assert naps == 3

    asyncio.run(story())


def test_given_a_holder_that_stays_when_patience_ends_then_the_error_names_it(
    trader: Traders, clock: SteadyClock
) -> None:
    async def story() -> None:
        active, other = trader(), trader()
        await active.acquire()
        with pytest.raises(LeaseLostError, match=f"held by process {os.getpid()}"):
            await acquire_within(other, 2, sleep=clock.sleep)

    asyncio.run(story())


def test_given_regular_renewals_then_the_lease_is_held_for_ever_and_ends_with_its_loss(
    trader: Traders, clock: SteadyClock, lease_path: Path
) -> None:
    async def story() -> None:
        holder, thief = trader(), trader()
        await holder.acquire()
        troubles: list[LeaseStoreError] = []
        rounds = 0

        async def nap(seconds: float) -> None:
            nonlocal rounds
            rounds += 1
            clock.now_ms += round(seconds * 1000)
            assert holder.holds()
            if rounds == 50:
                lease_path.rename(lease_path.with_name("away"))
            elif rounds == 51:
                lease_path.with_name("away").rename(lease_path)
            elif rounds == 100:
                clock.now_ms += TERMS.ttl_ms
                await thief.acquire()

        with pytest.raises(LeaseLostError):
            await keep_renewed(holder, troubles.append, sleep=nap)
        assert rounds == 100
        assert len(troubles) == 1

    asyncio.run(story())


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({"ttl_ms": 0}, "must be positive"),
        ({"ttl_ms": 14_000}, "so that one renewal may fail"),
    ],
)
def test_given_terms_that_cannot_work_then_they_are_refused(terms: dict[str, int], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        LeaseTerms(**terms)


_STEPS = st.tuples(
    st.integers(0, 2), st.sampled_from(["acquire", "renew", "release", "die", "wait"]), st.integers(0, 25_000)
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_STEPS, min_size=5, max_size=40))
def test_whatever_three_traders_do_then_never_two_hold_the_lease_and_tokens_grow(
    steps: list[tuple[int, str, int]],
) -> None:
    async def story(folder: Path) -> None:
        clock = SteadyClock()
        traders = [SqliteLease(folder / "lease.db", TERMS, clock_ms=clock) for _ in range(3)]
        highest = 0
        for who, what, passes_ms in steps:
            if what == "acquire":
                held = traders[who].holds()
                fence = await traders[who].acquire()
                if fence is not None and not held:
                    assert fence.token > highest
                    highest = fence.token
            elif what == "renew":
                try:
                    await traders[who].renew()
                except LeaseLostError:
                    assert not traders[who].holds()
            elif what == "release":
                await traders[who].release()
            elif what == "die":
                traders[who]._end_life()  # what the end of its process does
                traders[who] = SqliteLease(folder / "lease.db", TERMS, clock_ms=clock)
            else:
                clock.now_ms += passes_ms
            assert sum(lease.holds() for lease in traders) <= 1

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(story(Path(folder)))
