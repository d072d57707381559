"""bitbank's public stream over socket.io: the newest ticker, book and trades, while it is heard.

Source: bitbank public stream.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import socketio

from crypto_kedro.exchange.bitbank import shapes
from crypto_kedro.exchange.bitbank.book_merge import BookMerge
from crypto_kedro.exchange.bitbank.checked import UnfitValueError, reading_public
from crypto_kedro.exchange.bitbank.market_data import wall_clock_ms
from crypto_kedro.exchange.bitbank.plausibility import Plausibility
from crypto_kedro.exchange.bitbank.settings import BitbankSettings
from crypto_kedro.exchange.bitbank.shapes import MarketTrade
from crypto_kedro.exchange.port import OrderBook, RetryLaterError, Ticker, UnusablePublicAnswerError
from crypto_kedro.exchange.retry import GrowingPauses
from crypto_kedro.market.bars import MINUTE_MS
from crypto_kedro.trading.money import Price

_log = logging.getLogger(__name__)
_KEPT_TRADES = 1_000
_LONGEST_PAUSE_S = 30.0
_WARN_EVERY_MS = MINUTE_MS
_NEVER_MS = -(1 << 62)


class PublicStream:
    """Listens to the ticker, the trades and the book of a pair; reconnects by itself.

    What it tells is as old as the last message, so each value is given out only while its room has been heard within
    ``silence_ms``; after that, after a disconnection, or when the exchange contradicts itself, it is None. What was
    heard before does not count as heard.

    Args:
        settings: pair, address and patience with silence.
        now_ms: clock, Unix milliseconds UTC.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        settings: BitbankSettings,
        now_ms: Callable[[], int] = wall_clock_ms,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._now_ms = now_ms
        self._sleep = sleep
        self._rooms: dict[str, Callable[[Mapping[str, Any]], None]] = {
            f"ticker_{settings.pair}": self._hear_ticker,
            f"transactions_{settings.pair}": self._hear_trades,
            # In this order, so that no difference is missed after the first whole book.
            f"depth_diff_{settings.pair}": self._hear_difference,
            f"depth_whole_{settings.pair}": self._hear_whole_book,
        }
        self._client: socketio.AsyncClient | None = None
        self._http: aiohttp.ClientSession | None = None
        self._merge = BookMerge()
        self._plausibility = Plausibility(now_ms)
        self._pauses = GrowingPauses(longest_s=_LONGEST_PAUSE_S)
        self._warned_ms = _NEVER_MS
        self._lost = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._forget()

    async def open(self) -> None:
        """Connect, and from then on again whenever the connection is lost.

        Raises:
            RetryLaterError: the stream cannot be reached.
        """
        self._http = aiohttp.ClientSession()
        try:
            await self._connect()
        except RetryLaterError:
            await self._http.close()
            raise
        self._keeper = asyncio.create_task(self._keep_connected())

    async def close(self) -> None:
        """Disconnect."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        if self._client is not None:
            await self._client.disconnect()
        if self._http is not None:
            await self._http.close()

    async def _connect(self) -> None:
        # A client that has lost its connection cannot be told to connect until it has tidied up; a new one can.
        client = socketio.AsyncClient(reconnection=False, handle_sigint=False, http_session=self._http)
        client.on("connect", self._join)
        client.on("message", self._hear)
        client.on("disconnect", self._lose)
        self._client = client
        self._lost.clear()
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                await client.connect(self._settings.stream_url, transports=["websocket"])
        except Exception as error:
            # The edge of the program: a handshake may hold anything, and its parsers raise as they like.
            await client.disconnect()
            reason = str(error) or type(error).__name__
            raise RetryLaterError(f"bitbank stream {self._settings.stream_url}: {reason}; ask again later") from error

    async def _keep_connected(self) -> None:
        # socketio's own reconnection gives up when the server says good-bye.
        while True:
            await self._lost.wait()
            await self._sleep(self._pauses.next_s())
            try:
                await self._connect()
            except RetryLaterError as error:
                _log.warning("%s", error)
                self._lost.set()

    @property
    def ticker(self) -> Ticker | None:
        """The newest ticker, None while it is not known."""
        ticker = self._ticker if self._is_fresh(self._ticker_heard_ms) else None
        return None if ticker is None or _overlap(ticker.bid, ticker.ask) else ticker

    @property
    def book(self) -> OrderBook | None:
        """The book, None while it is not known."""
        book = self._merge.book if self._is_fresh(self._book_heard_ms) else None
        if book is None or (book.bids and book.asks and _overlap(book.bids[0][0], book.asks[0][0])):
            return None
        try:
            return self._plausibility.book(book)
        except UnfitValueError:
            return None

    def trades_after(self, trade_id: int) -> tuple[MarketTrade, ...] | None:
        """Return the trades after one, ascending by id; None unless all of them have been heard.

        The ticker is their witness: its last price is that of the newest trade.
        """
        ticker = self.ticker
        if ticker is None or not self._trades or self._trades[0].trade_id > trade_id:
            return None
        if self._trades[-1].trade.price_ticks != ticker.last.ticks:
            return None
        return tuple(trade for trade in self._trades if trade.trade_id > trade_id)

    def _is_fresh(self, heard_ms: int) -> bool:
        return self._now_ms() - heard_ms <= self._settings.silence_ms

    async def _join(self) -> None:
        # Rooms do not survive a reconnection.
        assert self._client is not None
        for room in self._rooms:
            await self._client.emit("join-room", room)

    def _lose(self, _: str) -> None:
        self._forget()
        self._lost.set()

    def _forget(self) -> None:
        self._ticker: Ticker | None = None
        self._ticker_heard_ms = self._book_heard_ms = _NEVER_MS
        self._trades: deque[MarketTrade] = deque(maxlen=_KEPT_TRADES)
        self._merge.start_anew()

    def _hear(self, message: Mapping[str, Any]) -> None:
        try:
            with reading_public("stream"):
                room, data = message["room_name"], message["message"]["data"]
                if room in self._rooms:
                    self._rooms[room](data)
            self._pauses.reset()
        except UnusablePublicAnswerError as error:
            # The answers of REST are read instead.
            if self._now_ms() - self._warned_ms >= _WARN_EVERY_MS:
                self._warned_ms = self._now_ms()
                _log.warning("%s", error)
            self._forget()

    def _hear_ticker(self, data: Mapping[str, Any]) -> None:
        ticker = self._plausibility.ticker(shapes.ticker(data))
        if self._ticker is None or (ticker.at_ms >= self._ticker.at_ms and ticker != self._ticker):
            self._ticker, self._ticker_heard_ms = ticker, self._now_ms()

    def _hear_trades(self, data: Mapping[str, Any]) -> None:
        known = {trade.trade_id for trade in self._trades}
        read = shapes.trades(data)
        self._plausibility.trades(read)
        new = [trade for trade in read if trade.trade_id not in known]
        if self._trades and new and new[0].trade_id < self._trades[-1].trade_id:
            # Trades came late, so there may be others that did not come.
            self._trades.clear()
            return
        self._trades.extend(new)

    def _hear_whole_book(self, data: Mapping[str, Any]) -> None:
        self._hear_book(self._merge.take_whole, data)

    def _hear_difference(self, data: Mapping[str, Any]) -> None:
        self._hear_book(self._merge.take_difference, data)

    def _hear_book(self, take: Callable[[Mapping[str, Any]], None], data: Mapping[str, Any]) -> None:
        before = self._merge.sequence
        take(data)
        if self._merge.sequence > before:
            self._book_heard_ms = self._now_ms()


def _overlap(bid: Price | None, ask: Price | None) -> bool:
    """Return whether the sides overlap, as outside continuous trading; REST shows whether the answer is false."""
    return bid is not None and ask is not None and bid > ask
