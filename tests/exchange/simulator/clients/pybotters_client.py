"""pybotters as a program: ``pybotters_client.py PORT KEY SECRET``, one call a line.

Its addresses keep bitbank's and PubNub's names, by which it knows what to sign; only scheme and port differ, and the
names lead to this machine.
"""

import asyncio
import json
import socket
import sys
from collections.abc import Callable
from typing import Any

import aiohttp
import pybotters
from aiohttp.abc import AbstractResolver, ResolveResult
from pybotters.helpers.bitbank import subscribe

PATIENCE_S = 30.0


class Loopback(AbstractResolver):
    """Finds every host on this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the one address."""
        found = {"hostname": host, "host": "127.0.0.1", "port": port, "family": socket.AF_INET, "proto": 0}
        return [ResolveResult(**found, flags=socket.AI_NUMERICHOST)]

    async def close(self) -> None:
        """Nothing is held."""


class Program:
    """The calls that a line can name.

    Args:
        client: of pybotters.
        port: of the simulator.
    """

    def __init__(self, client: pybotters.Client, port: str) -> None:
        self._client = client
        self._port = port
        self._public, self._private = pybotters.bitbankDataStore(), pybotters.bitbankPrivateDataStore()
        self._tasks: list[asyncio.Task[None]] = []

    async def get(self, host: str, path: str, query: dict[str, str]) -> Any:
        """GET and return the body."""
        async with self._client.get(f"http://{host}:{self._port}{path}", params=query) as response:
            return await response.json()

    async def post(self, path: str, data: dict[str, Any]) -> Any:
        """POST and return the body."""
        async with self._client.post(f"http://api.bitbank.cc:{self._port}{path}", data=data) as response:
            return await response.json()

    async def join(self, *rooms: str) -> None:
        """Follow rooms of the public stream, in the way that pybotters' own example does."""
        joins = [f"42{json.dumps(['join-room', room])}" for room in rooms]
        address = f"ws://stream.bitbank.cc:{self._port}/socket.io/?EIO=3&transport=websocket"
        await self._client.ws_connect(address, send_str=joins, hdlr_str=self._public.onmessage)

    async def listen(self) -> None:
        """Read the account and follow the private stream from then on."""
        address = f"http://api.bitbank.cc:{self._port}"
        reads = ("assets", "spot/active_orders", "margin/positions")
        await self._private.initialize(*(self._client.get(f"{address}/v1/user/{path}") for path in reads))
        hears = asyncio.Event()

        async def follow() -> None:
            pubnub = f"http://ps.pndsn.com:{self._port}"
            async for told in subscribe(self._client, bitbank_server=address, pubnub_server=pubnub):
                for message in told["m"]:
                    self._private.onmessage(message["d"])
                hears.set()

        self._tasks.append(asyncio.create_task(follow()))
        await asyncio.wait_for(hears.wait(), PATIENCE_S)

    async def book(self, expected: dict[str, list[list[str]]]) -> dict[str, list[list[str]]]:
        """Wait until the store holds this book, and return what it holds at last."""

        def held() -> dict[str, list[list[str]]]:
            sides = self._public.depth.sorted()
            return {side: [[row["price"], row["amount"]] for row in rows] for side, rows in sides.items()}

        return await self._until(self._public.depth, lambda: held() == expected, held)

    async def rows(self, store: str, expected: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Wait until a store has these rows among others, and return what it holds at last."""
        collection = self._private if hasattr(self._private, store) else self._public
        followed = getattr(collection, store)
        return await self._until(
            followed, lambda: all(followed.find(row) for row in expected), lambda: list(followed.find())
        )

    async def gone(self, store: str, row: dict[str, Any]) -> bool:
        """Wait until a store has such a row no more."""
        followed = getattr(self._private, store)
        return await self._until(followed, lambda: not followed.find(row), lambda: not followed.find(row))

    async def _until(self, store: Any, is_there: Callable[[], bool], tell: Callable[[], Any]) -> Any:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not is_there():
                    await store.wait()
        except TimeoutError:
            pass
        return tell()


async def main(port: str, key: str, secret: str) -> None:
    """Answer every line ``[method, arguments, settings]`` with one line of JSON."""
    connector = aiohttp.TCPConnector(resolver=Loopback())
    async with pybotters.Client(apis={"bitbank": [key, secret]}, connector=connector) as client:
        program = Program(client, port)
        while line := await asyncio.to_thread(sys.stdin.readline):
            method, arguments, _ = json.loads(line)
            answer = {"result": await getattr(program, method)(*arguments)}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
