"""The trader: runs cycles when they are due or asked for, and obeys halts."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from crypto_kedro.errors import CryptoKedroError, sentence_of
from crypto_kedro.session.account_news import NewsSource, listening
from crypto_kedro.session.cycle import Cycle, CycleReport
from crypto_kedro.session.ending import EndReason, EndRequest
from crypto_kedro.session.journal import HaltInForce, Journal, JournalError, OutdatedFenceError, Writer
from crypto_kedro.session.journal.records import Incident, SessionEnded, Trigger
from crypto_kedro.session.lease import HeldLease, LeaseLostError
from crypto_kedro.session.notice import (
    Exposure,
    IncidentSeen,
    LeaseLost,
    SessionBegan,
    SessionFailed,
    SessionOver,
    Severity,
)
from crypto_kedro.session.status import TraderStatus
from crypto_kedro.session.stop import StopFlag, StopOrder, halt_in_force, halt_ordered, stop_trading
from crypto_kedro.session.telling import Teller
from crypto_kedro.session.waking import TraderTerms, Waking

__all__ = ["Session", "Trader", "TraderTerms"]

_log = logging.getLogger(__name__)

HALF_HALTED = "half_halted"
JOURNAL_DAMAGED = "journal_damaged"
SESSION_FAILED = "session_failed"
_LOOK_S = 0.5
"""Real seconds between two looks at the stop flag."""
_SECURE_S = 20.0
"""Real seconds in which open positions are protected after a fault."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Session:
    """What a trader works with.

    Args:
        cycle: runs one reconcile pass.
        waking: tells when.
        journal: of the account, in which the session has begun.
        writer: this session.
        held: the right to send, kept renewed.
        flag: the file that halts trading.
        now_ms: the session's clock, Unix milliseconds UTC.
        news: what the exchange tells of the account, None where it tells nothing.
    """

    cycle: Cycle
    waking: Waking
    journal: Journal
    writer: Writer
    held: HeldLease
    flag: StopFlag
    now_ms: Callable[[], int]
    news: NewsSource | None


