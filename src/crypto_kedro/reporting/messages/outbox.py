"""News that waits to be told: gathered into batches, the same news once, the least urgent dropped from a full queue.

No clock and no network: the caller brings the time, in seconds of any clock that never goes back.
"""

import math
from dataclasses import dataclass

from crypto_kedro.reporting.messages.settings import DeliverySettings
from crypto_kedro.session.notice import Notice, Severity

BATCH = 10
"""News in one message, as many as Discord shows."""

_RepeatKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Telling:
    """One notice as it is told.

    Args:
        notice: the latest of its kind.
        times: how often it was seen since it was last told.
        since_ms: moment of the first of them, Unix milliseconds UTC.
    """

    notice: Notice
    times: int
    since_ms: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What goes into one message.

    Args:
        tellings: oldest first, at most `BATCH`.
        lost: notices before these that will never be told.
    """

    tellings: tuple[Telling, ...]
    lost: int

    @property
    def severity(self) -> Severity:
        """The most urgent of them."""
        return max((telling.notice.severity for telling in self.tellings), key=lambda severity: severity.rank)


@dataclass(slots=True)
class _Repeat:
    """News that was told a while ago, and what has been seen of it since."""

    until_s: float
    times: int = 0
    since_ms: int = 0
    latest: Notice | None = None


@dataclass(frozen=True, slots=True)
class _Waiting:
    telling: Telling
    due_s: float


class Outbox:
    """News of one channel that waits.

    Args:
        settings: how long to gather, how long the same news is only counted, how much may wait.
    """

    def __init__(self, settings: DeliverySettings) -> None:
        self._settings = settings
        self._waiting: list[_Waiting] = []
        self._repeats: dict[_RepeatKey, _Repeat] = {}
        self._lost = 0

    def put(self, notice: Notice, now_s: float) -> None:
        """Take a notice in; one that was told a short while ago is only counted."""
        self._release(now_s)
        if notice.news.repeats is not None:
            key = (notice.code, notice.news.repeats)
            told = self._repeats.get(key)
            if told is not None:
                told.since_ms = told.since_ms if told.times else notice.at_ms
                told.times += 1
                told.latest = notice
                return
            self._repeats[key] = _Repeat(now_s + self._settings.repeat_s)
        self._enqueue(Telling(notice, 1, notice.at_ms), now_s)

    def due_s(self) -> float | None:
        """Return when there is something to tell, None while there is nothing."""
        moments = [waiting.due_s for waiting in self._waiting]
        moments += [repeat.until_s for repeat in self._repeats.values() if repeat.times]
        return min(moments, default=None)

    def take(self, now_s: float) -> Batch | None:
        """Take the next batch out; None while nothing is due."""
        self._release(now_s)
        if not any(waiting.due_s <= now_s for waiting in self._waiting):
            return None
        return self._pop()

    def take_all(self) -> tuple[Batch, ...]:
        """Take out everything, due or not, and what was only counted so far."""
        for repeat in self._repeats.values():
            if repeat.latest is not None:
                self._enqueue(Telling(repeat.latest, repeat.times, repeat.since_ms), -math.inf)
        self._repeats.clear()
        batches = []
        while self._waiting:
            batches.append(self._pop())
        return tuple(batches)

    def give_back(self, batch: Batch) -> None:
        """Put a batch back to the front, due at once."""
        self._waiting[:0] = [_Waiting(telling, -math.inf) for telling in batch.tellings]
        self._lost += batch.lost

    def lose(self, batch: Batch) -> None:
        """Count a batch that could not be delivered, so that the next message says so."""
        self._lost += batch.lost + len(batch.tellings)

    def _pop(self) -> Batch:
        chosen, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        batch = Batch(tuple(waiting.telling for waiting in chosen), self._lost)
        self._lost = 0
        return batch

    def _release(self, now_s: float) -> None:
        """End the counting of news whose time is over; what was counted is told, and counted again from here."""
        for key, repeat in list(self._repeats.items()):
            if repeat.until_s > now_s:
                continue
            if repeat.latest is None:
                del self._repeats[key]
                continue
            self._repeats[key] = _Repeat(now_s + self._settings.repeat_s)
            self._enqueue(Telling(repeat.latest, repeat.times, repeat.since_ms), now_s)

    def _enqueue(self, telling: Telling, now_s: float) -> None:
        wait_s = 0.0 if telling.notice.severity is Severity.CRITICAL else self._settings.gather_s
        self._waiting.append(_Waiting(telling, now_s + wait_s))
        if len(self._waiting) > self._settings.queue:
            ranks = [waiting.telling.notice.severity.rank for waiting in self._waiting]
            del self._waiting[ranks.index(min(ranks))]
            self._lost += 1
