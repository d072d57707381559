"""What a session did, as its journal tells: bars decided, orders sent, fills, and what stood in the way."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from crypto_kedro.errors import LineageError
from crypto_kedro.session.journal import Entry, Journal
from crypto_kedro.session.journal.records import (
    Answered,
    CycleEnded,
    Decided,
    FillSeen,
    Halted,
    Incident,
    Intended,
    MoneyMoved,
    Observed,
    Outcome,
    Record,
    Resumed,
    SessionEnded,
    SessionStarted,
)
from crypto_kedro.session.records import Purpose
from crypto_kedro.trading.ledger import Transfer
from crypto_kedro.trading.observation import Observation
from crypto_kedro.trading.orders import Fill, OrderRequest

LATEST, ALL = "latest", "all"


@dataclass(frozen=True, slots=True)
class SessionSpan:
    """One session of the period.

    Args:
        session_id: of it.
        started_at_ms: when it began, Unix milliseconds UTC.
        until_ms: when it said that it ended, or wrote its last entry.
        ended: why it ended; None when it did not say so.
        start: what it began with.
    """

    session_id: str
    started_at_ms: int
    until_ms: int
    ended: str | None
    start: SessionStarted


@dataclass(frozen=True, slots=True)
class LiveBar:
    """A decision bar as a session saw and decided it the first time.

    Args:
        close_ms: close of the bar, Unix milliseconds UTC.
        decided_at_ms: when it was decided.
        session: that decided.
        observation: what the core was shown.
        record: what it said, `Decision.as_dict`.
    """

    close_ms: int
    decided_at_ms: int
    session: SessionSpan
    observation: Observation
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LiveOrder:
    """An order that was sent, or that should have been.

    Args:
        sent_at_ms: when it was written down, right before it was sent, Unix milliseconds UTC.
        purpose, reason: why.
        request: what was asked for.
        outcome: the last word on it; unknown when there is none.
        order_id: at the exchange, None when it did not get there.
        error: why not.
    """

    sent_at_ms: int
    purpose: Purpose
    reason: str
    request: OrderRequest
    outcome: Outcome
    order_id: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Spell:
    """A while in which something stood in the way, Unix milliseconds UTC; until None is to the end."""

    since_ms: int
    until_ms: int | None
    text: str

    def overlaps(self, since_ms: int, until_ms: int) -> bool:
        """Whether any of it lies in [since, until)."""
        return self.since_ms < until_ms and (self.until_ms is None or self.until_ms > since_ms)


@dataclass(frozen=True, slots=True)
class HaltSpell:
    """A halt, from when it was written down to when trading was allowed again."""

    spell: Spell
    flatten: bool


@dataclass(frozen=True, slots=True, eq=False)
class LivePeriod:
    """Everything that the journal tells of one session, or of several in a row.

    Args:
        sessions: oldest first, at least one.
        bars: by their close, ascending.
        orders: every placement, oldest first.
        fills: own executions, oldest first.
        halts: in force at any time of the period.
        outages: whiles without an answer of the exchange.
        incidents: (moment, code, sentence), oldest first.
        moved: money that came or went.
        own_order_ids: of every order that the journal ever sent.
        written_ms: moments of all entries, ascending as written.
    """

    sessions: tuple[SessionSpan, ...]
    bars: dict[int, LiveBar]
    orders: tuple[LiveOrder, ...]
    fills: tuple[Fill, ...]
    halts: tuple[HaltSpell, ...]
    outages: tuple[Spell, ...]
    incidents: tuple[tuple[int, str, str], ...]
    moved: tuple[Transfer, ...]
    own_order_ids: frozenset[int]
    written_ms: tuple[int, ...]

    @property
    def first(self) -> SessionSpan:
        """The first session; what it began with is what the backtest is set by."""
        return self.sessions[0]

    @property
    def until_ms(self) -> int:
        """When the last session ended, Unix milliseconds UTC."""
        return max(session.until_ms for session in self.sessions)

    def session_at(self, since_ms: int, until_ms: int) -> SessionSpan | None:
        """Return a session that ran at any time in [since, until)."""
        return next((s for s in self.sessions if s.started_at_ms < until_ms and s.until_ms >= since_ms), None)

    def halt_at(self, since_ms: int, until_ms: int) -> HaltSpell | None:
        """Return a halt that was in force at any time in [since, until)."""
        return next((halt for halt in self.halts if halt.spell.overlaps(since_ms, until_ms)), None)

    def seen_at(self, close_ms: int) -> Observation | None:
        """Return what was observed of the bar that closed at a moment; None when it was not decided."""
        bar = self.bars.get(close_ms)
        return None if bar is None else bar.observation

    def wrote_in(self, since_ms: int, until_ms: int) -> bool:
        """Whether anything was written in [since, until)."""
        return any(since_ms <= at_ms < until_ms for at_ms in self.written_ms)


def read_period(journal: Journal, session: str = LATEST) -> LivePeriod:
    """Read what one or all sessions of a journal did.

    Args:
        journal: of the account.
        session: id of a session, ``latest``, or ``all`` for every session from the first on.

    Raises:
        JournalError: the journal cannot be read.
        LineageError: the session is not in it, or none has begun, or none of its bars was decided.
    """
    starts = {entry.session_id: entry for entry in journal.entries(SessionStarted)}
    if not starts:
        raise LineageError(f"journal {journal.path}: no session has begun yet; there is nothing to compare")
    if session not in (LATEST, ALL, *starts):
        raise LineageError(
            f"journal {journal.path}: there is no session {session}; monitoring.session takes {LATEST}, {ALL}, "
            f"or one of {', '.join(starts)}"
        )
    ids = tuple(starts) if session == ALL else (next(reversed(starts)) if session == LATEST else session,)
    entries = [entry for entry in journal.entries() if entry.session_id in ids]
    sessions = tuple(_span(starts[one], [e for e in entries if e.session_id == one]) for one in ids)
    answers = {entry.record.intent_id: entry.record for entry in journal.entries(Answered)}
    bars = _bars(entries, {span.session_id: span for span in sessions})
    if not bars:
        raise LineageError(
            f"journal {journal.path}: {', '.join(ids)} decided no bar; compare a session that ran past a bar's close"
        )
    return LivePeriod(
        sessions=sessions,
        bars=bars,
        orders=tuple(_orders(entries, answers)),
        fills=tuple(e.record.fill for e in entries if isinstance(e.record, FillSeen)),
        halts=tuple(_halts(journal.entries(Halted, Resumed))),
        outages=tuple(_outages(entries)),
        incidents=tuple((e.at_ms, e.record.code, e.record.text) for e in entries if isinstance(e.record, Incident)),
        moved=tuple(e.record.transfer for e in entries if isinstance(e.record, MoneyMoved)),
        own_order_ids=frozenset(
            answer.order.order_id
            for answer in answers.values()
            if answer.outcome is Outcome.PLACED and answer.order is not None
        ),
        written_ms=tuple(e.at_ms for e in entries),
    )


def _span(start: Entry[SessionStarted], entries: list[Entry[Record]]) -> SessionSpan:
    ended = next((e.record.reason for e in entries if isinstance(e.record, SessionEnded)), None)
    return SessionSpan(start.session_id, start.at_ms, max(e.at_ms for e in entries), ended, start.record)


def _bars(entries: list[Entry[Record]], sessions: dict[str, SessionSpan]) -> dict[int, LiveBar]:
    bars: dict[int, LiveBar] = {}
    observed: dict[tuple[str, str], Observation] = {}
    for entry in entries:
        record = entry.record
        if isinstance(record, Observed):
            observed[entry.session_id, record.cycle_id] = record.observation
        elif isinstance(record, Decided):
            observation = observed[entry.session_id, record.cycle_id]
            close_ms = int(observation.facts.bar_close_ms)
            bar = LiveBar(close_ms, entry.at_ms, sessions[entry.session_id], observation, record.record)
            # A bar is decided again for the sake of a protection; only the first time may open anything.
            bars.setdefault(close_ms, bar)
    return dict(sorted(bars.items()))


def _orders(entries: list[Entry[Record]], answers: dict[str, Answered]) -> Iterator[LiveOrder]:
    for entry in entries:
        intent = entry.record
        if not isinstance(intent, Intended) or intent.request is None:
            continue
        answer = answers.get(intent.intent_id)
        order = None if answer is None else answer.order
        yield LiveOrder(
            entry.at_ms,
            intent.purpose,
            intent.reason,
            intent.request,
            Outcome.UNKNOWN if answer is None else answer.outcome,
            None if order is None else order.order_id,
            None if answer is None else answer.error,
        )


def _halts(entries: Iterable[Entry[Record]]) -> Iterator[HaltSpell]:
    since: Entry[Record] | None = None
    flatten, text = False, ""
    for entry in entries:
        record = entry.record
        if isinstance(record, Halted):
            since = since or entry
            flatten = flatten or record.flatten
            text = f"halted by {record.by}: {record.reason}"
        elif since is not None:
            yield HaltSpell(Spell(since.at_ms, entry.at_ms, text), flatten)
            since, flatten = None, False
    if since is not None:
        yield HaltSpell(Spell(since.at_ms, None, text), flatten)


def _outages(entries: list[Entry[Record]]) -> Iterator[Spell]:
    """Yield whiles from a cycle that was broken off to the next decision of any bar."""
    since_ms, text = None, ""
    for entry in entries:
        record = entry.record
        if isinstance(record, Incident) and record.code in ("exchange_unreachable", "unusable_answer"):
            since_ms, text = entry.at_ms if since_ms is None else since_ms, record.text
        elif isinstance(record, CycleEnded) and record.error is not None:
            since_ms, text = entry.at_ms if since_ms is None else since_ms, record.error
        elif isinstance(record, Decided | SessionEnded) and since_ms is not None:
            yield Spell(since_ms, entry.at_ms, text)
            since_ms = None
    if since_ms is not None:
        yield Spell(since_ms, None, text)
