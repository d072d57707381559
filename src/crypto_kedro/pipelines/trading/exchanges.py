"""The exchange that a session trades at, and the clock that it reads."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.exchange.bitbank.connector import BitbankExchange
from crypto_kedro.exchange.bitbank.credentials import Credentials
from crypto_kedro.exchange.bitbank.settings import BitbankSettings
from crypto_kedro.exchange.port import Exchange
from crypto_kedro.parameters.session import SessionParameters
from crypto_kedro.session.clock import SessionClock
from crypto_kedro.session.embedded import EmbeddedMarket, embedded_exchange
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.trading.money import Jpy

SIMULATOR_STATE = "simulator.db"


@asynccontextmanager
async def exchange_of(
    session: SessionParameters, folder: SessionFolder, credentials: Credentials | None
) -> AsyncIterator[tuple[Exchange, SessionClock]]:
    """Connect a session to its exchange for as long as it lasts.

    Args:
        session: parameters of the session.
        folder: where the session keeps its files.
        credentials: of the account at bitbank, None without.

    Raises:
        ConfigurationError: the exchange is not for the environment, or the credentials do not allow it.
    """
    folder.root.mkdir(parents=True, exist_ok=True)
    if session.exchange == "simulator" and session.simulator is not None:
        played = session.simulator
        market = EmbeddedMarket(
            data=played.data, start=played.start, seed=played.seed, speed=played.speed, cash=Jpy.of(played.cash_jpy)
        )
        async with embedded_exchange(market, folder.root / SIMULATOR_STATE) as embedded:
            yield embedded
        return
    if credentials is None or session.environment != "live":
        raise ConfigurationError(
            "session: exchange bitbank is for the environment live, with credentials; use exchange simulator"
        )
    async with BitbankExchange(BitbankSettings(), credentials) as exchange:
        await exchange.check_rights()
        yield exchange, SessionClock()
