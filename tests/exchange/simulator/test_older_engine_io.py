"""Clients that speak Engine.IO 3, as bitbank allows, are served by a stream that speaks version 4."""

import asyncio
import json
from collections.abc import Callable

import pytest
from served import PRICE, Served
from starlette.types import Message, Receive, Scope, Send
from websockets.sync.client import ClientConnection, connect

from crypto_kedro.exchange.simulator.older_engine_io import OlderEngineIo

PATIENCE_S = 5.0
PING, PONG = "2", "3"


def frame(socket: ClientConnection) -> str:
    return str(socket.recv(PATIENCE_S))


@pytest.mark.parametrize("version", [2, 3])
def test_given_an_older_version_when_connecting_then_the_namespace_is_open_without_asking(
    serve: Callable[..., Served], version: int
) -> None:
    address = serve().url.replace("http", "ws")
    with connect(f"{address}/socket.io/?EIO={version}&transport=websocket") as socket:
        assert json.loads(frame(socket).removeprefix("0"))["pingInterval"] == 25_000
        assert frame(socket) == "40"
        socket.send('42["join-room","ticker_btc_jpy"]')
        room = json.loads(frame(socket).removeprefix("42"))[1]
    assert (room["room_name"], room["message"]["data"]["last"]) == ("ticker_btc_jpy", str(PRICE))


def test_given_an_older_client_when_it_pings_then_it_is_answered(serve: Callable[..., Served]) -> None:
    with connect(serve().url.replace("http", "ws") + "/socket.io/?EIO=3&transport=websocket") as socket:
        socket.send(PING)
        frames = [frame(socket), frame(socket), frame(socket)]
    assert frames[1:] in (["40", PONG], [PONG, "40"])


class Wire:
    """An older client's end of a connection, and an application that is led step by step."""

    def __init__(self) -> None:
        self.to_application: asyncio.Queue[Message] = asyncio.Queue()
        self.to_client: list[str] = []

    async def receive(self) -> Message:
        return await self.to_application.get()

    async def send(self, message: Message) -> None:
        if message["type"] == "websocket.send":
            self.to_client.append(message["text"])

    def client_says(self, text: str) -> None:
        self.to_application.put_nowait({"type": "websocket.receive", "text": text})


def held(script: Callable[[Wire, Receive, Send], object]) -> list[str]:
    """What the client hears while the application plays its script."""
    wire = Wire()

    async def application(_: Scope, receive: Receive, send: Send) -> None:
        await script(wire, receive, send)  # type: ignore[misc]

    scope = {"type": "websocket", "query_string": b"EIO=3&transport=websocket"}
    asyncio.run(asyncio.wait_for(OlderEngineIo(application)(scope, wire.receive, wire.send), PATIENCE_S))
    return wire.to_client


def test_given_a_ping_of_the_server_when_the_older_client_pings_then_the_server_hears_its_pong() -> None:
    async def script(wire: Wire, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.send", "text": PING})
        wire.client_says(PING)
        assert (await receive())["text"] == PONG

    assert held(script) == [PONG]


def test_given_no_ping_of_the_server_when_the_older_client_pings_then_the_server_hears_nothing_of_it() -> None:
    async def script(wire: Wire, receive: Receive, send: Send) -> None:
        wire.client_says(PING)
        wire.client_says('42["leave-room","ticker_btc_jpy"]')
        assert (await receive())["text"].startswith("42")

    assert held(script) == [PONG]
