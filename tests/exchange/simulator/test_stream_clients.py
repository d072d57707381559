"""Our own clients of both streams at the simulator: they save requests on good days and survive the others."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from itertools import count

import pytest
from served import KEY, PRICE, SECRET, START_MS, UNLIMITED, on_this_loop, script
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from crypto_kedro.exchange.bitbank import BitbankExchange, BitbankSettings, Credentials
from crypto_kedro.exchange.bitbank.live_market import LiveMarket
from crypto_kedro.exchange.bitbank.private_stream import PrivateStream
from crypto_kedro.exchange.bitbank.public_stream import PublicStream
from crypto_kedro.exchange.port import Placed
from crypto_kedro.exchange.simulator.application import build_application
from crypto_kedro.exchange.simulator.commands import Trade
from crypto_kedro.exchange.simulator.faults import STREAM_FAULTS, Fault, FaultKind, Faults
from crypto_kedro.exchange.simulator.running import RunningExchange
from crypto_kedro.trading.money import Btc, Price
from crypto_kedro.trading.orders import OrderRequest, OrderType, Side

HOUR_MS = 3_600_000
SILENCE_MS = 10_000
PATIENCE_S = 30
MANY = 25
"""Trades after which a whole book has been told again."""
EVERY_STREAM_FAULT = sorted(STREAM_FAULTS)


class Clock:
    """Real time of both sides, as a test moves it."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms

    async def sleep(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1_000)
        await asyncio.sleep(0)


class Requests:
    """Writes down the paths of the requests that pass."""

    def __init__(self, app: ASGIApp, paths: list[str]) -> None:
        self._app = app
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith("/v2/"):
            self._paths.append(scope["path"])
        await self._app(scope, receive, send)


async def until(condition: Callable[[], object]) -> None:
    """Let the loop work until something has come over the wire."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0)


class Scene:
    """A simulator whose market the test makes, and our connector to it with both streams."""

    def __init__(self, clock: Clock, faults: Faults) -> None:
        self.clock, self.faults = clock, faults
        self.requests: list[str] = []
        self.running = RunningExchange(script(), UNLIMITED, wall_ms=clock)
        self._prices = count(PRICE)
        self.trade()

    def application(self) -> ASGIApp:
        """The simulator's wire."""
        return build_application(self.running, [Middleware(Requests, paths=self.requests)], self.faults)

    def connect(self, url: str) -> None:
        """Make the connector and its streams; the public one is to be opened."""
        settings = BitbankSettings(
            public_url=url,
            private_url=url,
            stream_url=url,
            private_stream_url=url,
            throttle=False,
            silence_ms=SILENCE_MS,
        )
        self.rest = BitbankExchange(settings, Credentials(KEY, SECRET), now_ms=self.clock, sleep=self.clock.sleep)
        self.rest._wire.timeout_on_exit = 0  # ccxt's pause for TLS connections to end
        self.stream = PublicStream(settings, self.clock, self.clock.sleep)
        self.live = LiveMarket(self.rest, self.stream)
        self.private = PrivateStream(self.rest, settings, self.clock, self.clock.sleep)

    def trade(self, times: int = 1) -> int:
        """Let others trade, each time a second later and a yen higher; return the last price."""
        for price in (next(self._prices) for _ in range(times)):
            self.running.clock.step(1_000)
            self.running.carry_out(Trade(Price(price), Btc.of("0.1"), Side.BUY))
        return price

    async def told(self, times: int = 1) -> None:
        """Let others trade so often, and let the streams tell each trade by itself."""
        for _ in range(times):
            self.trade()
            await self.all_told()

    async def all_told(self) -> None:
        """Wait until everything has been told; who joins a room is answered after that."""
        assert self.stream._client is not None
        await self.stream._client.call("join-room", "circuit_break_info_btc_jpy", timeout=PATIENCE_S)

    async def hear_everything(self) -> None:
        """Let others trade until the stream knows all that there is, and forget the requests."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.knows_everything():
                self.trade()
                await self.all_told()
        self.requests.clear()

    def knows_everything(self) -> bool:
        """Whether the stream knows the newest ticker, book and trades."""
        ticker, book, trades = self.stream.ticker, self.stream.book, self.stream.trades_after(self.newest_trade() - 1)
        market = self.running.now()
        return (
            None not in (ticker, book, trades)
            and ticker.last == Price(market.market.last)
            and book.sequence == market.book().sequence_id
            and len(trades) == 1
        )

    def newest_trade(self) -> int:
        """Id of the market's newest trade."""
        return self.running.now().market.transactions[-1][0]

    async def require_truth(self) -> None:
        """Check that what the live market says is what REST says."""
        newest = self.newest_trade()
        assert await self.live.ticker() == await self.rest.ticker()
        assert await self.live.book() == await self.rest.book()
        assert await self.live.trades_after(newest - 1) == (await self.rest.trades())[-1:]


