"""A simulator behind a real HTTP server, and a client that signs by the letter of bitbank's documentation."""

import asyncio
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from crypto_kedro.exchange.simulator.application import build_application
from crypto_kedro.exchange.simulator.commands import Command
from crypto_kedro.exchange.simulator.faults import Faults
from crypto_kedro.exchange.simulator.price_source import PriceSource, ScriptSource
from crypto_kedro.exchange.simulator.running import RunningExchange
from crypto_kedro.exchange.simulator.server import loopback_socket, server
from crypto_kedro.exchange.simulator.settings import ApiKey, SimulatorSettings
from crypto_kedro.trading.money import Btc, Jpy
from crypto_kedro.trading.orders import Side
from crypto_kedro.trading.quotes import TradePrint

KEY, SECRET = "test-key", "test-secret"
START_MS = 1_780_000_020_000  # a whole minute, 2026-05-28
PRICE = 15_000_000
_PATIENCE_S = 60
MINUTE_MS = 60_000

UNLIMITED = SimulatorSettings(
    keys=(ApiKey(KEY, SECRET),),
    cash=Jpy.of(1_000_000),
    btc=Btc.of("0.5"),
    queries_per_second=None,
    updates_per_second=None,
)


def settings_with(**changes: Any) -> SimulatorSettings:
    """The settings of the tests with some of them changed."""
    return replace(UNLIMITED, **changes)


def script(*trades: tuple[int, int, str, str]) -> ScriptSource:
    """Trades as (seconds after the start, price, amount, taker's side)."""
    prints = [
        TradePrint(START_MS + seconds * 1_000, price, Btc.of(amount).lots, Side(side))
        for seconds, price, amount, side in trades
    ]
    return ScriptSource(prints, START_MS, PRICE)


