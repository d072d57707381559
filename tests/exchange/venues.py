"""Two exchanges that play the same minutes: the matching engine in the process, and bitbank's wire over loopback."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import numpy as np
from starlette.middleware import Middleware

from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.exchange.bitbank import BitbankExchange, BitbankSettings, Credentials
from crypto_kedro.exchange.in_process import InProcessExchange, RecordedMarket
from crypto_kedro.exchange.matching import MatchingEngine
from crypto_kedro.exchange.port import Exchange, Placed
from crypto_kedro.exchange.settings import EngineSettings
from crypto_kedro.exchange.simulator.application import build_application
from crypto_kedro.exchange.simulator.price_source import CandleSource
from crypto_kedro.exchange.simulator.running import RunningExchange
from crypto_kedro.exchange.simulator.server import loopback_socket, server
from crypto_kedro.exchange.simulator.settings import ApiKey, SimulatorSettings
from crypto_kedro.market.bars import MINUTE_MS, Bars
from crypto_kedro.trading.bitbank_rules import bitbank_btc_jpy_schedule
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.orders import Order, OrderRequest, OrderType, PositionSide, Side

START_MS = 1_790_000_040_000
START_PRICE = 5_000_000
CASH = Jpy.of(1_000_000)
SCHEDULE = bitbank_btc_jpy_schedule()
QUIET = [START_PRICE] * 10
_HISTORY = 5


class Venue(Protocol):
    """An exchange whose time a test moves."""

    exchange: Exchange

    @property
    def now_ms(self) -> int:
        """Unix milliseconds UTC at the exchange."""

    async def minute(self) -> None:
        """Let the next minute of the market pass."""


def minutes(closes: Sequence[int]) -> Bars:
    """Build five quiet minutes and then one that ends at each close, without a wick."""
    close = np.array([START_PRICE] * _HISTORY + list(closes), dtype=np.float64)
    opened = np.concatenate(([float(START_PRICE)], close[:-1]))
    opens_at = START_MS + MINUTE_MS * np.arange(-_HISTORY, len(closes), dtype=np.int64)
    volume = np.full(close.size, 100.0)
    gaps = np.zeros(close.size, dtype=np.int64)
    return Bars(MINUTE_MS, opens_at, opened, np.maximum(opened, close), np.minimum(opened, close), close, volume, gaps)


class EngineVenue:
    """The matching engine on recorded bars."""

    def __init__(self, bars: Bars) -> None:
        self._market = RecordedMarket(BarFeed(bars), SCHEDULE, half_spread=Price(250), depth=Btc.of("0.5"))
        self._engine = MatchingEngine(SCHEDULE, EngineSettings(), cash=CASH)
        self.exchange: Exchange = InProcessExchange(self._engine, self._market)
        for _ in range(_HISTORY):
            self._pass()

    @property
    def now_ms(self) -> int:
        return self._engine.now_ms

    async def minute(self) -> None:
        self._pass()

    def _pass(self) -> None:
        bar = self._market.next_bar()
        assert bar is not None
        self._engine.advance(bar)


class HandClock:
    """Real time as a test moves it, Unix milliseconds UTC."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms

    async def sleep(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)


class HandMovedVenue:
    """An exchange that shares a clock with its market, which the test moves."""

    def __init__(self, clock: HandClock, exchange: Exchange) -> None:
        self._clock = clock
        self.exchange: Exchange = exchange

    @property
    def now_ms(self) -> int:
        return self._clock.now_ms

    async def minute(self) -> None:
        self._clock.now_ms += MINUTE_MS


@asynccontextmanager
async def engine_venue(closes: Sequence[int]) -> AsyncIterator[Venue]:
    """Open the engine's venue."""
    yield EngineVenue(minutes(closes))


@asynccontextmanager
async def simulator(
    closes: Sequence[int], clock: HandClock, middleware: Sequence[Middleware] = (), cash: Jpy = CASH
) -> AsyncIterator[str]:
    """Serve the simulator on a free port and tell its address; middleware may lose what passes by."""
    settings = SimulatorSettings(
        keys=(ApiKey("key", "secret"),), cash=cash, queries_per_second=None, updates_per_second=None
    )
    source = CandleSource(minutes(closes), "contract", START_MS)
    running = RunningExchange(source, settings, speed=1, wall_ms=clock)
    listener = loopback_socket(0)
    web = server(build_application(running, middleware))
    serving = asyncio.create_task(web.serve([listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        web.should_exit = True
        await serving


@asynccontextmanager
async def bitbank_venue(closes: Sequence[int], middleware: Sequence[Middleware] = ()) -> AsyncIterator[Venue]:
    """Connect to the simulator over loopback."""
    clock = HandClock()
    async with simulator(closes, clock, middleware) as url:
        settings = BitbankSettings(public_url=url, private_url=url, throttle=False)
        credentials = Credentials("key", "secret")
        async with BitbankExchange(settings, credentials, now_ms=clock, sleep=clock.sleep) as connector:
            yield HandMovedVenue(clock, connector)


def ask(words: str, price: int | None = None, trigger: int | None = None, **more: Any) -> OrderRequest:
    """Build a request from words such as ``"buy long 0.1 limit"``; the amount ``all`` is the whole position."""
    side, market, amount, kind = words.split()
    return OrderRequest(
        side=Side(side),
        type={kind.value: kind for kind in OrderType}[kind],
        amount=None if amount == "all" else Btc.of(amount),
        price=None if price is None else Price(price),
        trigger_price=None if trigger is None else Price(trigger),
        position_side={"long": PositionSide.LONG, "short": PositionSide.SHORT, "spot": None}[market],
        **more,
    )


async def placed(venue: Venue, request: OrderRequest) -> Order:
    """Place an order that is accepted."""
    placement = await venue.exchange.place(request)
    assert isinstance(placement, Placed), placement
    return placement.order


async def opened(venue: Venue, words: str = "buy long 0.1 market") -> None:
    """Open a position and wait for its fill."""
    await placed(venue, ask(words))
    await venue.minute()
