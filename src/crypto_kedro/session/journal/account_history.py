"""The account's history as the journal's entries tell it, in the order in which things happened."""

from collections.abc import Callable, Iterable

from crypto_kedro.session.journal.entry import Entry
from crypto_kedro.session.journal.records import (
    DrawdownCleared,
    EquityMarked,
    FillSeen,
    JournalError,
    MoneyMoved,
    Record,
)
from crypto_kedro.trading.ledger import DrawdownReset, LedgerEvent, TradeLedger
from crypto_kedro.trading.money import Jpy

HISTORY: tuple[type[Record], ...] = (FillSeen, EquityMarked, MoneyMoved, DrawdownCleared)
"""Kinds of records that the history consists of, after the first `SessionStarted`."""

Moment = tuple[int, bool, int, int]
"""Place of an event: its moment, then fills before the rest, then by the id of the trade and of the entry."""


class AccountHistory:
    """Folds entries into the `TradeLedger`, whatever the order in which they were written down.

    A fill may become known after something later was written down, and clocks are set back; the ledger is that of the
    events in the order of their own moments, so that a restart gives the same one.
    """

    __slots__ = ("_begin", "_last", "_ledger", "_new")

    def __init__(self) -> None:
        self._begin: tuple[int, Jpy] | None = None
        self._ledger: TradeLedger | None = None
        self._last: Moment | None = None
        self._new: list[tuple[Moment, LedgerEvent]] = []

    def begin(self, at_ms: int, capital: Jpy) -> None:
        """Take the start of a session and what the account was worth; only the first one begins the history."""
        self._begin = self._begin or (at_ms, capital)

    def take(self, entry: Entry[Record]) -> None:
        """Take one entry of a kind in `HISTORY`.

        Raises:
            JournalError: no session has begun.
        """
        if self._begin is None:
            raise JournalError(
                f"journal: a record of kind {entry.record.kind()} comes before any session; begin a session first"
            )
        self._new.append(history_event(entry))

    def ledger(self, everything: Callable[[], Iterable[Entry[Record]]]) -> TradeLedger | None:
        """Return the ledger of all events taken; None before the first session.

        Args:
            everything: gives the entries of the kinds in `HISTORY` from the first on; asked only when a new event
                belongs before one that has been folded.

        Raises:
            LedgerError: the events do not add up.
        """
        if self._begin is None:
            return None
        new = sorted(self._new)
        ledger = self._ledger
        if ledger is not None and new and new[0][0] <= (self._last or _start_of(ledger)):
            new, ledger = sorted(map(history_event, everything())), None
        if ledger is None:
            # The exchange's clock may be behind the one that dated the start.
            at_ms, capital = self._begin
            ledger = TradeLedger.start(min(at_ms, new[0][0][0]) if new else at_ms, capital)
        for _, event in new:
            ledger = ledger.after(event)
        self._ledger = ledger
        self._last = new[-1][0] if new else self._last
        self._new = []
        return ledger


def _start_of(ledger: TradeLedger) -> Moment:
    """Return the place before every event that happened since a ledger began."""
    return ledger.started_at_ms, False, -1, -1


def history_event(entry: Entry[Record]) -> tuple[Moment, LedgerEvent]:
    """Return an entry of a kind in `HISTORY` as an event of the ledger, with its place among the others.

    Raises:
        JournalError: it is of another kind.
    """
    match entry.record:
        case FillSeen(fill):
            return (fill.executed_at_ms, False, fill.trade_id, entry.seq), fill
        case EquityMarked(point):
            return (point.at_ms, True, 0, entry.seq), point
        case MoneyMoved(transfer):
            return (transfer.at_ms, True, 0, entry.seq), transfer
        case DrawdownCleared():
            return (entry.at_ms, True, 0, entry.seq), DrawdownReset(entry.at_ms)
        case other:
            raise JournalError(f"journal: a record of kind {other.kind()} is no event of the account's history")
