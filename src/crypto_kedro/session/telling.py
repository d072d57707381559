"""What a trader tells of itself: its status at any moment, its news, and its incidents, whether or not it trades."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.session.clock import SessionClock
from crypto_kedro.session.cycle import CycleReport, CycleTerms
from crypto_kedro.session.journal import HaltInForce, Journal, Writer
from crypto_kedro.session.journal.records import Incident, Lineage, Record, Resumed, Trigger
from crypto_kedro.session.news import Passage, halt_told, news_of, trouble_of
from crypto_kedro.session.notice import IncidentSeen as IncidentNews
from crypto_kedro.session.notice import News, Notice, Notifier, Severity
from crypto_kedro.session.status import AccountSeen, BarSeen, CycleCounts, CycleSeen, TraderStatus
from crypto_kedro.session.trader_memory import TraderMemory
from crypto_kedro.trading.money import Jpy

START_DELAYED = "start_delayed"
"""Incident of a session that waits for its exchange before it begins."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """Whom it is told of.

    Args:
        environment: ``paper`` or ``live``.
        lineage: of the model and the code.
        cycle_terms: how it trades.
        on_tick: whether it works only when it is asked to.
        bars: gives the decision bars that are shown.
        clock: the session's clock.
        lease_held: tells whether this process may send orders.
    """

    environment: str
    lineage: Lineage
    cycle_terms: CycleTerms
    on_tick: bool
    bars: Callable[[], tuple[BarSeen, ...]]
    clock: SessionClock
    lease_held: Callable[[], bool]


class Teller:
    """Remembers what is to be shown and tells what is new; it outlives the sessions of a trader.

    Args:
        subject: whom it is told of.
        journal: of the account.
        notifier: whom news are told.

    Attributes:
        bar_close_ms: close of the newest bar that was observed, None before the first.
        next_wake_ms: when the next cycle begins by itself, None where none does.
    """

    def __init__(self, subject: Subject, journal: Journal, notifier: Notifier) -> None:
        self._subject = subject
        self._journal = journal
        self._notifier = notifier
        self._clock = subject.clock
        self._started_at_ms = self._clock.now_ms()
        self._memory = TraderMemory(journal)
        self._halt = self._told = self._obeyed = journal.halt()
        self._counts = CycleCounts()
        self._last: CycleSeen | None = None
        self._trouble: str | None = None
        self._seen: CycleReport | None = None
        self._session_id = ""
        self._writer: Writer | None = None
        self._unwritten: list[Incident] = []
        self._noted: set[str] = set()
        self._read_up_to = journal.head.seq
        self.bar_close_ms: int | None = None
        self.next_wake_ms: int | None = None

    @property
    def obeyed(self) -> HaltInForce | None:
        """The halt that the latest cycle obeyed."""
        return self._obeyed

    @property
    def model_version(self) -> str:
        """The model's version in the registry."""
        return self._subject.lineage.model_version

    def begin(self, writer: Writer) -> None:
        """Take note that a session has begun, and write down the incidents that waited for one."""
        self._session_id, self._writer = writer.session_id, writer
        # What befell trading while no cycle ran is news to the first one.
        self._halt, self._told = self._journal.halt(), halt_told(self._journal)
        waiting, self._unwritten = self._unwritten, []
        if waiting:
            self._journal.append_or_keep(writer, self._clock.now_ms(), *waiting)

    def end(self) -> None:
        """Take note that the session is over."""
        self._writer = None

    def note(self, report: CycleReport, obeyed: HaltInForce | None) -> None:
        """Take in what a cycle came to, and tell what is news.

        Args:
            report: of the cycle.
            obeyed: the halt that was in force when it began; one that came amid it is for the next.
        """
        before, halted = self._seen, self._told
        known = {(seen.code, seen.text) for seen in self._memory.incidents}
        self._obeyed = obeyed
        self._halt = self._told = self._journal.halt()
        self._count(report)
        fills = len(self._memory.fills)
        closed, incidents = self._memory.refresh(), self._new_incidents()
        trouble = trouble_of(report, incidents)
        passage = Passage(
            report=report,
            before=None if before is None else before.account,
            fills=self._memory.fills[fills:],
            closed=closed,
            # Each session finds the same foreign fills anew.
            incidents=[news for news in incidents if (news.incident, news.text) not in known],
            trouble=trouble,
            trouble_before=self._trouble,
            halt_before=halted,
            halt=self._told,
            resumed=self._latest_resumed() if halted is not None and self._told is None else None,
        )
        for news in news_of(passage):
            self.tell(news)
        self._trouble = None if trouble is None else trouble.incident

    def note_wait(self, error: CryptoKedroError) -> None:
        """Report, once until a cycle runs, that the session waits for exchange or disk before its first cycle."""
        if self._trouble == START_DELAYED:
            return
        self._trouble = START_DELAYED
        text = f"The session begins by itself as soon as this is over: {error}"
        incident = IncidentNews(Severity.WARNING, START_DELAYED, text)
        self.note_incident(incident)
        self.note_failure(str(error))
        self.tell(incident)

    def note_failure(self, error: str) -> None:
        """Take note that no cycle could be run."""
        now_ms, counts = self._clock.now_ms(), self._counts
        self._counts = CycleCounts(counts.cycles, counts.failed + 1, counts.sent)
        self._last = CycleSeen("", Trigger.TICK, now_ms, now_ms, 0, error)

    def note_halt(self, halt: HaltInForce | None) -> None:
        """Take note of the halt that is asked for now."""
        known = self._halt
        if halt is None or known is None or replace(halt, since_ms=known.since_ms) != known:
            self._halt = halt

    def note_incident(self, incident: IncidentNews) -> None:
        """Write an incident down; between two sessions it waits for the next. Telling it is up to the caller."""
        self._noted.add(incident.incident)
        record = Incident(incident.level, incident.incident, incident.text)
        if not self.write(record):
            self._unwritten.append(record)

    def write(self, record: Record) -> bool:
        """Write a record down under the present session; return whether there is one."""
        if self._writer is None:
            return False
        self._journal.append_or_keep(self._writer, self._clock.now_ms(), record)
        return True

    def tell(self, news: News) -> None:
        """Tell news to whoever listens."""
        self._notifier.notify(Notice(news, self._clock.now_ms(), self._subject.environment))

    def equity(self) -> Jpy:
        """Return what the account was last known to be worth."""
        if self._seen is not None and self._seen.account is not None:
            return self._seen.account.equity
        ledger = self._journal.ledger()
        return Jpy(0) if ledger is None else ledger.balance

    def status(self) -> TraderStatus:
        """Return how it stands now, from memory."""
        subject, memory, now_ms = self._subject, self._memory, self._clock.now_ms()
        seen, bars = self._seen, subject.bars()
        account = None if seen is None else seen.account
        ledger = None if seen is None else seen.ledger
        return TraderStatus(
            environment=subject.environment,
            session_id=self._session_id,
            now_ms=now_ms,
            started_at_ms=self._started_at_ms,
            lineage=subject.lineage,
            funding_stage=subject.cycle_terms.funding_stage,
            guards=subject.cycle_terms.settings.guards,
            lease_held=subject.lease_held(),
            on_tick=subject.on_tick,
            halted=self._halt,
            halt_obeyed=self._halt == self._obeyed,
            counts=self._counts,
            last_cycle=self._last,
            next_wake_ms=self.next_wake_ms,
            bar_close_ms=self.bar_close_ms,
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

    def _new_incidents(self) -> list[IncidentNews]:
        """Return what the session's cycles have written down as incidents since it was last asked."""
        found = []
        for entry in self._journal.entries(Incident, session_id=self._session_id, after=self._read_up_to):
            self._read_up_to, record = entry.seq, entry.record
            if record.code not in self._noted:
                found.append(IncidentNews(record.severity, record.code, record.text))
        return found

    def _latest_resumed(self) -> Resumed:
        *_, latest = self._journal.entries(Resumed)
        return latest.record

    def _count(self, report: CycleReport) -> None:
        counts = self._counts
        failed = counts.failed + (report.error is not None)
        self._counts = CycleCounts(counts.cycles + 1, failed, counts.sent + report.sent)
        self._last = _cycle_seen(report)
        if report.account is not None:
            self._seen = report
            bar_ms = self._subject.cycle_terms.settings.barriers.bar_ms
            self._memory.mark(report.account.at_ms, report.account.equity, bar_ms)
        if report.decision is not None:
            self.bar_close_ms = int(report.decision.facts.bar_close_ms)
        elif report.observed_bar_ms is not None:
            self.bar_close_ms = report.observed_bar_ms


def _cycle_seen(report: CycleReport) -> CycleSeen:
    return CycleSeen(
        report.cycle_id,
        report.trigger,
        report.started_at_ms,
        report.ended_at_ms,
        report.sent,
        report.error,
        report.contradiction,
        report.storage,
    )