class Trader:
    """One session at work.

    Args:
        session: what it works with.
        teller: what it tells of itself.
        after_cycle: is called after each cycle and returns at once.
    """

    def __init__(self, session: Session, teller: Teller, after_cycle: Callable[[], None] = lambda: None) -> None:
        self._session = session
        self._teller = teller
        self._after_cycle = after_cycle
        self._waking = session.waking
        self._one_at_a_time = asyncio.Lock()
        self._is_damage_known = False

    async def run(self, asked: EndRequest) -> None:
        """Trade until asked to end; the cycle that runs then is finished.

        Raises:
            LeaseLostError: another process trades; nothing more was sent or written.
            JournalError: the journal cannot be written, so nothing more is sent.
        """
        ending = asyncio.create_task(self._look_up_when(asked))
        self._session.held.renewing.add_done_callback(lambda _: self._waking.look_up())
        try:
            async with self.at_work(asked), listening(self._session.news, self._waking.hear):
                while not asked.is_set():
                    trigger = await self._next_trigger(asked)
                    if trigger is not None:
                        await self.cycle(trigger)
        finally:
            ending.cancel()

    @asynccontextmanager
    async def at_work(self, asked: EndRequest, *, is_told: bool = True) -> AsyncIterator[None]:
        """Write the session's end down however the context is left, and notify of it.

        After a fault, what is open is protected or closed first, as far as exchange and journal allow it.

        Args:
            asked: has the reason for an end in good order.
            is_told: whether beginning and end in good order are events for the channels.

        Raises:
            LeaseLostError: another process trades; nothing more was written.
        """
        teller, writer = self._teller, self._session.writer
        if is_told:
            status = teller.status()
            halt = None if status.halted is None else f"{status.halted.by}: {status.halted.reason}"
            stage = status.funding_stage
            teller.tell(SessionBegan(writer.session_id, teller.model_version, stage, teller.equity(), halt))
        try:
            yield
        except LeaseLostError:
            teller.tell(LeaseLost(writer.fence or 0))
            raise
        except asyncio.CancelledError:
            try:
                self.end(EndReason.BROKEN_OFF, is_told=is_told)
            except JournalError as error:
                # There is no time left to look at the exchange.
                teller.tell(SessionFailed(writer.session_id, sentence_of(error), Exposure.UNKNOWN))
            raise
        except Exception as error:
            await self._fail(error)
            raise
        try:
            self.end(asked.reason, is_told=is_told)
        except JournalError as error:
            await self._fail(error)
            raise

    async def _fail(self, error: Exception) -> None:
        """Protect what is open, then record and notify that a fault ended the session."""
        session, sentence = self._session, sentence_of(error)
        _log.critical("The session ends by a fault: %s", sentence)
        exposure = await self._secured()
        with contextlib.suppress(JournalError):
            session.journal.append(
                session.writer,
                session.now_ms(),
                Incident(Severity.CRITICAL, SESSION_FAILED, sentence),
                SessionEnded(EndReason.FAULT),
            )
        self._teller.tell(SessionFailed(session.writer.session_id, sentence, exposure))

    async def _secured(self) -> Exposure:
        """Protect or close what is open, within a bound; return what is left."""
        try:
            async with asyncio.timeout(_SECURE_S), self._one_at_a_time:
                return await self._session.cycle.secure()
        except Exception as error:  # noqa: BLE001 -- the session ends by another fault already
            _log.critical("Open positions could not be looked after: %s", sentence_of(error))
            return Exposure.UNKNOWN

    async def cycle(self, trigger: Trigger) -> CycleReport:
        """Run one cycle, after the one that may be running.

        Raises:
            LeaseLostError: another process trades.
            JournalError: the journal cannot be written, so nothing more is sent.
        """
        session = self._session
        async with self._one_at_a_time:
            self._waking.begin()
            try:
                halt = self._halt_in_force()
                report = await session.cycle.run(trigger)
            except OutdatedFenceError as error:
                raise LeaseLostError(f"another process has taken the lease over: {error}") from error
            self._teller.note(report, halt)
            self._waking.end(self._teller.bar_close_ms, is_settled=report.error is None and report.is_settled)
            self._after_cycle()
        return report

    async def tick(self) -> Mapping[str, Any]:
        """Run one cycle, after the one that may be running, and return its report as JSON values.

        Raises:
            CryptoKedroError: the cycle was broken off.
        """
        return report_json(await self.cycle(Trigger.TICK))

    async def stop(self, *, by: str, reason: str, flatten: bool) -> None:
        """Write a halt down, durably, and wake the cycle that obeys it.

        Raises:
            StopError: it could be written neither into the journal nor into the flag.
        """
        session = self._session
        write_halt(session.flag, session.journal, self._teller, StopOrder(by, reason, flatten), session.now_ms())
        self._waking.look_up()

    def wake(self) -> None:
        """Run a cycle soon, because the exchange's stream told something."""
        self._waking.hear()

    def end(self, reason: str, *, is_told: bool = True) -> None:
        """Write down the end of the session and tell it.

        Raises:
            JournalError: it cannot be written.
        """
        session, teller = self._session, self._teller
        session.journal.append(session.writer, session.now_ms(), SessionEnded(reason))
        if is_told:
            teller.tell(SessionOver(session.writer.session_id, reason, teller.equity()))

    def status(self) -> TraderStatus:
        """Return how it stands now, from memory."""
        return self._teller.status()

    async def _next_trigger(self, asked: asyncio.Event) -> Trigger | None:
        """Wait until a cycle is due; None when asked to end."""
        session, waking = self._session, self._waking
        while not asked.is_set():
            if session.held.renewing.done():
                session.held.renewing.result()
            halt = self._halt_in_force()
            if halt != self._teller.obeyed:
                self._teller.note_halt(halt)
                return Trigger.STOP
            trigger = waking.due()
            self._teller.next_wake_ms = waking.next_wake_ms
            if trigger is not None:
                return trigger
            await waking.wait(_LOOK_S)
        return None

    def _halt_in_force(self) -> HaltInForce | None:
        """Return why nothing may be opened, and report once that the journal is damaged."""
        session, teller = self._session, self._teller
        damage = session.journal.damage()
        if damage is not None and not self._is_damage_known:
            self._is_damage_known = True
            incident = IncidentSeen(Severity.CRITICAL, JOURNAL_DAMAGED, damage)
            teller.tell(incident)
            with contextlib.suppress(JournalError):
                teller.note_incident(incident)
        return halt_in_force(session.flag, session.journal, session.now_ms())

    async def _look_up_when(self, asked: asyncio.Event) -> None:
        await asked.wait()
        self._waking.look_up()


def write_halt(flag: StopFlag, journal: Journal, teller: Teller, order: StopOrder, now_ms: int) -> None:
    """Halt trading by flag and journal, and tell of one that could not be written.

    Raises:
        StopError: neither could be written; trading is not halted.
    """
    troubles = stop_trading(flag, journal, order, now_ms)
    for trouble in troubles:
        teller.tell(IncidentSeen(Severity.WARNING, HALF_HALTED, f"trading is halted, yet {trouble}"))
    with contextlib.suppress(JournalError):
        teller.note_halt(halt_ordered(flag, journal, now_ms))


def report_json(report: CycleReport) -> Mapping[str, Any]:
    """Return what a cycle came to as JSON values.

    Raises:
        CryptoKedroError: it was broken off.
    """
    if report.error is not None:
        raise CryptoKedroError(report.error)
    return {
        "cycle_id": report.cycle_id,
        "started_at_ms": report.started_at_ms,
        "ended_at_ms": report.ended_at_ms,
        "sent": report.sent,
        "fills": len(report.fills),
        "action": None if report.decision is None else report.decision.action.value,
        "reason": None if report.decision is None else str(report.decision.reason),
    }
