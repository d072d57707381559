"""Telling each JST day once it is over, without holding up a cycle."""

import asyncio
import logging

from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.session.clock import SessionClock
from crypto_kedro.session.day_digest import day_of_journal
from crypto_kedro.session.journal import Journal
from crypto_kedro.session.journal.records import CycleEnded, DayTold, SessionStarted
from crypto_kedro.session.notice import IncidentSeen, Severity
from crypto_kedro.session.telling import Teller
from crypto_kedro.trading.ledger import jst_day

_log = logging.getLogger(__name__)

FAILED = "day_digest_failed"
_LATE_ENTRIES = 10_000


class DayWatch:
    """Sees to it that the figures of each day with a session are told once.

    The journal remembers what was told. A day that ended while no session ran is told by the next one; of several
    such days only the latest, as the others have long been history.

    Args:
        journal: of the account.
        teller: tells them.
        clock: the session's clock.
    """

    def __init__(self, journal: Journal, teller: Teller, clock: SessionClock) -> None:
        self._journal = journal
        self._teller = teller
        self._clock = clock
        self._told = max((entry.record.day for entry in journal.entries(DayTold)), default=0)
        today = jst_day(clock.now_ms())
        latest = self._latest_before(today)
        self._traded = latest if latest > self._told else today
        self._telling: asyncio.Task[None] | None = None

    def look(self) -> None:
        """Begin to tell the latest day if it is over; returns at once."""
        today = jst_day(self._clock.now_ms())
        if self._telling is None and self._told < self._traded < today:
            self._telling = asyncio.create_task(self._tell(self._traded))
            self._telling.add_done_callback(_say_how_it_ended)
        if self._telling is None:
            # A clock that was set back begins no day anew.
            self._traded = max(self._traded, today)

    async def finish(self) -> None:
        """Wait until what is being told has been told."""
        if self._telling is not None:
            await asyncio.wait({self._telling})

    async def close(self) -> None:
        """Break off what is being told; the next session tells it."""
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.wait({self._telling})

    async def _tell(self, day: int) -> None:
        try:
            figures = await asyncio.to_thread(day_of_journal, self._journal.path, day)
        except CryptoKedroError as error:
            incident = IncidentSeen(Severity.WARNING, FAILED, f"the day's digest failed: {error}")
            self._teller.note_incident(incident)
            self._teller.tell(incident)
        else:
            if self._teller.write(DayTold(day)):
                self._teller.tell(figures)
        self._told = day
        self._telling = None

    def _latest_before(self, today: int) -> int:
        """Return the latest day before today on which a session did anything, 0 without one."""
        after = max(self._journal.head.seq - _LATE_ENTRIES, 0)
        entries = self._journal.entries(SessionStarted, CycleEnded, after=after)
        return max((day for day in (jst_day(entry.at_ms) for entry in entries) if day < today), default=0)


def _say_how_it_ended(telling: "asyncio.Task[None]") -> None:
    if not telling.cancelled() and telling.exception() is not None:
        _log.critical("The day's digest broke down", exc_info=telling.exception())
