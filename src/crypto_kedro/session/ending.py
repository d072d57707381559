"""The end of a session: who asks for it, and the reason that the journal and the channels give."""

import asyncio
from enum import StrEnum


class EndReason(StrEnum):
    """Why a session ended; the value is what the journal holds."""

    ASKED = "asked to end"
    TIME_OVER = "session.minutes are over"
    ONE_CYCLE = "one cycle was asked for"
    TICK_OVER = "the tick is over"
    BROKEN_OFF = "broken off, to end in time"
    EXCHANGE_FAILED = "the exchange of the session failed"
    FAULT = "ended by a fault"


class EndRequest(asyncio.Event):
    """Is set when the work has to end, and keeps the first reason.

    Args:
        reason: unless `ask` gives one.
    """

    def __init__(self, reason: EndReason = EndReason.ASKED) -> None:
        super().__init__()
        self.reason = reason

    def ask(self, reason: EndReason) -> None:
        """Ask for the end; a later request changes nothing."""
        if not self.is_set():
            self.reason = reason
            self.set()
