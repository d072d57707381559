"""What a new process recalls of the decisions of those before it."""

from dataclasses import dataclass

from crypto_kedro.session.journal import Journal
from crypto_kedro.session.journal.records import Decided, Intended, Observed, SessionStarted
from crypto_kedro.session.records import Purpose
from crypto_kedro.trading.decide import decide
from crypto_kedro.trading.decision import Action, Decision
from crypto_kedro.trading.ledger import jst_day
from crypto_kedro.trading.rules import MarketRules
from crypto_kedro.trading.settings import TradingSettings

_REMEMBERED_ENTRIES = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """The last decision, and what there is to it.

    Args:
        decision: None before the first.
        rules: of the market, as the core was shown them; None before the first.
        told_at_ms: when, Unix milliseconds UTC.
        bar_ms: close of the newest bar that needs no decision any more, Unix milliseconds UTC; 0 for none.
        day: JST day of the newest decision, 0 for none.
    """

    decision: Decision | None = None
    rules: MarketRules | None = None
    told_at_ms: int = 0
    bar_ms: int = 0
    day: int = 0


def recalled(journal: Journal) -> Recalled:
    """Return the last decision of the journal, by the settings of the session that took it.

    An entry that was decided and of which no intent is written was certainly not sent: its bar counts as not decided.

    Args:
        journal: of the account.

    Raises:
        JournalError: the journal cannot be read.
    """
    last, bar_ms = None, 0
    for entry in journal.entries(Decided, after=max(journal.head.seq - _REMEMBERED_ENTRIES, 0)):
        bar_ms = max(bar_ms, int(entry.record.record["bar"]["bar_close_ms"]))
        last = entry
    if last is None:
        return Recalled()
    # What was observed stands right before it, written in the same transaction.
    observed = next(journal.entries(Observed, after=last.seq - 2)).record.observation
    decision = decide(_settings_of(journal, last.session_id), observed)
    if decision.action is Action.OPEN and not _was_intended(journal, last.seq):
        bar_ms -= 1
    return Recalled(
        decision=decision,
        rules=observed.rules,
        told_at_ms=last.at_ms,
        bar_ms=bar_ms,
        day=jst_day(last.at_ms),
    )


def _settings_of(journal: Journal, session_id: str) -> TradingSettings:
    """Return the settings that a session decided by."""
    started = (entry for entry in journal.entries(SessionStarted) if entry.session_id == session_id)
    return next(started).record.settings


def _was_intended(journal: Journal, decided_seq: int) -> bool:
    """Whether an entry was written down after a decision."""
    intents = journal.entries(Intended, after=decided_seq)
    return any(entry.record.purpose is Purpose.ENTRY and entry.record.request is not None for entry in intents)
