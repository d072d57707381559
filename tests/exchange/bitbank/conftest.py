"""A scripted exchange and a connector to it, with a clock that only waiting moves."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest
from wire_server import WireServer

from crypto_kedro.exchange.bitbank import BitbankExchange, BitbankSettings, Credentials

NOW_MS = 1_700_000_000_000
KEY = "key-4e1f"
SECRET = "test-secret"
T = TypeVar("T")


class Clock:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS
        self.waits: list[float] = []

    def __call__(self) -> int:
        return self.now_ms

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now_ms += round(seconds * 1000)


@pytest.fixture
def server() -> Iterator[WireServer]:
    server = WireServer()
    yield server
    server.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def run() -> Iterator[Callable[[Coroutine[Any, Any, T]], T]]:
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.fixture
def bitbank(server: WireServer, clock: Clock, run: Callable[..., Any]) -> Iterator[BitbankExchange]:
    settings = BitbankSettings(public_url=server.url, private_url=server.url, timeout_s=2.0, throttle=False)

    async def connect() -> BitbankExchange:
        return BitbankExchange(settings, Credentials(KEY, SECRET), now_ms=clock, sleep=clock.sleep)

    exchange = run(connect())
    yield exchange
    run(exchange.close())