@asynccontextmanager
async def listening(faults: Faults) -> AsyncIterator[Scene]:
    scene = Scene(Clock(), faults)
    async with on_this_loop(scene.application()) as url:
        scene.connect(url)
        async with scene.rest:
            await scene.stream.open()
            try:
                await scene.hear_everything()
                yield scene
            finally:
                await scene.stream.close()


Play = Callable[[Callable[[Scene], Awaitable[None]]], None]


@pytest.fixture
def play() -> Play:
    """Play a story with a public stream that has heard everything so far."""

    def play_story(story: Callable[[Scene], Awaitable[None]]) -> None:
        async def scene() -> None:
            async with listening(Faults()) as prepared:
                await story(prepared)

        asyncio.run(scene())

    return play_story


def test_given_a_good_day_when_prices_are_asked_for_then_they_are_those_of_rest_without_a_request(play: Play) -> None:
    async def story(scene: Scene) -> None:
        first = scene.newest_trade()
        last = scene.trade(5)
        await until(lambda: scene.stream.ticker and scene.stream.ticker.last == Price(last))
        await until(lambda: scene.stream.book and scene.stream.book.sequence == scene.running.now().book().sequence_id)
        told = await scene.live.ticker(), await scene.live.book(), await scene.live.trades_after(first)
        assert scene.requests == []
        rest = await scene.rest.ticker(), await scene.rest.book(), (await scene.rest.trades())[-5:]
        assert told == rest

    play(story)


@pytest.mark.parametrize("kind", [FaultKind.SILENT, FaultKind.STALE])
def test_given_a_stream_without_news_when_patience_is_over_then_prices_are_polled_until_it_is_heard_again(
    play: Play, kind: FaultKind
) -> None:
    async def story(scene: Scene) -> None:
        scene.faults.replace([Fault(kind)])
        await scene.told(2)
        scene.clock.now_ms += SILENCE_MS + 1
        await scene.require_truth()
        assert scene.stream.ticker is scene.stream.book is None
        scene.faults.replace([])
        await scene.hear_everything()
        await scene.live.ticker()
        assert scene.requests == []

    play(story)


def test_given_trades_alone_that_are_not_told_when_they_are_asked_for_then_they_are_polled_at_once(play: Play) -> None:
    async def story(scene: Scene) -> None:
        scene.faults.replace([Fault(FaultKind.SILENT, where="transactions")])
        last = scene.trade()
        await until(lambda: scene.stream.ticker and scene.stream.ticker.last == Price(last))
        await scene.live.trades_after(scene.newest_trade() - 1)
        assert scene.requests == ["/btc_jpy/transactions"]

    play(story)


@pytest.mark.parametrize("kind", [FaultKind.OUT_OF_ORDER, FaultKind.TWICE])
def test_given_differences_late_or_twice_when_the_book_is_asked_for_then_it_is_polled_until_the_next_whole_one(
    play: Play, kind: FaultKind
) -> None:
    async def story(scene: Scene) -> None:
        scene.faults.replace([Fault(kind, times=1, where="depth_diff")])
        await scene.told(2)
        await until(lambda: scene.stream.book is None)
        await scene.require_truth()
        await scene.hear_everything()
        await scene.live.book()
        assert scene.requests == []

    play(story)


