"""bitbank's public market data of BTC/JPY over REST."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from crypto_kedro.exchange.bitbank import market_shapes, shapes
from crypto_kedro.exchange.bitbank.checked import reading_private, reading_public, require
from crypto_kedro.exchange.bitbank.client import WireClient
from crypto_kedro.exchange.bitbank.credentials import Credentials
from crypto_kedro.exchange.bitbank.plausibility import Plausibility
from crypto_kedro.exchange.bitbank.settings import BitbankSettings
from crypto_kedro.exchange.port import MarketStatus, OrderBook, RefusedError, Ticker
from crypto_kedro.market.bitbank_candles import CandleRow, candle_rows
from crypto_kedro.trading.money import Price
from crypto_kedro.trading.quotes import BarRow
from crypto_kedro.trading.rules import MarketRules

_NO_DATA = 10_000


def wall_clock_ms() -> int:
    """Return the machine's clock, Unix milliseconds UTC."""
    return time.time_ns() // 1_000_000


class BitbankMarketData:
    """What bitbank tells everyone about BTC/JPY.

    Use it as an asynchronous context manager, or call :meth:`close`; it holds network connections.

    Args:
        settings: addresses and patience.
        credentials: with them the rules are those of the account; None takes the settings' values for it.
        now_ms: clock, Unix milliseconds UTC.
    """

    def __init__(
        self,
        settings: BitbankSettings,
        credentials: Credentials | None = None,
        *,
        now_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self._settings = settings
        self._now_ms = now_ms
        self._wire = WireClient(settings, credentials, now_ms)
        self._plausibility = Plausibility(now_ms)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the network connections."""
        await self._wire.close()

    async def rules(self) -> MarketRules:
        """Return the rules in force; without credentials the settings stand in for what the account would tell."""
        pair, status = await self._pair(), await self._status()
        account = None
        if self._wire.has_credentials:
            account = await self._wire.ask("user/assets"), await self._wire.ask("user/margin/positions")
        reading = reading_public if account is None else reading_private
        with reading("rules"):
            return market_shapes.rules(pair, status, account, self._settings)

    async def status(self) -> MarketStatus:
        """Return how well the exchange works for the pair."""
        pair, status = await self._pair(), await self._status()
        circuit = await self._circuit()
        with reading_public("status"):
            return market_shapes.market_status(pair, status, circuit)

    async def candles(self, interval_ms: int, first_ms: int, end_ms: int) -> tuple[BarRow, ...]:
        """Return the closed bars that opened in [first_ms, end_ms); a day that is not published yet has none."""
        bars: list[BarRow] = []
        for file in market_shapes.candle_files(interval_ms, first_ms, min(end_ms, self._now_ms())):
            asked_at_ms = self._now_ms()
            rows = await self.candle_file(self._settings.pair, file)
            with reading_public("candles"):
                read = market_shapes.bars(rows or (), interval_ms)
                market_shapes.require_period(read, file, asked_at_ms, is_published=rows is not None)
            bars += [bar for bar in read if bar.close_time_ms <= asked_at_ms]
        with reading_public("candles"):
            self._plausibility.bars(bars)
        return tuple(bar for bar in bars if first_ms <= bar.open_time_ms < end_ms)

    async def candle_file(self, pair: str, file: str) -> tuple[CandleRow, ...] | None:
        """Return the candles of one file as they are published, the one that is still forming included.

        Args:
            pair: market in bitbank's spelling.
            file: ``type/date``, see `market_shapes.candle_files`.

        Returns:
            The candles, oldest first; None if the file is not there, or not yet.
        """
        try:
            answer = await self._wire.ask_public(f"{pair}/candlestick/{file}")
        except RefusedError as error:
            if error.code != _NO_DATA:
                raise
            return None
        with reading_public("candles"):
            return candle_rows(answer, file.partition("/")[0])

    async def ticker(self) -> Ticker:
        """Return the last price and the best prices."""
        answer = await self._wire.ask_public(f"{self._settings.pair}/ticker")
        with reading_public("ticker"):
            ticker = self._plausibility.ticker(shapes.ticker(answer))
        await self._require_order(ticker.bid, ticker.ask, "ticker")
        return ticker

    async def book(self) -> OrderBook:
        """Return up to 200 levels a side."""
        answer = await self._wire.ask_public(f"{self._settings.pair}/depth")
        with reading_public("book"):
            book = self._plausibility.book(shapes.book(answer))
        bid, ask = (side[0][0] if side else None for side in (book.bids, book.asks))
        await self._require_order(bid, ask, "book")
        return book

    async def trades(self) -> tuple[shapes.MarketTrade, ...]:
        """Return the latest 60 trades of the market, ascending by id."""
        answer = await self._wire.ask_public(f"{self._settings.pair}/transactions")
        with reading_public("trades"):
            trades = shapes.trades(answer)
            self._plausibility.trades(trades)
        return trades

    async def clock_offset_ms(self) -> int | None:
        """Return how far our clock is ahead of the exchange's, to about half a second; None if it does not tell."""
        before_ms = self._now_ms()
        await self.ticker()
        server_ms = self._wire.server_time_ms()
        # The exchange's time is cut to the second, so half a second is its best guess.
        return None if server_ms is None else (before_ms + self._now_ms()) // 2 - server_ms - 500

    async def _require_order(self, bid: Price | None, ask: Price | None, what: str) -> None:
        """Refuse a best bid above the best ask, which only a market outside continuous trading has."""
        if bid is None or ask is None or bid <= ask:
            return
        circuit = await self._circuit()
        with reading_public(what):
            require(not market_shapes.trades_continuously(circuit), f"the best bid {bid} is above the best ask {ask}")

    async def _circuit(self) -> Any:
        return await self._wire.ask_public(f"{self._settings.pair}/circuit_break_info")

    async def _pair(self) -> Any:
        answer = await self._wire.ask_unsigned("spot/pairs")
        with reading_public("pairs"):
            return market_shapes.pair_row(answer, "pairs", self._settings.pair, key="name")

    async def _status(self) -> Any:
        answer = await self._wire.ask_unsigned("spot/status")
        with reading_public("status"):
            return market_shapes.pair_row(answer, "statuses", self._settings.pair)
