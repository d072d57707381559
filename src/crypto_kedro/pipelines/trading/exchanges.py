"""The exchange that a session trades at."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.exchange.bitbank.connector import BitbankExchange
from crypto_kedro.exchange.bitbank.credentials import Credentials
from crypto_kedro.exchange.bitbank.private_stream import PrivateStream
from crypto_kedro.exchange.bitbank.settings import BitbankSettings
from crypto_kedro.exchange.paper.exchange import PaperTerms
from crypto_kedro.exchange.paper.opening import paper_exchange
from crypto_kedro.parameters.session import SessionParameters
from crypto_kedro.session.clock import SessionClock
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.open_exchange import OpenExchange
from crypto_kedro.trading.money import Jpy

SIMULATOR_STATE = "simulator.db"
PAPER_ACCOUNT = "paper_account.db"


@asynccontextmanager
async def exchange_of(
    session: SessionParameters, folder: SessionFolder, credentials: Credentials | None
) -> AsyncIterator[OpenExchange]:
    """Connect a session to its exchange for as long as it lasts.

    Args:
        session: parameters of the session.
        folder: where the session keeps its files.
        credentials: of the account at bitbank, None without.

    Raises:
        ConfigurationError: an account or its market cannot be opened.
    """
    folder.root.mkdir(parents=True, exist_ok=True)
    if session.exchange == "simulator":
        async with _simulated(session, folder) as opened:
            yield opened
    elif session.environment == "paper":
        async with _paper(session, folder) as opened:
            yield opened
    elif credentials is not None:
        async with _real(session.bitbank.settings(), credentials) as opened:
            yield opened
    else:
        raise ConfigurationError(
            "live: there is no API key; set BITBANK_API_KEY and BITBANK_API_SECRET, or bitbank in "
            "conf/local/credentials.yml"
        )


@asynccontextmanager
async def _simulated(session: SessionParameters, folder: SessionFolder) -> AsyncIterator[OpenExchange]:
    # Real trading does without the simulator and its packages.
    from crypto_kedro.session.embedded import EmbeddedMarket, embedded_exchange

    played = session.simulator
    if played is None:
        raise ConfigurationError("session.exchange is simulator; add the group session.simulator")
    market = EmbeddedMarket(
        data=played.data, start=played.start, seed=played.seed, speed=played.speed, cash=Jpy.of(played.cash_jpy)
    )
    async with embedded_exchange(market, folder.root / SIMULATOR_STATE) as opened:
        yield opened


@asynccontextmanager
async def _paper(session: SessionParameters, folder: SessionFolder) -> AsyncIterator[OpenExchange]:
    terms = PaperTerms(path=folder.root / PAPER_ACCOUNT, cash=Jpy.of(session.paper_cash_jpy))
    async with paper_exchange(terms, session.bitbank.settings()) as exchange:
        yield OpenExchange(exchange, SessionClock(), exchange.news)


@asynccontextmanager
async def _real(settings: BitbankSettings, credentials: Credentials) -> AsyncIterator[OpenExchange]:
    async with BitbankExchange(settings, credentials) as exchange:
        yield OpenExchange(
            exchange, SessionClock(), PrivateStream(exchange, settings).news, admit=exchange.check_rights
        )
