"""A paper account with its connections to bitbank's public side."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from crypto_kedro.exchange.bitbank.live_market import LiveMarket
from crypto_kedro.exchange.bitbank.market_data import BitbankMarketData, wall_clock_ms
from crypto_kedro.exchange.bitbank.public_stream import PublicStream
from crypto_kedro.exchange.bitbank.settings import BitbankSettings
from crypto_kedro.exchange.paper.exchange import PaperExchange, PaperTerms
from crypto_kedro.exchange.paper.market_reader import MarketReader
from crypto_kedro.exchange.port import RetryLaterError
from crypto_kedro.exchange.retry import GrowingPauses

_log = logging.getLogger(__name__)


@asynccontextmanager
async def paper_exchange(
    terms: PaperTerms, settings: BitbankSettings, now_ms: Callable[[], int] = wall_clock_ms
) -> AsyncIterator[PaperExchange]:
    """Give a paper account that follows bitbank's market for as long as the context is open.

    Args:
        terms: the account.
        settings: where bitbank is.
        now_ms: clock, Unix milliseconds UTC.
    """
    async with BitbankMarketData(settings, now_ms=now_ms) as market:
        stream = PublicStream(settings, now_ms)
        exchange = PaperExchange(terms, LiveMarket(market, stream), MarketReader(market, stream), now_ms)
        tasks = [asyncio.create_task(_listen(stream)), asyncio.create_task(exchange.follow())]
        try:
            yield exchange
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await stream.close()
            exchange.close()


async def _listen(stream: PublicStream) -> None:
    """Open the stream as soon as it can be reached; until then everything is asked for."""
    pauses = GrowingPauses()
    while True:
        try:
            return await stream.open()
        except RetryLaterError as error:
            _log.warning("%s; the market is read by REST until then", error)
        await asyncio.sleep(pauses.next_s())
