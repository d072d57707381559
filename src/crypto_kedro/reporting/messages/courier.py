"""Delivers the news of one channel in a task of its own: spaced, tried again after growing pauses, given up in the end.

A message whose answer is lost is sent again: it may arrive twice, but it is not missed in silence.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import aiohttp

from crypto_kedro.reporting.messages.answers import Delivered, Gone, Later, Refused
from crypto_kedro.reporting.messages.body import Body, body_of
from crypto_kedro.reporting.messages.outbox import Batch, Outbox
from crypto_kedro.reporting.messages.sending import send
from crypto_kedro.reporting.messages.settings import Channel, DeliverySettings
from crypto_kedro.session.notice import IncidentSeen, Notice, Severity

_log = logging.getLogger(__name__)

UNDELIVERED = "messages_undelivered"
CHANNEL_GONE = "message_channel_gone"
_DOUBLINGS = 20

OnFailure = Callable[[IncidentSeen], None]


@dataclass(frozen=True, slots=True)
class Timing:
    """Where time and chance come from.

    Args:
        now_s: seconds of a clock that never goes back.
        sleep: waits for a number of seconds.
        chance: jitter of the pauses.
    """

    now_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Random = field(default_factory=Random)


class Courier:
    """One channel's news and their delivery.

    Args:
        channel: where they go.
        settings: how patiently.
        http: connections to use.
        on_failure: told of news that could not be delivered.
        timing: clock and chance.
    """

    def __init__(
        self,
        channel: Channel,
        settings: DeliverySettings,
        http: aiohttp.ClientSession,
        on_failure: OnFailure,
        timing: Timing,
    ) -> None:
        self._channel = channel
        self._settings = settings
        self._http = http
        self._on_failure = on_failure
        self._timing = timing
        self._outbox = Outbox(settings)
        self._news = asyncio.Event()
        self._free_at_s = 0.0
        self._gone = False

    def put(self, notice: Notice) -> None:
        """Take a notice for delivery, unless it is not urgent enough for the channel or nobody listens there."""
        if notice.severity.rank < self._channel.least.rank or self._gone:
            return
        self._outbox.put(notice, self._timing.now_s())
        self._news.set()

    async def run(self) -> None:
        """Deliver until cancelled, or until nobody listens any more."""
        while not self._gone:
            self._news.clear()
            batch = self._outbox.take(self._timing.now_s())
            if batch is None:
                await self._wait()
            else:
                await self._tell(batch)

    async def farewell(self) -> None:
        """Deliver what still waits, due or not."""
        for batch in () if self._gone else self._outbox.take_all():
            await self._tell(batch)

    async def _wait(self) -> None:
        """Wait until something is due or something new has come."""
        due_s = self._outbox.due_s()
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._news.wait())]
        if due_s is not None:
            waits.append(asyncio.ensure_future(self._sleep(due_s - self._timing.now_s())))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _sleep(self, seconds: float) -> None:
        await self._timing.sleep(max(seconds, 0.0))

    async def _tell(self, batch: Batch) -> None:
        """Deliver a batch; whatever goes wrong with it ends with it."""
        try:
            body = await asyncio.to_thread(body_of, batch, self._channel)
            failure = await self._deliver(batch, body)
        except asyncio.CancelledError:
            self._outbox.give_back(batch)
            raise
        except Exception as error:  # noqa: BLE001 -- the edge of the task: one bad message must not silence the channel
            _log.exception("messages: channel %s", self._channel.name)
            failure = f"{type(error).__name__} while it was written"
        if failure is not None:
            self._outbox.lose(batch)
            self._report(batch, failure)

    async def _deliver(self, batch: Batch, body: Body) -> str | None:
        """Send until it has arrived or is given up; return why it has not arrived."""
        give_up_s = self._timing.now_s() + self._settings.patience_s
        failures, stays_on = 0, batch.severity is Severity.CRITICAL
        while True:
            await self._sleep(self._free_at_s - self._timing.now_s())
            match await send(self._http, self._channel, body, self._settings.timeout_s):
                case Delivered(pause_s):
                    self._rest(pause_s)
                    return None
                case Refused(reason):
                    self._rest(0.0)
                    return reason
                case Gone(reason):
                    self._gone = True
                    return reason
                case Later(reason, wish_s):
                    self._rest(self._pause_s(failures, wish_s))
                    failures += 1
                    if self._free_at_s <= give_up_s:
                        continue
                    failure = f"{reason}, after {failures} attempts"
                    if not stays_on:
                        return failure
                    stays_on = False
                    give_up_s += self._settings.critical_patience_s
                    self._report(batch, f"{failure}; trying on")

    def _rest(self, pause_s: float) -> None:
        self._free_at_s = self._timing.now_s() + max(pause_s, self._settings.least_pause_s)

    def _pause_s(self, failures: int, wish_s: float | None) -> float:
        """Return the service's wish and a little more, or a random part of a pause that grows with each failure."""
        longest_s = min(self._settings.first_pause_s * 2 ** min(failures, _DOUBLINGS), self._settings.longest_pause_s)
        jitter_s = self._timing.chance.uniform(0.0, longest_s)
        return jitter_s if wish_s is None else wish_s + min(jitter_s, self._settings.first_pause_s)

    def _report(self, batch: Batch, reason: str) -> None:
        name, count = self._channel.name, len(batch.tellings)
        if self._gone:
            incident = IncidentSeen(
                Severity.CRITICAL,
                CHANNEL_GONE,
                f"messages: channel {name} takes no messages any more ({reason}); create a new webhook, put its "
                f"address into {self._channel.address.variable} and start again",
            )
        else:
            incident = IncidentSeen(
                Severity.WARNING, UNDELIVERED, f"messages: channel {name} did not take {count} messages ({reason})"
            )
        _log.error("%s", incident.text)
        # Called by the loop, which logs what the callback raises, so that it cannot end the delivery.
        asyncio.get_running_loop().call_soon(self._on_failure, incident)
