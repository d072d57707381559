"""A session put together: exchange, trader, HTTP face and messages, from the first moment to the last."""

import asyncio
import contextlib
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crypto_kedro.credentials import CredentialStore
from crypto_kedro.errors import ConfigurationError, CryptoKedroError
from crypto_kedro.parameters.session import SessionParameters
from crypto_kedro.pipelines.trading.exchanges import exchange_of
from crypto_kedro.pipelines.trading.leases import lease_of
from crypto_kedro.pipelines.trading.showing import shown
from crypto_kedro.pipelines.trading.undelivered import Undelivered
from crypto_kedro.reporting.messages.courier import OnFailure
from crypto_kedro.reporting.messages.notifier import MessageNotifier, open_notifier
from crypto_kedro.session.clock import SessionClock, wall_clock_ms
from crypto_kedro.session.cycle import CycleTerms
from crypto_kedro.session.ending import EndReason, EndRequest
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.journal.records import Lineage
from crypto_kedro.session.live_window import LiveFacts, LiveModel
from crypto_kedro.session.modes import Desk, open_desk
from crypto_kedro.session.notice import Notice, not_begun
from crypto_kedro.session.open_exchange import OpenExchange
from crypto_kedro.session.opening import Outfit
from crypto_kedro.session.status import TraderStatus
from crypto_kedro.session.waking import Mode

_FINISH_S = 5.0
"""Real seconds in which a session may finish after its exchange has failed."""


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
        """Where the session keeps its files."""
        return SessionFolder.of(self.project_path, self.session.folder_name)


async def perform(performance: Performance, asked: EndRequest, record: dict[str, Any]) -> None:
    """Trade until the session is over or asked to end.

    Args:
        performance: what the session is put together from.
        asked: ends it.
        record: takes in the result, however the session ends once its journal is open.

    Raises:
        CryptoKedroError: the session cannot begin or go on.
    """
    async with AsyncExitStack() as stack:
        undelivered = Undelivered()
        notifier = await stack.enter_async_context(
            _notifier(performance.session, performance.credentials, undelivered.note)
        )
        try:
            desk, opened = await _opened(performance, notifier, undelivered, stack)
        except Exception as error:
            notifier.notify(_notice_of(performance.session, error))
            raise
        stack.callback(lambda: record.update(_record(desk.status())))
        lasts_ms = performance.session.lasts_ms
        if lasts_ms is not None:
            ending = asyncio.create_task(_ask_after(asked, opened.clock, lasts_ms))
            stack.callback(ending.cancel)
        await _work(desk, asked, opened.failure)


async def _work(desk: Desk, asked: EndRequest, failure: "asyncio.Future[None] | None") -> None:
    """Trade until the work is over, or until an exchange inside this process has failed.

    Raises:
        CryptoKedroError: the session cannot go on.
    """
    working = asyncio.create_task(desk.work(asked))
    try:
        if failure is not None:
            await asyncio.wait({working, failure}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                asked.ask(EndReason.EXCHANGE_FAILED)
                await asyncio.wait({working}, timeout=_FINISH_S)
                working.cancel()
                with contextlib.suppress(asyncio.CancelledError, CryptoKedroError):
                    await working
                failure.result()
        await working
    finally:
        working.cancel()


async def tell_not_begun(session: SessionParameters, credentials: CredentialStore, error: Exception) -> None:
    """Notify every channel that a session could not be put together."""
    try:
        async with _notifier(session, credentials, Undelivered().note) as notifier:
            notifier.notify(_notice_of(session, error))
    except ConfigurationError:
        # The channels themselves are wrong; the error that is told of here comes first.
        return


async def _opened(
    performance: Performance, notifier: MessageNotifier, undelivered: Undelivered, stack: AsyncExitStack
) -> tuple[Desk, OpenExchange]:
    """Open exchange, desk and face, and return the desk with the exchange that it trades at.

    Raises:
        CryptoKedroError: one of them cannot be opened.
    """
    session, folder, secrets = performance.session, performance.folder, performance.credentials
    opened = await stack.enter_async_context(exchange_of(session, folder, secrets.bitbank()))
    facts = LiveFacts(opened.exchange, performance.model, opened.clock.now_ms)
    outfit = Outfit(
        folder=folder,
        exchange=opened.exchange,
        facts=facts,
        bars=facts.bars,
        lease=lease_of(session, folder),
        lease_wait_s=session.lease.wait_s,
        lineage=performance.lineage,
        cycle_terms=performance.terms,
        trader_terms=session.trader_terms(session.environment),
        notifier=notifier,
        clock=opened.clock,
        news=opened.news,
        admit=opened.admit,
    )
    desk = await stack.enter_async_context(open_desk(outfit, session.mode))
    undelivered.write_with(desk.note_incident)
    stack.callback(undelivered.write_with, None)
    face = None if session.mode is Mode.ONCE else session.face
    await stack.enter_async_context(shown(desk, face, secrets.face_token()))
    return desk, opened


def _notifier(
    session: SessionParameters, credentials: CredentialStore, on_failure: OnFailure
) -> AbstractAsyncContextManager[MessageNotifier]:
    messages = session.messages
    return open_notifier(messages.open_channels(credentials.webhooks), on_failure, messages.delivery_settings())


def _notice_of(session: SessionParameters, error: Exception) -> Notice:
    return Notice(not_begun(error), wall_clock_ms(), session.environment)


async def _ask_after(asked: EndRequest, clock: SessionClock, lasts_ms: int) -> None:
    until_ms = clock.now_ms() + lasts_ms
    while clock.now_ms() < until_ms and not asked.is_set():
        await clock.wait(until_ms, asked, 1.0)
    asked.ask(EndReason.TIME_OVER)


def _record(status: TraderStatus) -> dict[str, Any]:
    """Return what a session came to as JSON values."""
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
