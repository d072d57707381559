"""An exchange that a session trades at, open: the account, the clock of its market, and news of the account."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from crypto_kedro.exchange.port import Exchange
from crypto_kedro.session.clock import SessionClock


async def admit_all() -> None:
    """Let everybody in, as an exchange without credentials does."""


@dataclass(frozen=True, slots=True)
class OpenExchange:
    """An account at an exchange for as long as it is open.

    Args:
        exchange: the account.
        clock: of its market.
        news: yields the names of what happened to the account, as it happens; it is then time to read the account.
        failure: is done with its error when an exchange inside this process has failed; None for one outside.
        admit: asks the exchange whether its credentials may trade; raises `ExchangeError`.
    """

    exchange: Exchange
    clock: SessionClock
    news: Callable[[], AsyncIterator[frozenset[str]]]
    failure: "asyncio.Future[None] | None" = None
    admit: Callable[[], Awaitable[None]] = admit_all
