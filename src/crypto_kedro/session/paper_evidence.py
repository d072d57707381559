"""What a model has shown on paper, read from the journal of the paper account."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from typing import Self

from msgspec.structs import replace

from crypto_kedro.market.bars import DAY_MS, HOUR_MS
from crypto_kedro.session.journal import Entry, Journal
from crypto_kedro.session.journal.account_history import HISTORY, AccountHistory, history_event
from crypto_kedro.session.journal.records import CycleStarted, DrawdownCleared, Record, SessionStarted
from crypto_kedro.trading.ledger import TradeLedger
from crypto_kedro.trading.settings import TradingSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperRule:
    """What paper trading must have shown before a capital stage is traded with real money.

    Args:
        stage: the capital stage, from 1.
        min_days: days at work on paper.
        min_trades: closed paper trades.
        max_drawdown: the deepest paper drawdown must be below it.
    """

    stage: int
    min_days: int
    min_trades: int
    max_drawdown: float


@dataclass(frozen=True, slots=True)
class Traded:
    """What decides which orders are sent.

    Args:
        bundle_digest: of the model.
        settings: of the decision core.
        limit_target: whether the target rests as a limit order.
    """

    bundle_digest: str
    settings: TradingSettings
    limit_target: bool

    @classmethod
    def by(cls, session: SessionStarted) -> Self:
        """Return what a session traded."""
        return cls(session.lineage.bundle_digest, session.settings, session.limit_target)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperEvidence:
    """What one model has shown by one choice of settings, until another model or other settings followed.

    Args:
        days: hours in which it decided something, as days; hours in which no session ran are none.
        closed_trades: trades that ended meanwhile, but for those that another model had opened.
        deepest_drawdown: largest fall from a peak within that time, as a fraction of the peak. That a human allowed
            trading again after a drawdown does not lessen it.
    """

    days: float
    closed_trades: int
    deepest_drawdown: float

    @classmethod
    def of(cls, journal: Journal, traded: Traded) -> "PaperEvidence | None":
        """Return what a model has shown by the settings that it would trade by, None when it never traded by them.

        Args:
            journal: of the paper account.
            traded: the model and its settings.

        Raises:
            JournalError, LedgerError: the journal cannot be read, or its fills do not add up.
        """
        span = _last_span(journal.entries(SessionStarted), traded)
        if span is None:
            return None
        first, end = span
        within = tuple(_before(journal.entries(CycleStarted, *HISTORY, after=first.seq), end))
        hours = {entry.at_ms // HOUR_MS for entry in within if isinstance(entry.record, CycleStarted)}
        ledger = _ledger_at(journal, first)
        inherited = (ledger.long is not None) + (ledger.short is not None)
        for _, event in sorted(map(history_event, filter(_counts, within))):
            ledger = ledger.after(event)
        return cls(
            days=len(hours) * HOUR_MS / DAY_MS,
            closed_trades=max(0, ledger.closed_trades - inherited),
            deepest_drawdown=ledger.deepest_drawdown,
        )


def _last_span(
    sessions: Iterable[Entry[SessionStarted]], traded: Traded
) -> tuple[Entry[SessionStarted], int | None] | None:
    """Return the first session of a model's last unbroken series, and the number of the entry that broke it off."""
    first: Entry[SessionStarted] | None = None
    end: int | None = None
    before: Traded | None = None
    for session in sessions:
        now = Traded.by(session.record)
        if now == traded and before != traded:
            first, end = session, None
        elif now != traded and before == traded:
            end = session.seq
        before = now
    return None if first is None else (first, end)


def _before(entries: Iterable[Entry[Record]], end: int | None) -> Iterable[Entry[Record]]:
    return entries if end is None else takewhile(lambda entry: entry.seq < end, entries)


def _counts(entry: Entry[Record]) -> bool:
    return isinstance(entry.record, HISTORY) and not isinstance(entry.record, DrawdownCleared)


def _ledger_at(journal: Journal, first: Entry[SessionStarted]) -> TradeLedger:
    """Return the account as a model took it over, its open trades included, with nothing shown yet."""
    history = AccountHistory()
    for entry in _before(journal.entries(SessionStarted, *HISTORY), first.seq):
        if isinstance(entry.record, SessionStarted):
            history.begin(entry.at_ms, entry.record.capital)
        else:
            history.take(entry)
    # Everything has been taken before the ledger is asked for, so nothing is asked for twice.
    ledger = history.ledger(tuple) or TradeLedger.start(first.at_ms, first.record.capital)
    return replace(
        ledger, peak=ledger.balance, deepest_drawdown=0.0, closed_trades=0, last_event_ms=0, last_trade_id=-1
    )