@pytest.mark.parametrize("kind", [FaultKind.OUT_OF_ORDER, FaultKind.TWICE])
def test_given_tickers_and_trades_that_come_late_or_twice_when_asked_for_then_none_is_old_and_none_is_double(
    play: Play, kind: FaultKind
) -> None:
    async def story(scene: Scene) -> None:
        first = scene.newest_trade()
        scene.faults.replace([Fault(kind, times=1, where=room) for room in ("ticker", "transactions")])
        await scene.told(2)
        last = scene.trade()
        await until(lambda: scene.stream.ticker and scene.stream.ticker.last == Price(last))
        assert [row["struck"] for row in scene.faults.report()] == [1, 1]
        assert await scene.live.trades_after(first) == (await scene.rest.trades())[-3:]

    play(story)


@pytest.mark.parametrize("kind", EVERY_STREAM_FAULT)
def test_given_a_fault_by_chance_when_it_is_over_then_the_stream_tells_the_truth_again(
    play: Play, kind: FaultKind
) -> None:
    async def story(scene: Scene) -> None:
        scene.faults.replace([Fault(kind, probability=0.3)], seed=4)
        await scene.told(MANY)
        assert scene.faults.report()[0]["struck"] >= 3
        scene.faults.replace([])
        await scene.told(MANY)
        await scene.hear_everything()
        await scene.require_truth()
        assert scene.stream.ticker == await scene.rest.ticker()

    play(story)


def test_given_a_server_that_restarts_when_it_is_back_then_the_stream_is_heard_again() -> None:
    async def story() -> None:
        scene = Scene(Clock(), Faults())
        async with on_this_loop(scene.application()) as url:
            scene.connect(url)
            await scene.stream.open()
            await scene.hear_everything()
        await until(lambda: scene.stream.ticker is None)
        async with on_this_loop(scene.application(), port=int(url.rpartition(":")[2])), scene.rest:
            await until(lambda: scene.stream.book)
            await scene.hear_everything()
            await scene.require_truth()
            await scene.stream.close()

    asyncio.run(story())


BUY = OrderRequest(side=Side.BUY, type=OrderType.LIMIT, amount=Btc.of("0.01"), price=Price(PRICE - 1_000))


def test_given_the_private_stream_when_an_order_lives_and_fills_then_each_change_wakes_the_reader(play: Play) -> None:
    async def story(scene: Scene) -> None:
        async with aclosing(scene.private.news()) as news:
            assert await anext(news) == frozenset()
            assert isinstance(await scene.rest.place(BUY), Placed)
            assert "spot_order_new" in await anext(news)
            scene.running.carry_out(Trade(Price(PRICE - 2_000), Btc.of("1"), Side.SELL))
            assert "spot_trade" in await anext(news)

    play(story)


@pytest.mark.parametrize("kind", EVERY_STREAM_FAULT)
def test_given_a_private_stream_with_a_fault_when_more_happens_then_the_reader_is_woken_nevertheless(
    play: Play, kind: FaultKind
) -> None:
    async def story(scene: Scene) -> None:
        async with aclosing(scene.private.news()) as news:
            await anext(news)
            scene.faults.replace([Fault(kind, times=1, where="spot_order_new")])
            for _ in range(2):
                await scene.rest.place(BUY)
            woken: set[str] = set()
            while "spot_order_new" not in woken:
                woken |= await anext(news)
            assert scene.faults.report()[0]["struck"] == 1

    play(story)


def test_given_a_token_of_eleven_hours_when_there_is_news_then_another_one_is_taken(play: Play) -> None:
    async def story(scene: Scene) -> None:
        async with aclosing(scene.private.news()) as news:
            await anext(news)
            await scene.rest.place(BUY)
            await anext(news)
            scene.clock.now_ms += 11 * HOUR_MS
            assert await anext(news) == frozenset()
            assert scene.requests.count("/v1/user/subscribe") == 2

    play(story)
