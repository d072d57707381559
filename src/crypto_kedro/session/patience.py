"""Waiting out an exchange that does not answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from crypto_kedro.exchange.port import RetryLaterError, RetryNowError

T = TypeVar("T")

_log = logging.getLogger(__name__)

_PAUSE_S = 2.0


async def once_it_answers(ask: Callable[[], Awaitable[T]], pause_s: float = _PAUSE_S) -> T:
    """Ask again, after a pause, until the exchange answers: a trader that starts in a maintenance waits for its end.

    Args:
        ask: may be repeated.
        pause_s: between two attempts.

    Raises:
        ExchangeError: it will not answer however often it is asked.
    """
    while True:
        try:
            return await ask()
        except (RetryLaterError, RetryNowError) as error:
            _log.warning("%s", error)
            await asyncio.sleep(pause_s)
