"""Market data from a real socket.io server, and from REST whenever the stream cannot be trusted."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import socketio
from conftest import NOW_MS, Clock
from test_stream_book import difference, whole
from wire_server import WireServer, data

from crypto_kedro.exchange.bitbank import BitbankMarketData, BitbankSettings
from crypto_kedro.exchange.bitbank.live_market import LiveMarket
from crypto_kedro.exchange.bitbank.public_stream import PublicStream
from crypto_kedro.exchange.port import RetryLaterError
from crypto_kedro.exchange.simulator.server import loopback_socket, server
from crypto_kedro.trading.money import Price

ROOMS = ["ticker_btc_jpy", "transactions_btc_jpy", "depth_diff_btc_jpy", "depth_whole_btc_jpy"]
TICKER, DEPTH, TRADES = "GET /btc_jpy/ticker", "GET /btc_jpy/depth", "GET /btc_jpy/transactions"


def ticker(last: int, at_ms: int = NOW_MS) -> dict[str, Any]:
    return {"sell": str(last + 1), "buy": str(last - 1), "last": str(last), "timestamp": at_ms}


def trades(*ids: int) -> dict[str, Any]:
    row = {"side": "buy", "price": "700", "amount": "0.0001", "executed_at": NOW_MS}
    return {"transactions": [row | {"transaction_id": trade_id} for trade_id in reversed(ids)]}


class StreamServer:
    """bitbank's side of the public stream."""

    def __init__(self) -> None:
        self.joined: list[str] = []
        self.sio = socketio.AsyncServer(async_mode="asgi")
        self.sio.on("join-room", self._join)

    async def _join(self, sid: str, room: str) -> None:
        await self.sio.enter_room(sid, room)
        self.joined.append(room)

    async def say(self, room: str, message: dict[str, Any]) -> None:
        await self.sio.emit("message", {"room_name": room, "message": {"data": message}}, room=room)

    async def cut(self) -> None:
        """Close every connection at the transport, as a lost network does."""
        for eio in list(self.sio.eio.sockets.values()):
            await eio.close(wait=False)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop work until something has come over the wire."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


class Scene:
    """A stream server, a connected listener, and REST beside it."""

    def __init__(self, far: StreamServer, stream: PublicStream, live: LiveMarket, rest: WireServer) -> None:
        self.far, self.stream, self.live, self.rest = far, stream, live, rest


@asynccontextmanager
async def listening(rest: WireServer, clock: Clock) -> AsyncIterator[Scene]:
    far, listener = StreamServer(), loopback_socket(0)
    web = server(socketio.ASGIApp(far.sio))
    serving = asyncio.create_task(web.serve([listener]))
    settings = BitbankSettings(
        public_url=rest.url, throttle=False, stream_url=f"http://127.0.0.1:{listener.getsockname()[1]}"
    )
    stream = PublicStream(settings, clock, clock.sleep)
    try:
        async with BitbankMarketData(settings, now_ms=clock) as market:
            await stream.open()
            await until(lambda: far.joined == ROOMS)
            yield Scene(far, stream, LiveMarket(market, stream), rest)
    finally:
        await stream.close()
        web.should_exit = True
        await serving


@pytest.fixture
def play(server: WireServer, clock: Clock) -> Callable[[Callable[[Scene], Awaitable[None]]], None]:
    server.on(TICKER, data(**ticker(500)))
    server.on(DEPTH, data(**whole(1, {499: 1}, {501: 1})))
    server.on(TRADES, data(**trades(1, 2, 3)))

    def play_story(story: Callable[[Scene], Awaitable[None]]) -> None:
        async def scene() -> None:
            async with listening(server, clock) as prepared:
                await story(prepared)

        asyncio.run(scene())

    return play_story


Play = Callable[[Callable[[Scene], Awaitable[None]]], None]


