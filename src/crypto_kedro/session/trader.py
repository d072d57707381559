"""The trader: runs cycles at each closed bar, in between to protect, and when asked; obeys halts; tells its news."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crypto_kedro.errors import ConfigurationError, CryptoKedroError
from crypto_kedro.session.clock import SessionClock
from crypto_kedro.session.cycle import Cycle, CycleReport, CycleTerms
from crypto_kedro.session.journal import HaltInForce, Journal, Writer
from crypto_kedro.session.journal.halt import halt_trading
from crypto_kedro.session.journal.records import Incident, Lineage, SessionEnded, Trigger
from crypto_kedro.session.lease import Lease, LeaseLostError, LeaseStoreError, keep_renewed
from crypto_kedro.session.news import news_of
from crypto_kedro.session.notice import IncidentSeen as IncidentNews
from crypto_kedro.session.notice import LeaseLost, News, Notice, Notifier, SessionBegan, SessionOver, Severity
from crypto_kedro.session.status import AccountSeen, BarSeen, CycleCounts, CycleSeen, TraderStatus
from crypto_kedro.session.stop import StopFlag, halt_in_force
from crypto_kedro.session.trader_memory import TraderMemory
from crypto_kedro.trading.money import Jpy

_LOOK_S = 0.5
"""Real seconds between two looks at the stop flag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraderTerms:
    """How a trader goes about its work; lengths in milliseconds of the session's clock.

    Args:
        environment: ``paper`` or ``live``.
        protect_every_ms: pause after which protections are looked after when nothing else happens.
        publish_ms: time after its close at which a bar is first looked for.
        retry_ms: pause before a bar that was not published yet is looked for again.

    Raises:
        ConfigurationError: a length is not positive.
    """

    environment: str
    protect_every_ms: int = 30_000
    publish_ms: int = 500
    retry_ms: int = 1_000

    def __post_init__(self) -> None:
        for name in ("protect_every_ms", "publish_ms", "retry_ms"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"session: {name} is {getattr(self, name)}; it must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Session:
    """What a trader works with.

    Args:
        cycle: runs one reconcile pass.
        cycle_terms: how it trades.
        journal: of the account, in which the session has begun.
        writer: this session.
        lineage: of the model and the code.
        lease: the right to send, held when the work begins.
        flag: the file that halts trading.
        notifier: whom news are told.
        clock: the session's clock.
        bars: gives the decision bars that are shown.
    """

    cycle: Cycle
    cycle_terms: CycleTerms
    journal: Journal
    writer: Writer
    lineage: Lineage
    lease: Lease
    flag: StopFlag
    notifier: Notifier
    clock: SessionClock
    bars: Callable[[], tuple[BarSeen, ...]]


class Trader:
    """One session at work.

    Args:
        session: what it works with.
        terms: how it goes about it.
    """

    def __init__(self, session: Session, terms: TraderTerms) -> None:
        self._session = session
        self._terms = terms
        self._clock = session.clock
        self._started_at_ms = self._clock.now_ms()
        self._memory = TraderMemory(session.journal)
        self._halt: HaltInForce | None = session.journal.halt()
        self._counts = CycleCounts()
        self._last: CycleReport | None = None
        self._account: CycleReport | None = None
        self._bar_close_ms: int | None = None
        self._tried_at_ms = 0
        self._next_wake_ms: int | None = None
        self._woken = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()

    async def run(self, asked: asyncio.Event) -> None:
        """Trade until asked to end; the cycle that runs then is finished.

        Raises:
            LeaseLostError: another process trades; nothing more was sent or written.
            JournalError: the journal cannot be written, so nothing more is sent.
        """
        ending = asyncio.create_task(self._wake_when(asked))
        try:
            async with self.holding_the_lease():
                while not asked.is_set():
                    trigger = await self._next_trigger(asked)
                    if trigger is not None:
                        await self._run_cycle(trigger)
        finally:
            ending.cancel()
        self.end("asked to end")

    @contextlib.asynccontextmanager
    async def holding_the_lease(self) -> Any:
        """Keep the lease renewed while the context is open, and tell the session's start.

        Raises:
            LeaseLostError: another process trades.
        """
        session = self._session
        self._tell(self._began())
        renewing = asyncio.create_task(keep_renewed(session.lease, self._on_lease_trouble))
        renewing.add_done_callback(lambda _: self._woken.set())
        self._renewing = renewing
        try:
            yield
        except LeaseLostError:
            fence = session.writer.fence or 0
            self._tell(LeaseLost(fence))
            raise
        finally:
            renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError, LeaseLostError):
                await renewing

    async def tick(self) -> Mapping[str, Any]:
        """Run one cycle, after the one that may be running, and return its report as JSON values.

        Raises:
            CryptoKedroError: the cycle was broken off.
        """
        report = await self._run_cycle(Trigger.TICK)
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

    async def stop(self, *, by: str, reason: str, flatten: bool) -> None:
        """Write a halt down, durably, and wake the cycle that obeys it.

        Raises:
            CryptoKedroError: it could not be written down.
        """
        halt_trading(self._session.journal, self._clock.now_ms(), by=by, reason=reason, flatten=flatten)
        self.wake()

    def wake(self) -> None:
        """Run a cycle soon, because the exchange's stream told something."""
        self._woken.set()

    def end(self, reason: str) -> None:
        """Write down the end of the session and tell it.

        Raises:
            JournalError: it cannot be written.
        """
        session = self._session
        session.journal.append(session.writer, self._clock.now_ms(), SessionEnded(reason))
        self._tell(SessionOver(session.writer.session_id, reason, self._equity()))

    def status(self) -> TraderStatus:
        """Return how it stands now, from memory."""
        session, terms, memory, now_ms = self._session, self._session.cycle_terms, self._memory, self._clock.now_ms()
        last, seen = self._last, self._account
        account = None if seen is None else seen.account
        ledger = None if seen is None else seen.ledger
        bars = session.bars()
        return TraderStatus(
            environment=self._terms.environment,
            session_id=session.writer.session_id,
            now_ms=now_ms,
            started_at_ms=self._started_at_ms,
            lineage=session.lineage,
            funding_stage=terms.funding_stage,
            guards=terms.settings.guards,
            lease_held=session.lease.holds(),
            halted=self._halt,
            counts=self._counts,
            last_cycle=None if last is None else _seen(last),
            next_wake_ms=self._next_wake_ms,
            bar_close_ms=self._bar_close_ms,
            price=None if account is None else account.mark,
            account=None if account is None or ledger is None else AccountSeen.of(account, ledger),
            equity_curve=memory.curve,
            bars=bars,
            fills=tuple(fill for fill in memory.fills if bars and fill.executed_at_ms >= bars[0].open_ms),
            trades=memory.trades_of_day(now_ms),
            funnel=memory.funnel(now_ms),
            decision=memory.decision,
            incidents=memory.incidents,
        )

    async def _next_trigger(self, asked: asyncio.Event) -> Trigger | None:
        """Wait until a cycle is due; None when asked to end."""
        session, terms = self._session, self._terms
        while not asked.is_set():
            if self._renewing.done():
                self._renewing.result()
            now_ms = self._clock.now_ms()
            if self._halt_changed(now_ms):
                return Trigger.STOP
            bar_at_ms = self._bar_due_ms(now_ms)
            protect_at_ms = self._tried_at_ms + terms.protect_every_ms
            self._next_wake_ms = min(bar_at_ms, protect_at_ms)
            if now_ms >= self._next_wake_ms:
                return Trigger.BAR if now_ms >= bar_at_ms else Trigger.PROTECTION
            if await self._clock.wait(self._next_wake_ms, self._woken, _LOOK_S) and not asked.is_set():
                self._woken.clear()
                if not self._renewing.done():
                    return Trigger.STOP if session.journal.halt() != self._halt else Trigger.STREAM
        return None

    def _bar_due_ms(self, now_ms: int) -> int:
        """Return when to look for the next closed bar."""
        bar_ms = self._session.cycle_terms.settings.barriers.bar_ms
        newest = now_ms // bar_ms * bar_ms
        if self._bar_close_ms is not None and self._bar_close_ms >= newest:
            return newest + bar_ms + self._terms.publish_ms
        return max(newest + self._terms.publish_ms, self._tried_at_ms + self._terms.retry_ms)

    def _halt_changed(self, now_ms: int) -> bool:
        halt = halt_in_force(self._session.flag, self._session.journal, now_ms)
        return halt != self._halt

    async def _run_cycle(self, trigger: Trigger) -> CycleReport:
        session = self._session
        async with self._one_at_a_time:
            self._tried_at_ms = self._clock.now_ms()
            last, before, halted = self._last, self._account, self._halt
            self._halt = halt_in_force(session.flag, session.journal, self._tried_at_ms)
            report = await session.cycle.run(trigger)
            self._halt = session.journal.halt()
            self._note(report)
            closed = self._memory.refresh()
            account = None if before is None else before.account
            for news in news_of(report, last, account, closed, halted, self._halt):
                self._tell(news)
        return report

    def _note(self, report: CycleReport) -> None:
        counts = self._counts
        failed = counts.failed + (report.error is not None)
        self._counts = CycleCounts(counts.cycles + 1, failed, counts.sent + report.sent)
        self._last = report
        if report.account is not None:
            self._account = report
            bar_ms = self._session.cycle_terms.settings.barriers.bar_ms
            self._memory.mark(report.account.at_ms, report.account.equity, bar_ms)
        if report.decision is not None:
            self._bar_close_ms = int(report.decision.facts.bar_close_ms)
        elif report.observed_bar_ms is not None:
            self._bar_close_ms = report.observed_bar_ms

    async def _wake_when(self, asked: asyncio.Event) -> None:
        await asked.wait()
        self._woken.set()

    def _on_lease_trouble(self, error: LeaseStoreError) -> None:
        session = self._session
        session.journal.append(
            session.writer, self._clock.now_ms(), Incident(Severity.WARNING, "lease_store", str(error))
        )
        self._tell(IncidentNews(Severity.WARNING, "lease_store", str(error)))

    def _began(self) -> News:
        session = self._session
        return SessionBegan(
            session.writer.session_id, session.lineage.model_version, session.cycle_terms.funding_stage, self._equity()
        )

    def _equity(self) -> Jpy:
        seen = self._account
        if seen is not None and seen.account is not None:
            return seen.account.equity
        ledger = self._session.journal.ledger()
        return Jpy(0) if ledger is None else ledger.balance

    def _tell(self, news: News) -> None:
        self._session.notifier.notify(Notice(news, self._clock.now_ms(), self._terms.environment))


def _seen(report: CycleReport) -> CycleSeen:
    return CycleSeen(
        report.cycle_id, report.trigger, report.started_at_ms, report.ended_at_ms, report.sent, report.error
    )
