"""What a journal's entries amount to, folded one by one: open intents, the halt in force, the account's history."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from crypto_kedro.session.journal.account_history import HISTORY, AccountHistory
from crypto_kedro.session.journal.entry import Entry, HaltInForce, OpenIntent
from crypto_kedro.session.journal.records import (
    Answered,
    FillSeen,
    Halted,
    Intended,
    JournalError,
    Record,
    Resumed,
    SessionStarted,
)
from crypto_kedro.trading.ledger import TradeLedger
from crypto_kedro.trading.orders import Fill

REMEMBERED: tuple[type[Record], ...] = (*HISTORY, SessionStarted, Intended, Answered, Halted, Resumed)
"""Kinds of records that a `JournalMemory` takes in; the others tell it nothing."""


class JournalMemory:
    """The sum of a journal so far.

    Attributes:
        halt: in force now.
        fills_ms: execution time of each fill by its trade id, Unix milliseconds UTC.
    """

    __slots__ = ("_history", "_intents", "_open", "_sessions", "fills_ms", "halt")

    def __init__(self) -> None:
        self.halt: HaltInForce | None = None
        self.fills_ms: dict[int, int] = {}
        self._sessions: set[str] = set()
        self._intents: set[str] = set()
        self._open: dict[str, OpenIntent] = {}
        self._history = AccountHistory()

    def take(self, entry: Entry[Record]) -> None:
        """Fold one more entry.

        Raises:
            JournalError: it contradicts the entries before it; the memory is spoilt.
        """
        record = entry.record
        if isinstance(record, Intended):
            self._intend(entry, record)
        elif isinstance(record, Answered):
            self._answer(record)
        elif isinstance(record, Halted):
            self._halt(entry.at_ms, record)
        elif isinstance(record, Resumed):
            self.halt = None
        elif isinstance(record, SessionStarted):
            self._begin(entry, record)
        elif isinstance(record, HISTORY):
            if isinstance(record, FillSeen):
                self._see(record.fill)
            self._history.take(entry)

    def unanswered(self) -> tuple[OpenIntent, ...]:
        """Return the intents without a final answer, oldest first."""
        return tuple(self._open.values())

    def ledger(self, everything: Callable[[], Iterable[Entry[Record]]]) -> TradeLedger | None:
        """Return the account's history, see `AccountHistory.ledger`."""
        return self._history.ledger(everything)

    def _begin(self, entry: Entry[Record], started: SessionStarted) -> None:
        if entry.session_id in self._sessions:
            raise JournalError(
                f"journal: session {entry.session_id} has begun already; give each start an id of its own"
            )
        self._sessions.add(entry.session_id)
        self._history.begin(entry.at_ms, started.capital)

    def _intend(self, entry: Entry[Record], intent: Intended) -> None:
        if intent.intent_id in self._intents:
            raise JournalError(
                f"journal: intent {intent.intent_id} is written down already; give each an id of its own"
            )
        self._intents.add(intent.intent_id)
        self._open[intent.intent_id] = OpenIntent(entry.at_ms, entry.session_id, intent, None)

    def _answer(self, answer: Answered) -> None:
        intent = self._open.get(answer.intent_id)
        if intent is None:
            raise JournalError(
                f"journal: intent {answer.intent_id} awaits no answer; write down the intent, and its final answer once"
            )
        if answer.outcome.is_final:
            del self._open[answer.intent_id]
        else:
            self._open[answer.intent_id] = replace(intent, answer=answer)

    def _halt(self, at_ms: int, halted: Halted) -> None:
        before = self.halt
        flatten = halted.flatten or (before is not None and before.flatten)
        self.halt = HaltInForce(halted.by, halted.reason, flatten, before.since_ms if before else at_ms)

    def _see(self, fill: Fill) -> None:
        if fill.trade_id in self.fills_ms:
            raise JournalError(f"journal: fill {fill.trade_id} is written down already; write down each fill once")
        self.fills_ms[fill.trade_id] = fill.executed_at_ms