def test_given_a_stream_that_is_heard_when_prices_are_asked_for_then_nothing_is_polled(play: Play) -> None:
    async def story(scene: Scene) -> None:
        await scene.far.say("ticker_btc_jpy", ticker(700))
        await scene.far.say("depth_whole_btc_jpy", whole(5, {699: 2}, {701: 2}))
        await scene.far.say("depth_diff_btc_jpy", difference(6, {698: 3}, {701: 0, 702: 1}))
        await until(lambda: scene.stream.book is not None and scene.stream.book.sequence == 6)

        assert (await scene.live.ticker()).last == Price(700)
        book = await scene.live.book()
        assert [price.ticks for price, _ in book.bids] == [699, 698]
        assert [price.ticks for price, _ in book.asks] == [702]
        assert scene.rest.sent == []

    play(story)


def test_given_a_stream_that_said_nothing_yet_when_prices_are_asked_for_then_they_are_polled(play: Play) -> None:
    async def story(scene: Scene) -> None:
        assert (await scene.live.ticker()).last == Price(500)
        assert (await scene.live.book()).sequence == 1
        assert [trade.trade_id for trade in await scene.live.trades_after(1)] == [2, 3]
        assert scene.rest.targets() == [TICKER, DEPTH, TRADES]

    play(story)


def test_given_a_silent_stream_when_its_patience_is_over_then_prices_are_polled(play: Play, clock: Clock) -> None:
    async def story(scene: Scene) -> None:
        await scene.far.say("ticker_btc_jpy", ticker(700))
        await until(lambda: scene.stream.ticker is not None)
        clock.now_ms += 10_000
        assert (await scene.live.ticker()).last == Price(700)

        clock.now_ms += 1

        assert (await scene.live.ticker()).last == Price(500)

    play(story)


def test_given_tickers_that_only_go_back_when_patience_is_over_then_they_do_not_count_as_heard(
    play: Play, clock: Clock
) -> None:
    async def story(scene: Scene) -> None:
        await scene.far.say("ticker_btc_jpy", ticker(700))
        await until(lambda: scene.stream.ticker is not None)
        clock.now_ms += 10_001
        await scene.far.say("ticker_btc_jpy", ticker(650, at_ms=NOW_MS - 1))
        await scene.far.say("depth_whole_btc_jpy", whole(5, {699: 2}, {701: 2}))
        await until(lambda: scene.stream.book is not None)

        assert (await scene.live.ticker()).last == Price(500)

    play(story)


def test_given_a_book_whose_sequence_goes_back_when_asked_for_then_it_is_polled_until_the_next_whole_one(
    play: Play,
) -> None:
    async def story(scene: Scene) -> None:
        await scene.far.say("depth_whole_btc_jpy", whole(5, {699: 2}, {701: 2}))
        await scene.far.say("depth_diff_btc_jpy", difference(9, {698: 3}, {}))
        await until(lambda: scene.stream.book is not None and scene.stream.book.sequence == 9)
        await scene.far.say("depth_diff_btc_jpy", difference(8, {698: 4}, {}))
        await until(lambda: scene.stream.book is None)

        assert (await scene.live.book()).sequence == 1

        await scene.far.say("depth_whole_btc_jpy", whole(12, {690: 2}, {}))
        await until(lambda: scene.stream.book is not None)
        assert (await scene.live.book()).sequence == 12

    play(story)


def test_given_a_message_that_cannot_be_read_when_prices_are_asked_for_then_they_are_polled(play: Play) -> None:
    async def story(scene: Scene) -> None:
        await scene.far.say("ticker_btc_jpy", ticker(700))
        await until(lambda: scene.stream.ticker is not None)
        await scene.far.say("depth_diff_btc_jpy", {"nonsense": True})
        await until(lambda: scene.stream.ticker is None)

        assert (await scene.live.ticker()).last == Price(500)

    play(story)


def test_given_trades_since_before_the_stream_was_heard_when_asked_for_then_they_are_polled(play: Play) -> None:
    async def story(scene: Scene) -> None:
        await scene.far.say("ticker_btc_jpy", ticker(700))
        await scene.far.say("transactions_btc_jpy", trades(5, 6))
        await scene.far.say("transactions_btc_jpy", trades(6, 7))
        await until(lambda: len(scene.stream.trades_after(5) or ()) == 2)

        assert [trade.trade_id for trade in await scene.live.trades_after(5)] == [6, 7]
        assert scene.rest.sent == []
        assert [trade.trade_id for trade in await scene.live.trades_after(2)] == [3]
        assert scene.rest.targets() == [TRADES]

    play(story)


