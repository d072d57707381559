"""When a trader runs its next cycle: at each closed bar, in between to protect, at news from the exchange, or asked."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.session.clock import SessionClock
from crypto_kedro.session.journal.records import Trigger

_LENGTHS = ("protect_every_ms", "publish_ms", "retry_ms", "stream_pause_ms")
_MOST_DOUBLINGS = 10


class Mode(StrEnum):
    """How a trader works.

    Attributes:
        LOOP: at each closed bar, in between to protect, and when the exchange tells something.
        TICK: one cycle each time it is asked to, until it is asked to end.
        ONCE: one cycle.
    """

    LOOP = "loop"
    TICK = "tick"
    ONCE = "once"


@dataclass(frozen=True, slots=True, kw_only=True)
class TraderTerms:
    """How a trader goes about its work; lengths in milliseconds of the session's clock.

    Args:
        environment: ``paper`` or ``live``.
        protect_every_ms: pause after which protections are looked after when nothing else happens.
        publish_ms: time after its close at which a bar is first looked for.
        retry_ms: pause before a bar that was not published yet is looked for again. It doubles with each cycle that
            the exchange breaks off or that leaves a position without a stop or an order without an answer, up to
            ``protect_every_ms``, and is the pause after such cycles.
        stream_pause_ms: least pause between the end of a cycle and one that the exchange's stream asks for.

    Raises:
        ConfigurationError: a length is not positive.
    """

    environment: str
    protect_every_ms: int = 30_000
    publish_ms: int = 500
    retry_ms: int = 1_000
    stream_pause_ms: int = 250

    def __post_init__(self) -> None:
        for name in _LENGTHS:
            if getattr(self, name) < 1:
                raise ConfigurationError(f"session: {name} is {getattr(self, name)}; it must be at least 1")


class Waking:
    """Reckons when the next cycle is due, and waits for it.

    Whatever the stream tells before a cycle begins is one wish for a cycle. A stream that falls silent changes
    nothing but the moment: bars and protections are looked after as if there were none.

    Args:
        terms: the pauses.
        bar_ms: length of a decision bar.
        clock: the session's clock.

    Attributes:
        next_wake_ms: when the next cycle begins by itself, Unix milliseconds UTC; None before the first look.
    """

    def __init__(self, terms: TraderTerms, bar_ms: int, clock: SessionClock) -> None:
        self._terms = terms
        self._bar_ms = bar_ms
        self._clock = clock
        self._woken = asyncio.Event()
        self._has_news = False
        self._began_ms = 0
        self._ended_ms = 0
        self._unsettled = 0
        self._bar_close_ms: int | None = None
        self.next_wake_ms: int | None = None

    def hear(self) -> None:
        """Take note that the exchange told something of the account."""
        if not self._has_news:
            self._has_news = True
            self._woken.set()

    def look_up(self) -> None:
        """End the present wait, because something else is to be looked at."""
        self._woken.set()

    def begin(self) -> None:
        """Take note that a cycle begins, which reads all that was told so far."""
        self._has_news = False
        self._began_ms = self._clock.now_ms()

    def end(self, bar_close_ms: int | None, *, is_settled: bool) -> None:
        """Take note that a cycle is over.

        Args:
            bar_close_ms: close of the newest bar that was observed so far; None before the first.
            is_settled: whether it came to its end and left nothing without a stop or an answer.
        """
        self._ended_ms = self._clock.now_ms()
        self._bar_close_ms = bar_close_ms
        self._unsettled = 0 if is_settled else self._unsettled + 1

    def due(self) -> Trigger | None:
        """Return what a cycle is due for now, None for nothing."""
        now_ms = self._clock.now_ms()
        if now_ms < self._began_ms:
            # The clock was set back; the pauses count from its new time.
            self._began_ms = self._ended_ms = now_ms
        pause_ms = self._retry_ms if self._unsettled else self._terms.protect_every_ms
        bar_at_ms, protect_at_ms = self._bar_at_ms(now_ms), self._began_ms + pause_ms
        self.next_wake_ms = min(bar_at_ms, protect_at_ms)
        if now_ms >= bar_at_ms:
            return Trigger.BAR
        if self._has_news and now_ms >= self._news_at_ms:
            return Trigger.STREAM
        return Trigger.PROTECTION if now_ms >= protect_at_ms else None

    async def wait(self, most_s: float) -> None:
        """Wait until something may be due, at most so many real seconds."""
        until_ms = self.next_wake_ms or 0
        if self._has_news:
            until_ms = min(until_ms, self._news_at_ms)
        await self._clock.wait(until_ms, self._woken, most_s)
        self._woken.clear()

    @property
    def _news_at_ms(self) -> int:
        return self._ended_ms + self._terms.stream_pause_ms

    def _bar_at_ms(self, now_ms: int) -> int:
        """Return when to look for the next closed bar."""
        newest = now_ms // self._bar_ms * self._bar_ms
        if self._bar_close_ms is not None and self._bar_close_ms >= newest:
            return newest + self._bar_ms + self._terms.publish_ms
        return max(newest + self._terms.publish_ms, self._began_ms + self._retry_ms)

    @property
    def _retry_ms(self) -> int:
        doubled = self._terms.retry_ms << min(self._unsettled, _MOST_DOUBLINGS)
        return max(self._terms.retry_ms, min(doubled, self._terms.protect_every_ms))
