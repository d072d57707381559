"""What a lease is, whoever keeps it: a fencing token, a time for which it may be relied on, and its renewal.

A holder counts its time from before it asked for the lease and ends `LeaseTerms.margin_ms` early; a successor counts
from after. Both use clocks that are never set, so a jump of the wall clock changes nothing.

Source: C. Gray and D. Cheriton, "Leases: an efficient fault-tolerant mechanism for distributed file cache
consistency", SOSP 1989.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from crypto_kedro.errors import ConfigurationError, CryptoKedroError


class LeaseLostError(CryptoKedroError):
    """This process may send nothing: it does not hold the lease, or cannot be sure that it does."""


class LeaseStoreError(CryptoKedroError):
    """The place that keeps the lease does not answer, so nobody can be told who holds it."""


@dataclass(frozen=True, slots=True)
class Fence:
    """The right to send orders.

    Args:
        token: greater than that of every holder before.
    """

    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTerms:
    """For how long a lease is given, in milliseconds.

    Args:
        ttl_ms: time after its last renewal at which another may take it from a holder that hangs.
        margin_ms: how much earlier the holder itself stops to rely on it. A request that was signed just before is
            refused by bitbank after its time window (5 s) and the second that its clock may differ; the margin must
            cover both.
        renew_every_ms: pause between two renewals.

    Raises:
        ConfigurationError: a single late renewal would lose the lease.
    """

    ttl_ms: int = 20_000
    margin_ms: int = 7_000
    renew_every_ms: int = 4_000

    def __post_init__(self) -> None:
        if min(self.ttl_ms, self.margin_ms, self.renew_every_ms) < 1:
            raise ConfigurationError(
                f"lease: ttl_ms, margin_ms and renew_every_ms must be positive, got {self.ttl_ms}, {self.margin_ms} "
                f"and {self.renew_every_ms}"
            )
        if self.usable_ms < 2 * self.renew_every_ms:
            raise ConfigurationError(
                f"lease: ttl_ms ({self.ttl_ms}) must be at least margin_ms ({self.margin_ms}) and twice "
                f"renew_every_ms ({self.renew_every_ms}) together, so that one renewal may fail"
            )

    @property
    def usable_ms(self) -> int:
        """For how long after asking the holder relies on it."""
        return self.ttl_ms - self.margin_ms


class Lease(Protocol):
    """The right to send orders, which one process holds at a time."""

    @property
    def terms(self) -> LeaseTerms:
        """For how long it is given."""

    @property
    def fence(self) -> Fence | None:
        """What this process holds, None before it was acquired and after it was lost or released."""

    async def acquire(self, above: int = 0) -> Fence | None:
        """Take the lease if nobody else has it; None when somebody has.

        Args:
            above: a token that the new one must exceed, such as the highest in the journal.

        Raises:
            LeaseStoreError: it cannot be told who has it.
        """

    async def renew(self) -> None:
        """Extend the time for which it is held.

        Raises:
            LeaseLostError: another has it.
            LeaseStoreError: it cannot be told; the lease goes on until its time is over.
        """

    async def release(self) -> None:
        """Give it back, so that another may take it at once; nothing happens if it is not held.

        Raises:
            LeaseStoreError: the store does not answer; the lease ends by itself.
        """

    async def held_by(self) -> str | None:
        """Return who holds it, in words for a human; None for nobody."""

    def holds(self) -> bool:
        """Return whether this process may rely on it at this moment."""

    def require(self) -> None:
        """Make sure that this process may send.

        Raises:
            LeaseLostError: it may not.
        """


def steady_ms() -> int:
    """Return milliseconds of a clock that is never set and, where the system has one, runs on in its sleep."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return int(time.monotonic() * 1000) if clock is None else time.clock_gettime_ns(clock) // 1_000_000


class StoredLease(ABC):
    """A lease that is kept in some store; a subclass knows the store, and is asked in a thread of its own.

    Args:
        name: where it is kept, for messages.
        terms: for how long it is given.
        clock_ms: milliseconds of a clock that is never set.
    """

    def __init__(self, name: str, terms: LeaseTerms, clock_ms: Callable[[], int]) -> None:
        self._name = name
        self._terms = terms
        self._clock_ms = clock_ms
        self._fence: Fence | None = None
        self._usable_until_ms = 0

    @property
    def terms(self) -> LeaseTerms:
        """For how long it is given."""
        return self._terms

    @property
    def fence(self) -> Fence | None:
        """What this process holds."""
        return self._fence

    async def acquire(self, above: int = 0) -> Fence | None:
        """Take the lease if nobody else has it; one that is held already is returned as it is."""
        if self.holds():
            return self._fence
        asked_ms = self._clock_ms()
        token = await asyncio.to_thread(self._take, above)
        if token is None:
            return None
        self._fence = Fence(token)
        self._usable_until_ms = asked_ms + self._terms.usable_ms
        return self._fence

    async def renew(self) -> None:
        """Extend the time for which it is held."""
        fence = self._fence
        if fence is None:
            raise LeaseLostError(f"lease {self._name}: nothing to renew; acquire it first")
        asked_ms = self._clock_ms()
        if not await asyncio.to_thread(self._extend, fence.token):
            self._forget()
            holder = await self.held_by() or "nobody"
            raise LeaseLostError(
                f"lease {self._name}: token {fence.token} is no longer valid, it is held by {holder} now; "
                "this process sends nothing more and must be started anew"
            )
        self._usable_until_ms = asked_ms + self._terms.usable_ms

    async def release(self) -> None:
        """Give it back; this process sends nothing from the first moment on."""
        fence = self._fence
        if fence is not None:
            self._forget()
            await asyncio.to_thread(self._give_back, fence.token)

    async def held_by(self) -> str | None:
        """Return who holds it, in words for a human; None for nobody."""
        return await asyncio.to_thread(self._find_holder)

    def holds(self) -> bool:
        """Return whether this process may rely on it at this moment."""
        return self._fence is not None and self._clock_ms() < self._usable_until_ms

    def require(self) -> None:
        """Make sure that this process may send."""
        if not self.holds():
            state = "is not held" if self._fence is None else f"token {self._fence.token} was not renewed in time"
            raise LeaseLostError(
                f"lease {self._name}: {state}; nothing is sent, because another process may be trading"
            )

    def _forget(self) -> None:
        self._fence = None
        self._usable_until_ms = 0

    @abstractmethod
    def _find_holder(self) -> str | None:
        """Return who holds it, in words for a human; None for nobody."""

    @abstractmethod
    def _take(self, above: int) -> int | None:
        """Take it and return a token greater than ``above`` and all before; None when somebody has it."""

    @abstractmethod
    def _extend(self, token: int) -> bool:
        """Note that its holder is alive; return whether it still is the holder."""

    @abstractmethod
    def _give_back(self, token: int) -> None:
        """Note that nobody holds it, if this process still does."""
