"""The traders of a siege: the command `kedro run --env live`, in processes that work until they are killed.

Each is a fork of a process that has everything imported, which saves the seconds of a start. From there on it runs the
command itself, with the arguments and the environment that a person would give it. Only three things differ: its clock
is that of the siege, its lease reports when it is held, and its pauses before it begins pass by that clock.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from multiprocessing.synchronize import Event
from typing import Any

from accounts_of_fire import TRAITORS, RestlessAccount, die_when_storage_fails
from camp import Camp
from kedro.framework.cli import main
from msgspec import Struct
from project_of_fire import CHANGES
from shared_clock import RestlessClock, SharedClock

from crypto_kedro.exchange.bitbank import BitbankSettings, Credentials
from crypto_kedro.exchange.bitbank.private_stream import PrivateStream
from crypto_kedro.exchange.retry import GrowingPauses
from crypto_kedro.parameters.session import SessionParameters
from crypto_kedro.pipelines.trading import exchanges, performance
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.lease import Fence, LeaseTerms, SqliteLease
from crypto_kedro.session.open_exchange import OpenExchange
from crypto_kedro.session.opening import Outfit

PAUSE_MS = 150_000
_A_PAUSE_S = 0.05
FACE_TOKEN = "token-of-the-page-with-more-than-thirty-two-characters"
DIES = "dies when storage fails"
TRAITOR_NAMES = (*TRAITORS, DIES)


class Post(Struct, frozen=True):
    """Where and how a trader process works.

    Args:
        camp: where.
        url: of the exchange.
        key: its own API key.
        cycles: after so many waits it ends by itself; None is never.
        lease_s: real seconds for which the lease is valid after its last renewal.
        lease_wait_s: patience until another process has given up the lease.
        traitor: one of `TRAITOR_NAMES`: a bug that it works with unknowingly.
    """

    camp: Camp
    url: str
    key: str
    cycles: int | None = None
    lease_s: float = 20.0
    lease_wait_s: float = 60.0
    traitor: str | None = None

    def parameters(self) -> str:
        """Return ``--params`` of its session."""
        parameters: dict[str, object] = {
            "session.armed": "true",
            **{f"session.bitbank.{name}": self.url for name in ("public", "private", "stream", "private_stream")},
            "session.face.port": 0,
            "session.protect_every_s": PAUSE_MS // 1000,
            "session.lease.ttl_s": self.lease_s,
            "session.lease.margin_s": self.lease_s / 4,
            "session.lease.renew_every_s": self.lease_s / 8,
            "session.lease.wait_s": self.lease_wait_s,
            **CHANGES,
        }
        return ",".join(f"{name}={value}" for name, value in parameters.items())


def trade(post: Post, holds_lease: Event, is_at_work: Event) -> None:
    """Trade until killed or signalled, or until the process may not go on."""
    output = post.camp.output(post.key).open("w")
    for number in (1, 2):
        os.dup2(output.fileno(), number)
    sys.stdout = sys.stderr = output
    output.reconfigure(line_buffering=True)
    os.environ |= {
        "BITBANK_API_KEY": post.key,
        "BITBANK_API_SECRET": "secret",
        "CRYPTO_KEDRO_FACE_TOKEN": FACE_TOKEN,
        "COLUMNS": "300",
    }
    _live_by_the_clock_of(post, holds_lease, is_at_work)
    if post.traitor == DIES:
        die_when_storage_fails()
    os.chdir(post.camp.project)
    sys.argv = ["kedro", "run", "--env", "live", "--params", post.parameters()]
    sys.exit(main())


def _live_by_the_clock_of(post: Post, holds_lease: Event, is_at_work: Event) -> None:
    clock = SharedClock(post.camp.clock, shifted=True)
    account_type = TRAITORS.get(post.traitor or "", RestlessAccount)

    @asynccontextmanager
    async def exchange(settings: BitbankSettings, credentials: Credentials) -> AsyncIterator[OpenExchange]:
        settings = replace(settings, throttle=False)
        async with account_type(settings, credentials, clock) as account:
            account._wire.timeout_on_exit = 0  # ccxt's pause for TLS connections to end
            stream = PrivateStream(account, settings, clock, _pause_in_fast_time)
            restless = RestlessClock(clock, post.cycles, is_at_work.set, _end_in_good_order)
            yield OpenExchange(account, restless, stream.news, admit=account.check_rights)

    def lease(session: SessionParameters, folder: SessionFolder) -> SqliteLease:
        return ToldLease(folder, session.lease.terms(), post, holds_lease)

    def outfit(**given: Any) -> Outfit:
        return Outfit(**given, start_pauses=lambda: _PassingPauses(clock))

    exchanges._real = exchange  # type: ignore[assignment]
    performance.lease_of = lease  # type: ignore[attr-defined]
    performance.Outfit = outfit  # type: ignore[attr-defined,assignment,misc]


def _end_in_good_order() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


class _PassingPauses(GrowingPauses):
    """Pauses that are short in real time and let their length pass by the clock of the siege."""

    def __init__(self, clock: SharedClock) -> None:
        super().__init__()
        self._clock = clock

    def next_s(self, least_s: float | None = None) -> float:
        self._clock.move(round(1000 * super().next_s(least_s)))
        return _A_PAUSE_S


async def _pause_in_fast_time(seconds: float) -> None:
    await asyncio.sleep(seconds / 100)


class ToldLease(SqliteLease):
    """A lease that reports when it is held.

    Args:
        folder: of the session.
        terms: of the lease.
        post: of the process.
        holds_lease: is set once it is held.
    """

    def __init__(self, folder: SessionFolder, terms: LeaseTerms, post: Post, holds_lease: Event) -> None:
        super().__init__(folder.lease, terms)
        self._post = post
        self._is_held = holds_lease

    async def acquire(self, above: int = 0) -> Fence | None:
        fence = await super().acquire(above)
        if fence is not None:
            camp = self._post.camp
            camp.token(self._post.key).write_text(f"{fence.token} {camp.wire.stat().st_size}")
            self._is_held.set()
        return fence
