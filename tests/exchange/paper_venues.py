"""Paper accounts on the market of a simulator that speaks bitbank's wire over loopback."""

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.middleware import Middleware
from venues import CASH, HandClock, Venue, simulator

from crypto_kedro.exchange.bitbank.market_data import BitbankMarketData
from crypto_kedro.exchange.bitbank.public_stream import PublicStream
from crypto_kedro.exchange.bitbank.settings import BitbankSettings
from crypto_kedro.exchange.paper.exchange import PaperExchange, PaperTerms
from crypto_kedro.exchange.paper.market_reader import MarketReader
from crypto_kedro.exchange.port import Exchange
from crypto_kedro.market.bars import MINUTE_MS
from crypto_kedro.trading.money import Jpy


class PaperVenue:
    """A paper account; its market and it share a clock that the test moves."""

    def __init__(self, clock: HandClock, exchange: PaperExchange) -> None:
        self._clock = clock
        self.exchange: Exchange = exchange

    @property
    def now_ms(self) -> int:
        return self._clock.now_ms

    async def minute(self) -> None:
        self._clock.now_ms += MINUTE_MS


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
            yield PaperVenue(clock, exchange)
