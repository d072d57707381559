"""One holder at a time over a storage that several machines share, on good days and bad ones."""

import asyncio
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from storages import BUCKET, TERMS, SteadyClock, Storage, Wire

from crypto_kedro.cloud.lease import GcsLease
from crypto_kedro.errors import ConfigurationError
from crypto_kedro.session.lease import Fence, LeaseLostError, LeaseStoreError

Traders = Callable[..., GcsLease]


def test_given_a_holder_when_another_asks_then_it_is_refused_until_the_release(trader: Traders) -> None:
    async def story() -> None:
        first, second = trader(), trader()
        assert await second.held_by() is None
        assert await first.acquire() == Fence(1)
        assert await second.acquire() is None
        assert str(await second.held_by()).startswith("process ")
        await first.release()
        assert await second.held_by() is None
        assert await second.acquire() == Fence(2)
        assert not first.holds()

    asyncio.run(story())


def test_given_eight_that_ask_at_the_same_time_then_one_gets_it(trader: Traders) -> None:
    for token in range(1, 6):
        candidates = [trader() for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            fences = list(pool.map(lambda lease: asyncio.run(lease.acquire()), candidates))
        assert [fence for fence in fences if fence] == [Fence(token)]
        asyncio.run(candidates[fences.index(Fence(token))].release())


def test_given_a_journal_with_a_token_when_the_object_is_new_then_its_token_is_greater(trader: Traders) -> None:
    assert asyncio.run(trader().acquire(above=6)) == Fence(7)


def test_given_a_dead_holder_then_its_successor_waits_for_the_whole_time_that_it_has_seen(
    trader: Traders, clock: SteadyClock
) -> None:
    async def story() -> None:
        dead, successor = trader(), trader()
        await dead.acquire()
        clock.now_ms += 10 * TERMS.ttl_ms  # nobody watched meanwhile, so it proves nothing
        assert await successor.acquire() is None
        clock.now_ms += TERMS.ttl_ms - 1
        assert await successor.acquire() is None
        clock.now_ms += 1
        assert await successor.acquire() == Fence(2)

    asyncio.run(story())


def test_given_a_holder_that_renews_then_a_candidate_waits_in_vain(trader: Traders, clock: SteadyClock) -> None:
    async def story() -> None:
        holder, candidate = trader(), trader()
        await holder.acquire()
        for _ in range(30):
            assert await candidate.acquire() is None
            clock.now_ms += TERMS.renew_every_ms
            assert holder.holds()
            await holder.renew()

    asyncio.run(story())


def test_given_a_successor_when_the_old_holder_wakes_then_it_may_neither_send_nor_renew_nor_release(
    trader: Traders, clock: SteadyClock
) -> None:
    async def story() -> None:
        hung, successor = trader(), trader()
        await hung.acquire()
        await successor.acquire()
        clock.now_ms += TERMS.ttl_ms
        await successor.acquire()
        with pytest.raises(LeaseLostError, match="was not renewed in time"):
            hung.require()
        with pytest.raises(LeaseLostError, match="token 1 is no longer valid"):
            await hung.renew()
        await hung.release()
        await successor.renew()
        assert successor.holds()

    asyncio.run(story())


def test_given_a_cut_wire_then_the_holder_stops_by_its_own_clock_and_goes_on_when_it_is_mended(
    trader: Traders, clock: SteadyClock, wire: Wire
) -> None:
    async def story() -> None:
        lease = trader(wire)
        await lease.acquire()
        wire.is_cut = True
        clock.now_ms += TERMS.renew_every_ms
        with pytest.raises(LeaseStoreError, match=f"gs://{BUCKET}/.*ConnectionError"):
            await lease.renew()
        assert lease.holds()
        clock.now_ms += TERMS.usable_ms - TERMS.renew_every_ms
        assert not lease.holds()
        wire.is_cut = False
        await lease.renew()
        assert lease.holds()

    asyncio.run(story())


def test_given_a_renewal_whose_answer_is_lost_when_it_renews_again_then_it_is_still_the_holder(
    trader: Traders, wire: Wire
) -> None:
    async def story() -> None:
        lease = trader(wire)
        await lease.acquire()
        wire.loses_answers = True
        with pytest.raises(LeaseStoreError):
            await lease.renew()
        wire.loses_answers = False
        await lease.renew()
        await lease.renew()
        await lease.release()
        assert await trader().acquire() == Fence(2)

    asyncio.run(story())


def test_given_a_lost_answer_when_it_is_acquired_then_it_is_not_held_and_can_be_acquired_again(
    storage: Storage, trader: Traders
) -> None:
    class LosesWrites(Wire):
        def send(self, request: object, *arguments: object, **more: object) -> object:  # type: ignore[override]
            self.loses_answers = getattr(request, "method", "") == "POST" and not self.lost
            self.lost = self.lost or self.loses_answers
            return super().send(request, *arguments, **more)

    async def story() -> None:
        wire = LosesWrites()
        wire.lost = False
        lease = trader(wire)
        with pytest.raises(LeaseStoreError):
            await lease.acquire()
        assert not lease.holds()
        assert await lease.acquire() == Fence(2)
        assert await trader().acquire() is None

    asyncio.run(story())


def test_given_the_object_was_deleted_when_it_renews_then_the_lease_is_lost(
    trader: Traders, storage: Storage, request: pytest.FixtureRequest
) -> None:
    async def story() -> None:
        lease = trader()
        await lease.acquire()
        storage.client().bucket(BUCKET).delete_blob(f"{request.node.name}/lease")
        with pytest.raises(LeaseLostError, match="held by nobody now"):
            await lease.renew()

    asyncio.run(story())


def test_given_an_object_that_is_no_lease_then_it_is_not_written_over(
    trader: Traders, storage: Storage, request: pytest.FixtureRequest
) -> None:
    blob = storage.client().bucket(BUCKET).blob(f"{request.node.name}/lease")
    blob.upload_from_string("somebody's notes")
    with pytest.raises(LeaseStoreError, match="no lease of crypto-kedro"):
        asyncio.run(trader().acquire())
    assert blob.download_as_text() == "somebody's notes"


@pytest.mark.parametrize("url", ["lease", "gs://bucket", "gs:///lease", "file://a/b"])
def test_given_an_address_that_is_none_then_it_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="not an address such as"):
        GcsLease.at(url)


