"""What reached the exchange and what left it: who asked, which orders it accepted from whom, who got an answer.

Polls of the streams are left out: they are held for minutes, so their end says nothing of whether the exchange answers.
"""

import json
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crypto_kedro.exchange.simulator.commands import Cancel, Command, Place
from crypto_kedro.exchange.simulator.rendering import wire_order_id
from crypto_kedro.exchange.simulator.running import RunningExchange
from crypto_kedro.trading.orders import Order


class Asked(Struct, frozen=True, tag=True):
    """A request arrived, without a key if it is not signed.

    ``at_ms`` is market time everywhere in this log, Unix milliseconds UTC.
    """

    number: int
    at_ms: int
    key: str
    path: str


class Accepted(Struct, frozen=True, tag=True):
    """The exchange carried out an order or a cancel of the request with this number."""

    number: int
    at_ms: int
    kind: str
    order_id: int


class Told(Struct, frozen=True, tag=True):
    """The request is over; ``ok`` says whether its client was served: it got what it asked for, or a refusal."""

    number: int
    at_ms: int
    ok: bool


Line = Asked | Accepted | Told

_STREAMS = ("/v2/subscribe/", "/socket.io/")
_REFUSALS = range(30_000, 70_000)
"""Codes that judge the request itself; the others say that the exchange or the client's clock is out of order."""

_asking: ContextVar[int | None] = ContextVar("asking", default=None)
_LINES = msgspec.json.Decoder(Line)


def read_wire_log(path: Path) -> Iterator[Line]:
    """Yield the lines of a log in their order."""
    with path.open("rb") as file:
        yield from map(_LINES.decode, file)


class LoggedExchange(RunningExchange):
    """A running exchange that writes down which request each order and cancel came from.

    Args:
        log: the file to append to.
        arguments, more: of `RunningExchange`.
    """

    def __init__(self, log: Path, *arguments: Any, **more: Any) -> None:
        self._log = log.open("ab", buffering=0)
        self._requests = 0
        super().__init__(*arguments, **more)

    def carry_out(self, command: Command) -> Order | None:
        order = super().carry_out(command)
        number = _asking.get()
        if number is not None and order is not None and isinstance(command, Place | Cancel):
            kind = type(command).__name__.lower()
            self.write(Accepted(number, self.clock.now_ms(), kind, wire_order_id(order.order_id)))
        return order

    def write(self, line: Line) -> None:
        """Append a line; it survives a kill of the process."""
        self._log.write(msgspec.json.encode(line) + b"\n")

    def next_number(self) -> int:
        """Number the requests."""
        self._requests += 1
        return self._requests

    def close(self) -> None:
        super().close()
        self._log.close()


class WireLog:
    """Middleware that writes down every request and whether its client got an answer.

    Args:
        app: answers.
        running: the exchange, which keeps the log.
    """

    def __init__(self, app: ASGIApp, running: LoggedExchange) -> None:
        self._app = app
        self._running = running

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_STREAMS):
            await self._app(scope, receive, send)
            return
        running = self._running
        key = Headers(scope=scope).get("access-key", "")
        number = running.next_number()
        running.write(Asked(number, running.clock.now_ms(), key, scope["path"]))
        answer = _Answer()

        async def pass_on(message: Message) -> None:
            await send(message)
            answer.take(message)

        token = _asking.set(number)
        try:
            await self._app(scope, receive, pass_on)
        finally:
            _asking.reset(token)
            running.write(Told(number, running.clock.now_ms(), answer.is_service))


class _Answer:
    """An answer on its way."""

    def __init__(self) -> None:
        self._status = 0
        self._body = b""
        self._is_whole = False

    def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
        else:
            self._body += message.get("body", b"")
            self._is_whole = not message.get("more_body", False)

    @property
    def is_service(self) -> bool:
        if not self._is_whole or self._status != 200:
            return False
        answer = json.loads(self._body)
        return answer["success"] == 1 or answer["data"]["code"] in _REFUSALS
