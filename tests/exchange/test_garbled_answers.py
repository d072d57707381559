"""Garbled answers of the real simulator over the wire: the connector gives valid values or one kind of error."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from venues import CASH

from crypto_kedro.exchange.bitbank import BitbankExchange, BitbankSettings, Credentials
from crypto_kedro.exchange.bitbank.checked import UnfitValueError
from crypto_kedro.exchange.bitbank.plausibility import CONSISTENT_MS, Plausibility
from crypto_kedro.exchange.bitbank.private_stream import PrivateStream
from crypto_kedro.exchange.bitbank.public_stream import PublicStream
from crypto_kedro.exchange.port import (
    NotPlaced,
    Placed,
    RetryLaterError,
    Ticker,
    Unknown,
    UnusablePrivateAnswerError,
    UnusablePublicAnswerError,
)
from crypto_kedro.exchange.simulator.application import build_application
from crypto_kedro.exchange.simulator.commands import Command, Place, Trade
from crypto_kedro.exchange.simulator.faults import Fault, FaultKind, Faults
from crypto_kedro.exchange.simulator.price_source import ScriptSource
from crypto_kedro.exchange.simulator.running import RunningExchange
from crypto_kedro.exchange.simulator.server import loopback_socket, server
from crypto_kedro.exchange.simulator.settings import ApiKey, SimulatorSettings
from crypto_kedro.market.bars import DAY_MS, MINUTE_MS
from crypto_kedro.trading.money import Btc, Price
from crypto_kedro.trading.orders import OrderRequest, OrderType, PositionSide, Side

START_MS = 1_780_000_020_000
PRICE = 15_000_000
BUY = OrderRequest(side=Side.BUY, type=OrderType.MARKET, amount=Btc.of("0.001"), position_side=PositionSide.LONG)
STOP = OrderRequest(
    side=Side.SELL, type=OrderType.STOP_LOSS, trigger_price=Price(14_000_000), position_side=PositionSide.LONG
)
SEEDS = range(25)


class Scene:
    """An account with a position, its stop and its fill, on a clock that only waiting moves."""

    def __init__(self) -> None:
        self.now_ms = START_MS + 90 * MINUTE_MS
        self.faults = Faults()
        self.exchange: BitbankExchange
        self.running: RunningExchange
        self.settings: BitbankSettings

    def clock(self) -> int:
        return self.now_ms

    async def sleep(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)

    def garble(self, seed: int, where: str = "", times: int | None = None) -> None:
        self.faults.replace([Fault(FaultKind.GARBLED, where=where, times=times)], seed)


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    prepared = Scene()
    settings = SimulatorSettings(
        keys=(ApiKey("key", "secret"),), cash=CASH, queries_per_second=None, updates_per_second=None
    )
    source = ScriptSource([], START_MS, PRICE)
    running = RunningExchange(source, settings, speed=1, wall_ms=prepared.clock, begin_ms=prepared.now_ms)
    listener = loopback_socket(0)
    web = server(build_application(running, faults=prepared.faults))
    serving = asyncio.create_task(web.serve([listener]))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    reached = BitbankSettings(
        public_url=url, private_url=url, stream_url=url, private_stream_url=url, throttle=False, search_s=0.0
    )
    prepared.running, prepared.settings = running, reached
    try:
        async with BitbankExchange(
            reached, Credentials("key", "secret"), now_ms=prepared.clock, sleep=prepared.sleep
        ) as exchange:
            prepared.exchange = exchange
            assert isinstance(await exchange.place(BUY), Placed)
            assert isinstance(await exchange.place(STOP), Placed)
            yield prepared
    finally:
        web.should_exit = True
        await serving


def play(story: Callable[[Scene], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with scene() as prepared:
            await story(prepared)

    asyncio.run(whole())


def is_valid(value: Any) -> bool:
    """Whether a value that came through holds positive prices in their order."""
    match type(value).__name__:
        case "Ticker":
            bid, ask = value.bid or value.last, value.ask or value.last
            return min(value.last, bid, ask).ticks > 0 and (None in (value.bid, value.ask) or bid <= ask)
        case "OrderBook":
            return all(price.ticks > 0 for price, _ in (*value.bids, *value.asks))
        case "tuple":
            bars = [bar for bar in value if hasattr(bar, "low_ticks")]
            return all(0 < bar.low_ticks <= min(bar.open_ticks, bar.close_ticks) for bar in bars)
        case "AccountState":
            return value.mark.ticks > 0
    return True


@pytest.mark.parametrize(
    ("ask", "unusable"),
    [
        (lambda exchange: exchange.ticker(), UnusablePublicAnswerError),
        (lambda exchange: exchange.book(), UnusablePublicAnswerError),
        (lambda exchange: exchange.trades(), UnusablePublicAnswerError),
        (lambda exchange: exchange.status(), UnusablePublicAnswerError),
        (
            lambda exchange: exchange.candles(MINUTE_MS, START_MS, START_MS + 90 * MINUTE_MS),
            UnusablePublicAnswerError,
        ),
        (lambda exchange: exchange.candles(DAY_MS, START_MS - DAY_MS, START_MS + DAY_MS), UnusablePublicAnswerError),
        (lambda exchange: exchange.rules(), (UnusablePublicAnswerError, UnusablePrivateAnswerError)),
        (lambda exchange: exchange.account(), (UnusablePublicAnswerError, UnusablePrivateAnswerError)),
        (lambda exchange: exchange.balances(), UnusablePrivateAnswerError),
        (lambda exchange: exchange.margin_status(), UnusablePrivateAnswerError),
        (lambda exchange: exchange.positions(), UnusablePrivateAnswerError),
        (lambda exchange: exchange.open_orders(), UnusablePrivateAnswerError),
        (lambda exchange: exchange.fills_since(0), UnusablePrivateAnswerError),
        (lambda exchange: exchange.private_stream_pass(), UnusablePrivateAnswerError),
    ],
)
def test_given_garbled_answers_then_each_is_a_valid_value_or_the_typed_error(
    ask: Callable[[BitbankExchange], Awaitable[Any]], unusable: type[Exception]
) -> None:
    async def story(scene: Scene) -> None:
        refused = 0
        for seed in SEEDS:
            scene.garble(seed)
            try:
                assert is_valid(await ask(scene.exchange))
            except unusable:
                refused += 1
            except RetryLaterError as error:
                # A code of bitbank's that the fault made up, or an answer that was cut.
                raise AssertionError(error) from error
        assert refused > len(SEEDS) // 4

        scene.faults.replace(())
        assert is_valid(await ask(scene.exchange))

    play(story)


def test_given_garbled_answers_to_orders_then_what_became_of_them_is_found_out() -> None:
    async def story(scene: Scene) -> None:
        request = OrderRequest(side=Side.BUY, type=OrderType.LIMIT, amount=Btc.of("0.001"), price=Price(14_000_000))
        for seed in SEEDS:
            scene.garble(seed, "/v1/user/spot/order", times=1)
            placement = await scene.exchange.place(request)
            assert isinstance(placement, Placed | NotPlaced | Unknown)
            scene.faults.replace(())
            (resting,) = [
                order for order in await scene.exchange.open_orders() if order.request.type is OrderType.LIMIT
            ]
            assert not isinstance(placement, Placed) or placement.order.request == request
            scene.garble(seed, "/v1/user/spot/cancel_order", times=1)
            assert not (await scene.exchange.cancel(resting.order_id)).status.is_open

    play(story)


def test_given_garbled_messages_then_the_public_stream_gives_valid_values_or_nothing_and_is_heard_again() -> None:
    async def story(scene: Scene) -> None:
        stream = PublicStream(scene.settings, scene.clock)
        await stream.open()
        try:
            for seed in SEEDS:
                scene.garble(seed)
                scene.now_ms += 1_000
                scene.running.carry_out(Trade(Price(PRICE + seed), Btc(1), Side.BUY))
                await asyncio.sleep(0.01)
                assert stream.ticker is None or is_valid(stream.ticker)
                assert stream.book is None or is_valid(stream.book)
            scene.faults.replace(())
            await heard(scene, lambda: stream.ticker is not None and stream.book is not None)
        finally:
            await stream.close()

    play(story)


def test_given_garbled_events_then_the_private_stream_goes_on() -> None:
    async def story(scene: Scene) -> None:
        told: list[frozenset[str]] = []

        async def listen() -> None:
            async for names in PrivateStream(scene.exchange, scene.settings, scene.clock, scene.sleep).news():
                told.append(names)

        listening = asyncio.create_task(listen())
        try:
            for seed in SEEDS:
                scene.garble(seed)
                scene.now_ms += 1_000
                scene.running.carry_out(Trade(Price(PRICE + seed), Btc(1), Side.BUY))
                scene.running.carry_out(Place(BUY))
                await asyncio.sleep(0.01)
                assert not listening.done()
            scene.faults.replace(())
            told.clear()
            await heard(scene, lambda: any("spot_trade" in names for names in told), Place(BUY))
        finally:
            listening.cancel()
            await asyncio.wait({listening})

    play(story)


async def heard(scene: Scene, condition: Callable[[], bool], more: Command | None = None) -> None:
    """Let the market trade until a condition holds."""
    async with asyncio.timeout(60):
        while not condition():
            scene.now_ms += 1_000
            scene.running.carry_out(more or Trade(Price(PRICE), Btc(1), Side.BUY))
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("factor", [0.2, 4])
def test_given_a_price_far_from_the_last_then_it_is_refused_until_the_exchange_keeps_to_it(factor: float) -> None:
    now_ms = START_MS
    plausibility = Plausibility(lambda: now_ms)
    moved = Ticker(START_MS, Price(int(PRICE * factor)), None, None)
    plausibility.ticker(Ticker(START_MS, Price(PRICE), None, None))

    for _ in range(3):
        with pytest.raises(UnfitValueError, match="more than 3 times away"):
            plausibility.ticker(moved)
    now_ms += CONSISTENT_MS

    assert plausibility.ticker(moved) == moved
    with pytest.raises(UnfitValueError):
        plausibility.ticker(Ticker(START_MS, Price(PRICE), None, None))