_STEPS = st.tuples(
    st.integers(0, 2),
    st.sampled_from(["acquire", "renew", "release", "wait", "cut", "lose", "mend"]),
    st.integers(0, 80_000),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(_STEPS, min_size=5, max_size=40))
def test_whatever_three_traders_and_their_wires_do_then_never_two_hold_the_lease(
    storage: Storage, steps: list[tuple[int, str, int]]
) -> None:
    async def story() -> None:
        clock = SteadyClock()
        wires = [Wire() for _ in range(3)]
        name = uuid.uuid4().hex
        traders = [GcsLease(storage.client(wire), BUCKET, name, TERMS, clock_ms=clock) for wire in wires]
        highest = 0
        for who, what, passes_ms in steps:
            lease, wire = traders[who], wires[who]
            held = lease.holds()
            try:
                if what == "acquire":
                    fence = await lease.acquire()
                    if fence is not None and not held:
                        assert fence.token > highest
                        highest = fence.token
                elif what == "renew":
                    await lease.renew()
                elif what == "release":
                    await lease.release()
            except (LeaseLostError, LeaseStoreError):
                pass
            if what == "wait":
                clock.now_ms += passes_ms
            elif what in ("cut", "lose", "mend"):
                wire.is_cut, wire.loses_answers = what == "cut", what == "lose"
            assert sum(trader.holds() for trader in traders) <= 1

    asyncio.run(story())
