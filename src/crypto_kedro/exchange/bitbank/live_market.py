"""Market data that comes from the stream while it is heard, and from REST otherwise."""

from crypto_kedro.exchange.bitbank.market_data import BitbankMarketData
from crypto_kedro.exchange.bitbank.public_stream import PublicStream
from crypto_kedro.exchange.bitbank.shapes import MarketTrade
from crypto_kedro.exchange.port import ForwardedMarketData, OrderBook, Ticker


class LiveMarket(ForwardedMarketData):
    """bitbank's market data, faster.

    The stream only saves requests: whatever it cannot tell for certain is asked for.

    Args:
        market: answers by REST.
        stream: an open stream, or one that is not heard.
    """

    def __init__(self, market: BitbankMarketData, stream: PublicStream) -> None:
        super().__init__(market)
        self._rest = market
        self._stream = stream

    async def ticker(self) -> Ticker:
        """Return the last price and the best prices."""
        return self._stream.ticker or await self._market.ticker()

    async def book(self) -> OrderBook:
        """Return the order book."""
        return self._stream.book or await self._market.book()

    async def trades_after(self, trade_id: int) -> tuple[MarketTrade, ...]:
        """Return the market's trades after one, ascending by id; after a long silence only the latest 60."""
        heard = self._stream.trades_after(trade_id)
        if heard is not None:
            return heard
        return tuple(trade for trade in await self._rest.trades() if trade.trade_id > trade_id)