def signature(secret: str, text: str) -> str:
    """HMAC-SHA256 in lower-case hexadecimal digits."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Reply:
    """HTTP status and JSON body."""

    status: int
    body: dict[str, Any]

    @property
    def data(self) -> Any:
        """Data of a successful answer."""
        assert self.body["success"] == 1, self.body
        return self.body["data"]

    @property
    def code(self) -> int:
        """Error code of an answer without success."""
        assert self.body["success"] == 0, self.body
        return int(self.body["data"]["code"])


class Client:
    """Sends real requests.

    Args:
        url: address of the simulator.
    """

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=10.0)

    def public(self, path: str) -> Reply:
        """GET without a signature."""
        return self._reply(self.http.get(path))

    def get(self, path: str, headers: dict[str, str] | None = None) -> Reply:
        """GET a private path with its query, signed by time window unless headers are given."""
        signed = self.headers("/v1" + path) if headers is None else headers
        return self._reply(self.http.get("/v1" + path, headers=signed))

    def post(self, path: str, body: dict[str, Any] | str, headers: dict[str, str] | None = None) -> Reply:
        """POST to a private path, signed by time window unless headers are given."""
        text = body if isinstance(body, str) else json.dumps(body)
        signed = self.headers(text) if headers is None else headers
        signed = signed | {"Content-Type": "application/json"}
        return self._reply(self.http.post("/v1" + path, content=text, headers=signed))

    def order(self, side: str, kind: str, amount: str | None = "0.01", **more: Any) -> Reply:
        """Send an order."""
        fields = {"pair": "btc_jpy", "side": side, "type": kind, "amount": amount} | more
        return self.post("/user/spot/order", {name: value for name, value in fields.items() if value is not None})

    def look_up(self, order_id: int) -> dict[str, Any]:
        """The order as it is now."""
        order: dict[str, Any] = self.get(f"/user/spot/order?pair=btc_jpy&order_id={order_id}").data
        return order

    def cancel(self, order_id: int) -> Reply:
        """Cancel an order."""
        return self.post("/user/spot/cancel_order", {"pair": "btc_jpy", "order_id": order_id})

    def trades(self, query: str = "pair=btc_jpy&order=asc") -> list[dict[str, Any]]:
        """The trade history."""
        trades: list[dict[str, Any]] = self.get(f"/user/spot/trade_history?{query}").data["trades"]
        return trades

    def balance(self, asset: str) -> dict[str, Any]:
        """The balance of one asset."""
        assets = self.get("/user/assets").data["assets"]
        return next(row for row in assets if row["asset"] == asset)

    def position(self, side: str) -> dict[str, Any]:
        """The margin position of one side."""
        positions = self.get("/user/margin/positions").data["positions"]
        return next(row for row in positions if row["pair"] == "btc_jpy" and row["position_side"] == side)

    @staticmethod
    def headers(signed: str, *, at_ms: int | None = None, window: str = "5000") -> dict[str, str]:
        """Headers of the time-window method."""
        moment = str(time.time_ns() // 1_000_000 if at_ms is None else at_ms)
        return {
            "ACCESS-KEY": KEY,
            "ACCESS-REQUEST-TIME": moment,
            "ACCESS-TIME-WINDOW": window,
            "ACCESS-SIGNATURE": signature(SECRET, moment + window + signed),
        }

    @staticmethod
    def nonce_headers(signed: str, nonce: int) -> dict[str, str]:
        """Headers of the nonce method."""
        return {
            "ACCESS-KEY": KEY,
            "ACCESS-NONCE": str(nonce),
            "ACCESS-SIGNATURE": signature(SECRET, f"{nonce}{signed}"),
        }

    @staticmethod
    def _reply(response: httpx.Response) -> Reply:
        return Reply(response.status_code, response.json())


@asynccontextmanager
async def on_this_loop(application: ASGIApp, port: int = 0) -> AsyncIterator[str]:
    """Serve an application on the running loop and tell its address."""
    listener, web = loopback_socket(port), server(application)
    serving = asyncio.create_task(web.serve([listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        web.should_exit = True
        await serving


class Host:
    """One HTTP server on an ephemeral port of loopback, whose application can be exchanged."""

    def __init__(self) -> None:
        self.application: ASGIApp | None = None
        self._server = server(self)
        listener = loopback_socket(0)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, args=(listener,), daemon=True)
        self._thread.start()
        self.client = Client(self.url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the present application answer; their lifespans are not the server's, which outlives them."""
        if scope["type"] == "lifespan":
            return
        assert self.application is not None
        await self.application(scope, receive, send)

    def on_loop(self, act: Callable[[], Awaitable[object] | object]) -> None:
        """Call a function where the requests are answered, and wait for what it begins."""

        async def run() -> None:
            outcome = act()
            if isinstance(outcome, Awaitable):
                await outcome

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(_PATIENCE_S)

    def close(self) -> None:
        """Stop serving."""
        self.client.http.close()
        self._server.should_exit = True
        self._thread.join()

    def _serve(self, listener: socket.socket) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._server.serve(sockets=[listener]))
        self._loop.close()


class Served:
    """A simulator behind a host; its market stands still until it is stepped.

    Args:
        host: serves it from now on.
        source: the market.
        settings: account and behaviour.
        middleware: stands between the wire and the exchange.
        faults: what goes wrong.
        more: further arguments of the running exchange.
    """

    def __init__(
        self,
        host: Host,
        source: PriceSource,
        settings: SimulatorSettings = UNLIMITED,
        middleware: Sequence[Middleware] = (),
        faults: Faults | None = None,
        **more: Any,
    ) -> None:
        self._host = host
        self.url = host.url
        self.client = host.client
        host.on_loop(lambda: self._start(source, settings, middleware, faults, more))

    def pass_seconds(self, seconds: int) -> None:
        """Let market time pass."""
        self._host.on_loop(lambda: self.running.clock.step(seconds * 1_000))
        self._host.on_loop(self.running.now)

    def tell(self, command: Command) -> None:
        """Carry out a command beside the wire, as the switchboard does."""
        self._host.on_loop(lambda: self.running.carry_out(command))

    def close(self) -> None:
        """End its streams and close its state file."""
        self._host.on_loop(self._lifespan.aclose)
        self._host.on_loop(self.running.close)

    async def _start(
        self,
        source: PriceSource,
        settings: SimulatorSettings,
        middleware: Sequence[Middleware],
        faults: Faults | None,
        more: dict[str, Any],
    ) -> None:
        self.running = RunningExchange(source, settings, **more)
        application = build_application(self.running, middleware, faults)
        self._lifespan = AsyncExitStack()
        await self._lifespan.enter_async_context(application.router.lifespan_context(application))
        self._host.application = application
