"""A steady mixed load on a simulator: public and signed requests, orders and cancels, and listeners to both streams."""

import asyncio
import contextlib
import json
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from types import TracebackType
from typing import Any, Self

import aiohttp
from simulator_client import signed_headers

from crypto_kedro.exchange.bitbank import BitbankExchange, BitbankSettings, Credentials
from crypto_kedro.exchange.bitbank.private_stream import PrivateStream
from crypto_kedro.exchange.bitbank.public_stream import PublicStream
from crypto_kedro.exchange.port import RetryLaterError

REQUESTS_A_SECOND = 50

_PUBLIC = (
    "btc_jpy/ticker",
    "btc_jpy/depth",
    "btc_jpy/transactions",
    "btc_jpy/circuit_break_info",
    "tickers_jpy",
    "v1/spot/status",
    "v1/spot/pairs",
    "btc_jpy/candlestick/15min/{day}",
    "btc_jpy/candlestick/1min/{day}",
    "btc_jpy/candlestick/1day/{year}",
)
_SIGNED = (
    "user/assets",
    "user/spot/active_orders?pair=btc_jpy",
    "user/spot/trade_history?pair=btc_jpy&count=100",
    "user/margin/status",
    "user/margin/positions",
    "user/spot/order?pair=btc_jpy&order_id={order_id}",
)
_PATIENCE_S = 30.0
_FAR_BELOW = 0.9
_LISTENERS = 3
_PRESENCE_S = 30.0


class Load:
    """Sends 50 requests a second, of which bitbank's limits allow 8 signed queries and 5 orders or cancels.

    The pace does not wait for answers. Every tenth public request comes on a connection of its own, and once in ten
    seconds all transactions of a day are asked for.

    Args:
        url: address of the simulator.
        key, secret: of its account.

    Attributes:
        answers: number of answers by HTTP status and bitbank's error code (0 for success).
        lost: number of requests by the error that took the place of an answer.
        slowest_ms: time of the slowest answer, milliseconds.
    """

    def __init__(self, url: str, key: str, secret: str) -> None:
        self.answers: Counter[tuple[int, int]] = Counter()
        self.lost: Counter[str] = Counter()
        self.slowest_ms = 0.0
        self._url = url
        self._key, self._secret = key, secret
        self._market = datetime.now(UTC)
        self._last = 0.0
        self._resting: deque[int] = deque()
        self._newest_order = 1
        self._public, self._queries, self._updates = count(), count(), count()
        self._under_way: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=_PATIENCE_S)
        self._kept = aiohttp.ClientSession(timeout=timeout)
        self._fresh = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(force_close=True))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*self._under_way)
        await self._kept.close()
        await self._fresh.close()

    async def run(self, seconds: float) -> None:
        """Keep up the load for a number of seconds."""
        begun = time.monotonic()
        for number in range(round(seconds * REQUESTS_A_SECOND)):
            await asyncio.sleep(begun + number / REQUESTS_A_SECOND - time.monotonic())
            task = asyncio.create_task(self._request(number))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    def _request(self, number: int) -> Coroutine[Any, Any, None]:
        place = number % REQUESTS_A_SECOND
        if place % 10 == 0:
            return self._update(next(self._updates))
        if place % 10 == 5 or place in (3, 23, 43):
            return self._query(next(self._queries))
        if number % (10 * REQUESTS_A_SECOND) == 7:
            return self._get(f"btc_jpy/transactions/{self._market:%Y%m%d}")
        return self._look(next(self._public))

    async def _look(self, number: int) -> None:
        path = _PUBLIC[number % len(_PUBLIC)].format(day=f"{self._market:%Y%m%d}", year=self._market.year)
        data = await self._send(self._fresh if number % 10 == 9 else self._kept, "GET", f"/{path}")
        if path == _PUBLIC[0] and data:
            self._last, self._market = float(data["last"]), datetime.fromtimestamp(data["timestamp"] / 1000, UTC)

    async def _get(self, path: str) -> None:
        await self._send(self._kept, "GET", f"/{path}")

    async def _query(self, number: int) -> None:
        path = "/v1/" + _SIGNED[number % len(_SIGNED)].format(order_id=self._newest_order)
        await self._send(self._kept, "GET", path, signed_headers(self._key, self._secret, path))

    async def _update(self, number: int) -> None:
        """Rest two orders and cancel them, then trade at the market, now one way and now the other."""
        if not self._last:
            await self._look(0)
            return
        order: dict[str, Any] = {"pair": "btc_jpy", "side": "buy", "amount": "0.0001"}
        kind, turn = number % 5, number // 5
        if kind in (1, 3) and self._resting:
            await self._post("cancel_order", {"pair": "btc_jpy", "order_id": self._resting.popleft()})
        elif kind == 4:
            await self._post("order", order | {"type": "market", "side": ("buy", "sell")[turn % 2]})
        else:
            placed = await self._post("order", order | {"type": "limit", "price": str(int(self._last * _FAR_BELOW))})
            if placed:
                self._newest_order = placed["order_id"]
                self._resting.append(self._newest_order)

    async def _post(self, path: str, fields: dict[str, Any]) -> Any:
        body = json.dumps(fields)
        headers = signed_headers(self._key, self._secret, body)
        return await self._send(self._kept, "POST", f"/v1/user/spot/{path}", headers, body)

    async def _send(
        self,
        session: aiohttp.ClientSession,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: str | None = None,
    ) -> Any:
        """Send a request and count its answer; return the data of a success, None otherwise."""
        begun = time.monotonic()
        try:
            async with session.request(method, self._url + path, headers=headers, data=body) as response:
                answer = await response.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self.lost[type(error).__name__] += 1
            return None
        self.slowest_ms = max(self.slowest_ms, (time.monotonic() - begun) * 1000)
        self.answers[response.status, 0 if answer["success"] else answer["data"]["code"]] += 1
        return answer["data"] if answer["success"] else None


@asynccontextmanager
async def listeners(url: str, key: str, secret: str) -> AsyncIterator[Callable[[], bool]]:
    """Listen to both streams, with a client that comes and goes every 30 s; give a check that all are being told."""
    settings = BitbankSettings(public_url=url, private_url=url, stream_url=url, private_stream_url=url)
    streams = [PublicStream(settings) for _ in range(_LISTENERS)]
    async with BitbankExchange(settings, Credentials(key, secret)) as account:
        for stream in streams:
            await stream.open()
        tasks = [asyncio.create_task(_hear(account, settings)), asyncio.create_task(_come_and_go(settings))]
        try:
            yield (
                lambda: (
                    all(stream.ticker and stream.book for stream in streams) and not any(task.done() for task in tasks)
                )
            )
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            for stream in streams:
                await stream.close()


async def _hear(account: BitbankExchange, settings: BitbankSettings) -> None:
    async with aclosing(PrivateStream(account, settings).news()) as news:
        async for _ in news:
            pass


async def _come_and_go(settings: BitbankSettings) -> None:
    while True:
        stream = PublicStream(settings)
        try:
            await stream.open()
            await asyncio.sleep(_PRESENCE_S)
        except RetryLaterError as error:
            print(f"the client that comes and goes was turned away: {error}", flush=True)
        finally:
            await stream.close()
