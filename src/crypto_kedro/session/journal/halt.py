"""Halting and resuming by a human's hand, whether or not a session runs: a halt survives restarts."""

from crypto_kedro.session.journal.entry import Writer
from crypto_kedro.session.journal.records import Halted, JournalError, Resumed
from crypto_kedro.session.journal.store import Journal

HUMAN = Writer("human", None)
"""Who writes when no session does."""


def halt_trading(journal: Journal, at_ms: int, *, by: str, reason: str, flatten: bool = False) -> None:
    """Write down that nothing more may be opened.

    Args:
        journal: of the account.
        at_ms: Unix milliseconds UTC.
        by: who halts.
        reason: why.
        flatten: whether the next cycle also closes what is open.

    Raises:
        JournalError: who or why is missing, or the journal cannot be written.
    """
    _require_words(by, reason, "halt")
    journal.append(HUMAN, at_ms, Halted(by, reason, flatten))


def resume_trading(journal: Journal, at_ms: int, *, by: str, reason: str) -> None:
    """End the halt in force.

    Raises:
        JournalError: who or why is missing, nothing is halted, or the journal cannot be written.
    """
    _require_words(by, reason, "resume")
    if journal.halt() is None:
        raise JournalError(f"journal {journal.path}: trading is not halted; there is nothing to resume")
    journal.append(HUMAN, at_ms, Resumed(by, reason))


def _require_words(by: str, reason: str, act: str) -> None:
    if not by.strip() or not reason.strip():
        raise JournalError(f"{act}: say who does it and why, got by {by!r} and reason {reason!r}")