def test_given_trades_that_come_late_when_asked_for_then_they_are_polled_until_the_stream_is_sure_again(
    play: Play,
) -> None:
    async def story(scene: Scene) -> None:
        await scene.far.say("ticker_btc_jpy", ticker(700))
        await scene.far.say("transactions_btc_jpy", trades(5))
        await scene.far.say("transactions_btc_jpy", trades(8))
        await until(lambda: scene.stream.trades_after(5) is not None)
        await scene.far.say("transactions_btc_jpy", trades(6, 7))
        await until(lambda: scene.stream.trades_after(5) is None)

        assert [trade.trade_id for trade in await scene.live.trades_after(2)] == [3]

        await scene.far.say("transactions_btc_jpy", trades(9, 10))
        await until(lambda: scene.stream.trades_after(9) is not None)
        assert [trade.trade_id for trade in await scene.live.trades_after(9)] == [10]

    play(story)


def test_given_a_ticker_that_knows_of_a_later_trade_when_trades_are_asked_for_then_they_are_polled(play: Play) -> None:
    async def story(scene: Scene) -> None:
        await scene.far.say("transactions_btc_jpy", trades(1, 2))
        await scene.far.say("ticker_btc_jpy", ticker(701))
        await until(lambda: scene.stream.ticker is not None)

        assert [trade.trade_id for trade in await scene.live.trades_after(1)] == [2, 3]
        assert scene.rest.targets() == [TRADES]

    play(story)


def test_given_the_same_messages_again_when_patience_is_over_then_they_do_not_count_as_heard(
    play: Play, clock: Clock
) -> None:
    async def story(scene: Scene) -> None:
        await scene.far.say("ticker_btc_jpy", ticker(700))
        await until(lambda: scene.stream.ticker is not None)
        clock.now_ms += 10_001
        await scene.far.say("ticker_btc_jpy", ticker(700))
        await scene.far.say("depth_whole_btc_jpy", whole(5, {699: 2}, {701: 2}))
        await until(lambda: scene.stream.book is not None)

        assert (await scene.live.ticker()).last == Price(500)

        clock.now_ms += 10_001
        await scene.far.say("depth_whole_btc_jpy", whole(5, {699: 2}, {701: 2}))
        await scene.far.say("ticker_btc_jpy", ticker(701))
        await until(lambda: scene.stream.ticker is not None)

        assert (await scene.live.book()).sequence == 1

    play(story)


def test_given_a_connection_that_breaks_when_it_is_back_then_the_rooms_are_joined_again_and_nothing_old_is_told(
    play: Play,
) -> None:
    async def story(scene: Scene) -> None:
        await scene.far.say("ticker_btc_jpy", ticker(700))
        await scene.far.say("depth_whole_btc_jpy", whole(5, {699: 2}, {701: 2}))
        await until(lambda: scene.stream.book is not None)

        await scene.far.cut()

        await until(lambda: scene.stream.ticker is None and scene.stream.book is None)
        await until(lambda: scene.far.joined == ROOMS * 2)
        await scene.far.say("ticker_btc_jpy", ticker(710))
        await until(lambda: scene.stream.ticker is not None)
        assert (await scene.live.ticker()).last == Price(710)

    play(story)


def test_given_nobody_listening_when_the_stream_is_opened_then_it_says_to_try_later(clock: Clock) -> None:
    async def connect() -> None:
        await PublicStream(BitbankSettings(stream_url="http://127.0.0.1:1", timeout_s=2.0), clock).open()

    with pytest.raises(RetryLaterError, match=r"http://127\.0\.0\.1:1"):
        asyncio.run(connect())


def test_given_a_listener_that_never_answers_when_the_stream_is_opened_then_it_says_to_try_later(clock: Clock) -> None:
    async def connect(url: str) -> None:
        await PublicStream(BitbankSettings(stream_url=url, timeout_s=0.1), clock).open()

    with (
        loopback_socket(0) as deaf,
        pytest.raises(RetryLaterError, match="TimeoutError"),
    ):
        asyncio.run(connect(f"http://127.0.0.1:{deaf.getsockname()[1]}"))
