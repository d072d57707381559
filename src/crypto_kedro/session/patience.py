"""Waiting out an exchange that does not answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from crypto_kedro.exchange.port import ExchangeError, RefusedError, RetryLaterError, RetryNowError
from crypto_kedro.exchange.retry import GrowingPauses

T = TypeVar("T")

_log = logging.getLogger(__name__)


def _pass_over(_: ExchangeError) -> None:
    """Report nothing."""


async def once_it_answers(
    ask: Callable[[], Awaitable[T]],
    on_wait: Callable[[ExchangeError], None] = _pass_over,
    pauses: GrowingPauses | None = None,
) -> T:
    """Ask again after growing pauses until the exchange answers: a trader that starts in an outage waits for its end.

    Each failure is logged, so the log follows the same pauses. A cancelled wait ends at once.

    Args:
        ask: may be repeated.
        on_wait: is called with each failure.
        pauses: between two attempts; None takes new ones of 1 to 60 s.

    Raises:
        StopTradingError, BadCredentialsError: the exchange refuses whoever asks, however often.
    """
    pauses = GrowingPauses() if pauses is None else pauses
    while True:
        try:
            return await ask()
        except (RetryLaterError, RetryNowError, RefusedError) as error:
            pause_s = pauses.next_s(error.retry_after_s)
            _log.warning("Waiting for the exchange, which is asked again in %.0f s: %s", pause_s, error)
            on_wait(error)
            await asyncio.sleep(pause_s)
