"""Paper accounts on the market of a simulator that speaks bitbank's wire over loopback."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware
from venues import CASH, HandClock, HandMovedVenue, Venue, simulator

from crypto_kedro.exchange.bitbank.market_data import BitbankMarketData
from crypto_kedro.exchange.bitbank.public_stream import PublicStream
from crypto_kedro.exchange.bitbank.settings import BitbankSettings
from crypto_kedro.exchange.paper.exchange import PaperExchange, PaperTerms
from crypto_kedro.exchange.paper.market_reader import MarketReader
from crypto_kedro.exchange.simulator.application import build_application
from crypto_kedro.exchange.simulator.price_source import PriceSource
from crypto_kedro.exchange.simulator.running import RunningExchange
from crypto_kedro.exchange.simulator.server import loopback_socket, server
from crypto_kedro.exchange.simulator.settings import ApiKey, SimulatorSettings
from crypto_kedro.trading.money import Jpy


@asynccontextmanager
async def played(
    source: PriceSource, clock: Callable[[], int], middleware: Sequence[Middleware] = (), **settings: Any
) -> AsyncIterator[tuple[str, RunningExchange]]:
    """Serve a simulator that a test also holds in its hand."""
    terms = SimulatorSettings(
        keys=(ApiKey("key", "secret"),), queries_per_second=None, updates_per_second=None, **settings
    )
    running = RunningExchange(source, terms, speed=1, wall_ms=clock)
    listener, web = loopback_socket(0), server(build_application(running, middleware))
    serving = asyncio.create_task(web.serve([listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", running
    finally:
        web.should_exit = True
        await serving


@asynccontextmanager
async def paper_account(url: str, path: Path, clock: HandClock, cash: Jpy = CASH) -> AsyncIterator[PaperExchange]:
    """Open a paper account that reads its market by REST alone, so that a test knows what it has read."""
    settings = BitbankSettings(public_url=url, private_url=url, throttle=False)
    async with BitbankMarketData(settings, now_ms=clock) as market:
        reader = MarketReader(market, PublicStream(settings, clock))
        exchange = PaperExchange(PaperTerms(path=path, cash=cash), market, reader, clock, clock.sleep)
        try:
            yield exchange
        finally:
            exchange.close()


@asynccontextmanager
async def paper_venue(closes: Sequence[int], middleware: Sequence[Middleware] = ()) -> AsyncIterator[Venue]:
    """Open a paper account at a simulator over loopback."""
    clock = HandClock()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "paper_account.db")
        async with simulator(closes, clock, middleware) as url, paper_account(url, path, clock) as exchange:
            yield HandMovedVenue(clock, exchange)
