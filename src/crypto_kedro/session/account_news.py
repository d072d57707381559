"""Listening to what the exchange tells of the account, as long as it tells anything."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from crypto_kedro.exchange.port import ExchangeError

_log = logging.getLogger(__name__)

NewsSource = Callable[[], AsyncIterator[frozenset[str]]]
"""Gives the names of what has happened to the account, such as ``spot_trade``; it reconnects by itself."""


@asynccontextmanager
async def listening(source: NewsSource | None, wake: Callable[[], None]) -> AsyncIterator[None]:
    """Call ``wake`` whenever there is news, while the context is open.

    News only says that it is time to read the account. A source that ends or fails is not missed: the account is
    read at its times all the same.

    Args:
        source: of the news; None is none.
        wake: is called on the same event loop and returns at once.
    """
    if source is None:
        yield
        return
    hearing = asyncio.create_task(_hear(source, wake))
    hearing.add_done_callback(_say_how_it_ended)
    try:
        yield
    finally:
        hearing.cancel()
        await asyncio.wait({hearing})


async def _hear(source: NewsSource, wake: Callable[[], None]) -> None:
    try:
        async for _ in source():
            wake()
    except ExchangeError as error:
        _log.warning("The exchange's stream has ended (%s); the account is read at its times without it", error)


def _say_how_it_ended(hearing: "asyncio.Task[None]") -> None:
    if not hearing.cancelled() and hearing.exception() is not None:
        _log.critical("The exchange's stream broke down; the session goes on without it", exc_info=hearing.exception())
