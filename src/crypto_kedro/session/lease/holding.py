"""Holding a lease for the length of a session: waiting for it, keeping it renewed, giving it back."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from crypto_kedro.session.lease.tenure import Fence, Lease, LeaseLostError, LeaseStoreError

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class HeldLease:
    """A lease that is being renewed.

    Args:
        fence: the right to send.
        renewing: ends, with `LeaseLostError`, once another has the lease.
    """

    fence: Fence
    renewing: asyncio.Task[None]

    async def during(self, work: Awaitable[T]) -> T:
        """Return what the work comes to; it is broken off once the lease is lost.

        Raises:
            LeaseLostError: another has it.
        """
        working = asyncio.ensure_future(work)
        try:
            await asyncio.wait({working, self.renewing}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                self.renewing.result()
            return await working
        finally:
            working.cancel()
            await asyncio.wait({working})


@asynccontextmanager
async def held_lease(
    lease: Lease, wait_s: float, *, above: int, on_trouble: Callable[[LeaseStoreError], None]
) -> AsyncIterator[HeldLease]:
    """Wait for the lease, keep it renewed while the context is open, and give it back.

    A store that does not answer at the end is written to the log alone: the lease then ends by itself, and an error of
    the context is not hidden by it.

    Args:
        lease: what is waited for.
        wait_s: patience, see `acquire_within`.
        above: see `Lease.acquire`.
        on_trouble: is told when the store does not answer a renewal.

    Raises:
        LeaseLostError: another holds it, and did not give it up in time.
        LeaseStoreError: it cannot be told who holds it.
    """
    fence = await acquire_within(lease, wait_s, above=above)
    renewing = asyncio.create_task(keep_renewed(lease, on_trouble))
    try:
        yield HeldLease(fence, renewing)
    finally:
        renewing.cancel()
        # Its failure is told by whoever works under the lease; here it only has to be over.
        await asyncio.wait({renewing})
        if not renewing.cancelled():
            renewing.exception()
        try:
            await lease.release()
        except LeaseStoreError as error:
            _log.warning("%s", error)


async def acquire_within(
    lease: Lease,
    seconds: float,
    *,
    above: int = 0,
    poll_s: float = 0.5,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Fence:
    """Wait for the lease.

    Args:
        lease: what is waited for.
        seconds: patience; 0 asks once, infinity stands by for ever.
        above: see `Lease.acquire`.
        poll_s: pause between two attempts.
        sleep: waits for a number of seconds.

    Raises:
        LeaseLostError: another holds it to the end.
        LeaseStoreError: it cannot be told who holds it.
    """
    waited = 0.0
    while True:
        fence = await lease.acquire(above)
        if fence is not None:
            return fence
        if waited >= seconds:
            raise LeaseLostError(
                f"the lease is held by {await lease.held_by() or 'another process'}; stop that trader first, or let "
                "this one wait for it"
            )
        await sleep(poll_s)
        waited += poll_s


async def keep_renewed(
    lease: Lease,
    on_trouble: Callable[[LeaseStoreError], None],
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Renew the lease until it is lost or the task is cancelled.

    Args:
        lease: held by this process.
        on_trouble: is told when the store does not answer; the next renewal is tried all the same.
        sleep: waits for a number of seconds.

    Raises:
        LeaseLostError: another has it.
    """
    while True:
        await sleep(lease.terms.renew_every_ms / 1000)
        try:
            await lease.renew()
        except LeaseStoreError as error:
            on_trouble(error)
