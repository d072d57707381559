"""Only the holder of the lease changes the account; everybody may read it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send
from steady_clock import TERMS, SteadyClock

from crypto_kedro.exchange.bitbank import BitbankExchange, BitbankSettings, Credentials
from crypto_kedro.exchange.bitbank.market_data import wall_clock_ms
from crypto_kedro.exchange.port import Exchange, Placed
from crypto_kedro.exchange.simulator.application import build_application
from crypto_kedro.exchange.simulator.price_source import ScriptSource
from crypto_kedro.exchange.simulator.running import RunningExchange
from crypto_kedro.exchange.simulator.server import loopback_socket, server
from crypto_kedro.exchange.simulator.settings import ApiKey, SimulatorSettings
from crypto_kedro.session.lease import FencedExchange, LeaseLostError, SqliteLease
from crypto_kedro.trading.money import Btc, Price
from crypto_kedro.trading.orders import OrderRequest, OrderType, PositionSide, Side

UPDATES = ("POST /v1/user/spot/order", "POST /v1/user/spot/cancel_order", "POST /v1/user/spot/cancel_orders")
BID = OrderRequest(
    side=Side.BUY,
    type=OrderType.LIMIT,
    amount=Btc.of("0.01"),
    price=Price(9_000_000),
    position_side=PositionSide.LONG,
)


class Ear:
    """Hears every request that reaches the exchange."""

    def __init__(self, app: ASGIApp, heard: list[str]) -> None:
        self._app = app
        self._heard = heard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._heard.append(f"{scope['method']} {scope['path']}")
        await self._app(scope, receive, send)


def at_the_simulator(
    lease: SqliteLease,
    story: Callable[[Exchange, list[str]], Awaitable[None]],
    *,
    throttle: bool = False,
    now_ms: Callable[[], int] = wall_clock_ms,
) -> None:
    """Play a story with an account that is fenced by a lease, and all that its exchange hears."""

    async def play() -> None:
        heard: list[str] = []
        source = ScriptSource([], 1_790_000_040_000, 10_000_000)
        keys = (ApiKey("key", "secret"),)
        running = RunningExchange(
            source, SimulatorSettings(keys=keys, queries_per_second=None, updates_per_second=None)
        )
        listener = loopback_socket(0)
        web = server(build_application(running, [Middleware(Ear, heard=heard)]))
        serving = asyncio.create_task(web.serve([listener]))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = BitbankSettings(public_url=url, private_url=url, throttle=throttle)
        async with BitbankExchange(settings, Credentials("key", "secret"), now_ms=now_ms) as exchange:
            await story(FencedExchange(exchange, lease), heard)
        web.should_exit = True
        await serving

    asyncio.run(play())


def test_given_the_lease_then_orders_and_cancels_pass(trader: Callable[[], SqliteLease]) -> None:
    lease = trader()

    async def story(exchange: Exchange, heard: list[str]) -> None:
        await lease.acquire()
        first, second = await exchange.place(BID), await exchange.place(BID)
        assert isinstance(first, Placed)
        assert isinstance(second, Placed)
        assert not (await exchange.cancel(first.order.order_id)).status.is_open
        assert [order.status.is_open for order in await exchange.cancel_many([second.order.order_id])] == [False]

    at_the_simulator(lease, story)


def test_given_the_lease_is_no_longer_safe_when_it_sends_then_nothing_reaches_the_network(
    trader: Callable[[], SqliteLease], clock: SteadyClock
) -> None:
    lease = trader()

    async def story(exchange: Exchange, heard: list[str]) -> None:
        await lease.acquire()
        resting = await exchange.place(BID)
        assert isinstance(resting, Placed)
        clock.now_ms += TERMS.usable_ms
        heard.clear()
        for send in (
            exchange.place(BID),
            exchange.cancel(resting.order.order_id),
            exchange.cancel_many([resting.order.order_id]),
        ):
            with pytest.raises(LeaseLostError, match="nothing is sent"):
                await send
        assert heard == []
        assert await exchange.open_orders() == (resting.order,)

    at_the_simulator(lease, story)


def test_given_orders_that_wait_for_their_turn_when_another_takes_the_lease_then_none_of_them_is_sent(
    trader: Callable[[], SqliteLease], clock: SteadyClock
) -> None:
    lease, successor = trader(), trader()

    async def story(exchange: Exchange, heard: list[str]) -> None:
        await lease.acquire()
        waiting = [asyncio.create_task(exchange.place(BID)) for _ in range(8)]
        async with asyncio.timeout(10):
            while UPDATES[0] not in heard:
                await asyncio.sleep(0)
        clock.now_ms += TERMS.ttl_ms
        assert await successor.acquire() is not None
        sent = heard.count(UPDATES[0])
        placements = await asyncio.gather(*waiting, return_exceptions=True)

        assert heard.count(UPDATES[0]) <= sent + 1  # one was on its way
        refused = [placement for placement in placements if isinstance(placement, LeaseLostError)]
        assert len(refused) == len(waiting) - heard.count(UPDATES[0]) > 0

    at_the_simulator(lease, story, throttle=True)


def test_given_a_process_that_hangs_at_its_signature_when_another_takes_the_lease_then_nothing_is_sent(
    trader: Callable[[], SqliteLease], clock: SteadyClock
) -> None:
    lease, successor = trader(), trader()
    signed_at: list[int] = []
    hangs = False

    def now_ms() -> int:
        """Tell the time of the signature; by the time it is told, the lease's time is over."""
        if hangs:
            clock.now_ms += TERMS.ttl_ms
            signed_at.append(clock.now_ms)
        return wall_clock_ms()

    async def story(exchange: Exchange, heard: list[str]) -> None:
        nonlocal hangs
        await lease.acquire()
        resting = await exchange.place(BID)
        assert isinstance(resting, Placed)
        heard.clear()
        for send in (exchange.place, exchange.cancel, exchange.cancel_many):
            what = {exchange.place: BID, exchange.cancel: resting.order.order_id}.get(send, [resting.order.order_id])
            assert lease.holds()
            hangs = True
            with pytest.raises(LeaseLostError, match="nothing is sent"):
                await send(what)  # type: ignore[arg-type]
            hangs = False
            assert await successor.acquire() is not None
            await successor.release()
            await lease.acquire()
        assert not set(heard) & set(UPDATES)
        assert len(signed_at) >= 3
        assert await exchange.open_orders() == (resting.order,)

    at_the_simulator(lease, story, now_ms=now_ms)


def test_given_no_lease_when_it_reads_then_everything_is_answered(trader: Callable[[], SqliteLease]) -> None:
    async def story(exchange: Exchange, heard: list[str]) -> None:
        assert (await exchange.ticker()).last == Price(10_000_000)
        assert (await exchange.rules()).min_amount == (await exchange.status()).min_amount
        assert (await exchange.book()).top is not None
        assert await exchange.open_orders() == (await exchange.account()).open_orders == ()
        assert (await exchange.balances()).cash == (await exchange.account()).cash
        assert not (await exchange.positions()).long.amount
        assert await exchange.margin_status() == (await exchange.account()).margin
        assert await exchange.fills_since(0) == ()
        assert heard

    at_the_simulator(trader(), story)
