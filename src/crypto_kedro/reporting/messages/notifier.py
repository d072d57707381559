"""Tells all channels and the log; a session opens it once and closes it last."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp

from crypto_kedro.reporting.messages.courier import Courier, OnFailure, Timing
from crypto_kedro.reporting.messages.settings import Channel, DeliverySettings
from crypto_kedro.session.notice import LogNotifier, Notice

_log = logging.getLogger(__name__)
_SETTINGS = DeliverySettings()


class MessageNotifier:
    """Hands every notice to the log and to each channel; call it from the event loop that opened it.

    Args:
        couriers: one for each channel.
    """

    def __init__(self, couriers: Sequence[Courier]) -> None:
        self._couriers = tuple(couriers)
        self._log = LogNotifier()

    def notify(self, notice: Notice) -> None:
        """Take a notice for delivery; returns at once and never raises."""
        self._log.notify(notice)
        for courier in self._couriers:
            courier.put(notice)


@asynccontextmanager
async def open_notifier(
    channels: Sequence[Channel],
    on_failure: OnFailure,
    settings: DeliverySettings = _SETTINGS,
    timing: Timing | None = None,
) -> AsyncIterator[MessageNotifier]:
    """Open the channels, and deliver what is left when they are closed, for a few seconds at most.

    Args:
        channels: where messages go; without any, the log alone is told.
        on_failure: told of news that could not be delivered.
        settings: how patient the delivery is.
        timing: clock and chance; real ones by default.
    """
    async with aiohttp.ClientSession() as http:
        couriers = [Courier(channel, settings, http, on_failure, timing or Timing()) for channel in channels]
        tasks = [asyncio.create_task(courier.run()) for courier in couriers]
        for task in tasks:
            task.add_done_callback(_say_how_it_ended)
        try:
            yield MessageNotifier(couriers)
        finally:
            await _close(couriers, tasks, settings.farewell_s)


def _say_how_it_ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.critical("messages: the delivery of a channel broke down", exc_info=task.exception())


async def _close(couriers: Sequence[Courier], tasks: Sequence[asyncio.Task[None]], farewell_s: float) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    try:
        async with asyncio.timeout(farewell_s):
            await asyncio.gather(*(courier.farewell() for courier in couriers))
    except TimeoutError:
        _log.warning("messages: closed after %s seconds with messages undelivered; the log has them", farewell_s)
