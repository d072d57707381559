"""Deciding again: the core over what a session observed, compared with what it decided then, byte for byte."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from crypto_kedro.errors import LineageError
from crypto_kedro.session.journal.encoding import encode_record
from crypto_kedro.session.journal.entry import Entry, Head
from crypto_kedro.session.journal.records import Decided, Observed, SessionStarted
from crypto_kedro.session.journal.store import Journal
from crypto_kedro.trading.decide import decide
from crypto_kedro.trading.observation import Observation
from crypto_kedro.trading.settings import TradingSettings


@dataclass(frozen=True, slots=True)
class Difference:
    """A decision that the core does not take again.

    Args:
        seq: entry of the decision in the journal.
        cycle_id: of its cycle.
        what: the first thing that differs, with both values, or why it cannot be compared.
    """

    seq: int
    cycle_id: str
    what: str


@dataclass(frozen=True, slots=True)
class SessionReplay:
    """What came of replaying one session.

    Args:
        session_id: of the session.
        decisions: how many were taken again.
        differences: those that are not the same.
        undecided: cycles that observed and were broken off before they wrote down a decision.
    """

    session_id: str
    decisions: int
    differences: tuple[Difference, ...]
    undecided: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Whether every decision that is written down was taken again."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of replaying a journal: its verified head, and each session, the oldest first."""

    head: Head
    sessions: tuple[SessionReplay, ...]

    @property
    def is_same(self) -> bool:
        """Whether all sessions are."""
        return all(session.is_same for session in self.sessions)


def replay(journal: Journal, session_id: str | None = None) -> Replay:
    """Verify a journal, and let the core decide again what it decided in a session, with the session's settings.

    Args:
        journal: of the session.
        session_id: of the session; None replays all of them.

    Raises:
        JournalError: the journal was altered or cannot be read.
        LineageError: the session is not in the journal, or the journal holds none.
    """
    head = journal.verify()
    starts = {entry.session_id: entry for entry in journal.entries(SessionStarted)}
    if session_id is not None and session_id not in starts:
        raise LineageError(
            f"journal {journal.path}: there is no session {session_id}; there are {', '.join(starts) or 'none'}"
        )
    if not starts:
        raise LineageError(f"journal {journal.path}: no session has begun yet; there is nothing to replay")
    chosen = starts if session_id is None else {session_id: starts[session_id]}
    return Replay(head, tuple(_replayed(journal, start) for start in chosen.values()))


def _replayed(journal: Journal, start: Entry[SessionStarted]) -> SessionReplay:
    settings, session_id = start.record.settings, start.session_id
    observed: dict[str, Observation] = {}
    undecided: list[str] = []
    differences: list[Difference] = []
    decisions = 0
    for entry in journal.entries(Observed, Decided, session_id=session_id):
        record = entry.record
        if isinstance(record, Observed):
            if record.cycle_id in observed:
                undecided.append(record.cycle_id)
            observed[record.cycle_id] = record.observation
            continue
        assert isinstance(record, Decided)
        decisions += 1
        what = _difference(settings, observed.pop(record.cycle_id, None), record)
        if what is not None:
            differences.append(Difference(entry.seq, record.cycle_id, what))
    return SessionReplay(session_id, decisions, tuple(differences), (*undecided, *observed))


def _difference(settings: TradingSettings, observation: Observation | None, decided: Decided) -> str | None:
    """Return how the decision taken again differs from the one written down, None if it does not."""
    if observation is None:
        return "there is no observation before it"
    again = Decided(decided.cycle_id, decide(settings, observation).as_dict())
    before, after = encode_record(decided), encode_record(again)
    return None if before == after else next(_differing("", decided.record, again.record))


def _differing(place: str, before: Any, after: Any) -> Iterator[str]:
    """Yield what differs between two JSON values that are written differently, in the order of their keys."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _differing(f"{place}.{key}" if place else key, before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list):
        for number, pair in enumerate(zip_longest(before, after)):
            yield from _differing(f"{place}[{number}]", *pair)
    elif repr(before) != repr(after):
        yield f"{place} was {before!r} and is {after!r}"
