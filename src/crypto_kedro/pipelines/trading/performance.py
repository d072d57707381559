"""A session put together: exchange, trader, HTTP face and messages, from the first moment to the last."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crypto_kedro.credentials import CredentialStore
from crypto_kedro.parameters.session import SessionParameters
from crypto_kedro.pipelines.trading.exchanges import exchange_of
from crypto_kedro.reporting.messages.notifier import open_notifier
from crypto_kedro.serving.face.server import serving_face
from crypto_kedro.serving.face.settings import FaceSettings, FaceToken
from crypto_kedro.session.clock import SessionClock
from crypto_kedro.session.cycle import CycleTerms
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.journal.records import Lineage
from crypto_kedro.session.lease import SqliteLease
from crypto_kedro.session.live_window import LiveFacts, LiveModel
from crypto_kedro.session.notice import IncidentSeen
from crypto_kedro.session.opening import Outfit, trader_at_work
from crypto_kedro.session.trader import Trader

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Performance:
    """What a session is put together from.

    Args:
        project_path: root of the project, under which its files lie.
        session: parameters of the session.
        model: what is traded.
        lineage: of the model and the code.
        terms: how it trades.
        credentials: API key, addresses of webhooks and the token of the face.
    """

    project_path: Path
    session: SessionParameters
    model: LiveModel
    lineage: Lineage
    terms: CycleTerms
    credentials: CredentialStore

    @property
    def folder(self) -> SessionFolder:
        """Where the session keeps its files; play and earnest never share a journal."""
        return SessionFolder.of(self.project_path, self.session.folder_name)


async def perform(performance: Performance, asked: asyncio.Event) -> dict[str, Any]:
    """Trade until the session is over or asked to end, and return what it came to.

    Raises:
        CryptoKedroError: the session cannot begin or go on.
    """
    session, credentials = performance.session, performance.credentials
    channels, token = session.messages.open_channels(credentials.webhooks), credentials.face_token()
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(
            exchange_of(session, performance.folder, credentials.bitbank())
        )
        exchange, clock = opened.exchange, opened.clock
        facts = LiveFacts(exchange, performance.model, clock.now_ms)
        notifier = await stack.enter_async_context(
            open_notifier(channels, _on_failure, session.messages.delivery_settings())
        )
        outfit = Outfit(
            folder=performance.folder,
            exchange=exchange,
            facts=facts,
            bars=facts.bars,
            lease=SqliteLease(performance.folder.lease, session.lease.terms()),
            lease_wait_s=session.lease.wait_s,
            lineage=performance.lineage,
            cycle_terms=performance.terms,
            trader_terms=session.trader_terms(session.environment),
            notifier=notifier,
            clock=clock,
        )
        trader = await stack.enter_async_context(trader_at_work(outfit))
        await stack.enter_async_context(_face(trader, session, token))
        if session.lasts_ms is not None:
            ending = asyncio.create_task(_ask_after(asked, clock, session.lasts_ms))
            stack.callback(ending.cancel)
        if session.mode == "tick":
            async with trader.holding_the_lease():
                await trader.tick()
            trader.end("one cycle was asked for")
        else:
            await trader.run(asked)
        return _record(trader)


@asynccontextmanager
async def _face(trader: Trader, session: SessionParameters, token: FaceToken | None) -> AsyncIterator[None]:
    if session.face is None:
        yield
        return
    face = session.face
    settings = FaceSettings(host=face.host, port=face.port, token=token, open_reading=face.open_reading)
    async with serving_face(trader, settings) as address:
        _log.info("Dashboard at %s", address)
        yield


async def _ask_after(asked: asyncio.Event, clock: SessionClock, lasts_ms: int) -> None:
    until_ms = clock.now_ms() + lasts_ms
    while clock.now_ms() < until_ms:
        await clock.wait(until_ms, asked, 1.0)
    asked.set()


def _on_failure(incident: IncidentSeen) -> None:
    _log.warning("%s: %s", incident.incident, incident.text)


def _record(trader: Trader) -> dict[str, Any]:
    """Return what a session came to as JSON values."""
    status = trader.status()
    account = status.account
    return {
        "environment": status.environment,
        "session_id": status.session_id,
        "model": None if status.lineage is None else status.lineage.model_version,
        "started_at_ms": status.started_at_ms,
        "ended_at_ms": status.now_ms,
        "cycles": status.counts.cycles,
        "failed_cycles": status.counts.failed,
        "sent": status.counts.sent,
        "equity_jpy": None if account is None else str(account.equity),
        "closed_trades": None if account is None else account.closed_trades,
        "halted": None if status.halted is None else status.halted.reason,
    }
