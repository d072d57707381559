"""What a trader writes down before, while and after it trades, so that a restart, a replay or a human can read it."""

from crypto_kedro.session.journal.entry import Entry, HaltInForce, Head, OpenIntent, Writer
from crypto_kedro.session.journal.records import JournalError
from crypto_kedro.session.journal.store import Journal, JournalStorageError, OutdatedFenceError
from crypto_kedro.session.journal.verification import AlteredJournalError

__all__ = [
    "AlteredJournalError",
    "Entry",
    "HaltInForce",
    "Head",
    "Journal",
    "JournalError",
    "JournalStorageError",
    "OpenIntent",
    "OutdatedFenceError",
    "Writer",
]
