"""What reached the exchange and what left it: who asked, which orders it accepted from whom, who got an answer.

Polls of the streams are left out: they are held for minutes, so their end says nothing of whether the exchange answers.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crypto_kedro.exchange.simulator.commands import Cancel, Command, Place
from crypto_kedro.exchange.simulator.faults import FaultKind, Faults
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

_ORDERS = ("/v1/user/spot/order", "/v1/user/spot/cancel_order")
_STREAMS = ("/v2/subscribe/", "/socket.io/")
_REFUSALS = range(30_000, 70_000)
"""Codes that judge the request itself; the others say that the exchange or the client's clock is out of order."""

_asking: ContextVar[int | None] = ContextVar("asking", default=None)
_LINES = msgspec.json.Decoder(Line)


def read_wire_log(path: Path, held_from: Mapping[str, int] | None = None) -> Iterator[Line]:
    """Yield the lines of a log in their order.

    Args:
        path: of the log.
        held_from: size of the log when the process of each key got the lease; what it asked before carries no key.
    """
    held_from, at = held_from or {}, 0
    with path.open("rb") as file:
        for text in file:
            line = _LINES.decode(text)
            if isinstance(line, Asked) and at < held_from.get(line.key, 0):
                line = structs.replace(line, key="")
            yield line
            at += len(text)


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


class Gate:
    """Holds one order or cancel up, so that something can happen at a known moment of a position's life.

    Args:
        path: of the file that closes it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reached = path.with_name(f"{path.name}.reached")
        self._seen = 0

    def close(self, number: int, *, is_answer: bool) -> None:
        """Hold up the request with this number among the orders and cancels from now on, or its answer."""
        self._reached.unlink(missing_ok=True)
        self._path.write_text(f"{number} {is_answer:d}")

    @property
    def holds_one(self) -> bool:
        """Whether a request is held up."""
        return self._reached.exists()

    def open(self) -> None:
        """Let everything pass."""
        self._path.unlink(missing_ok=True)
        self._reached.unlink(missing_ok=True)

    async def pass_through(self, scope: Scope, *, is_answer: bool) -> None:
        """Wait as long as this request, or its answer, is held up."""
        if scope["method"] != "POST" or scope["path"] not in _ORDERS:
            return
        if not self._path.exists():
            self._seen = 0
            return
        number, answer = map(int, self._path.read_text().split())
        self._seen += not is_answer
        if self._seen == number and is_answer == bool(answer):
            self._reached.touch()
            while self._path.exists():
                await asyncio.sleep(0.002)
            self._seen = 0


class WireLog:
    """Middleware that writes down every request and whether its client got an answer.

    Args:
        app: answers.
        running: the exchange, which keeps the log.
        gate: holds requests up; None lets all pass.
        faults: of the exchange; a client that got a garbled answer was not served.
    """

    def __init__(
        self, app: ASGIApp, running: LoggedExchange, gate: Gate | None = None, faults: Faults | None = None
    ) -> None:
        self._app = app
        self._running = running
        self._gate = gate
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_STREAMS):
            await self._app(scope, receive, send)
            return
        running = self._running
        key = Headers(scope=scope).get("access-key", "")
        number = running.next_number()
        running.write(Asked(number, running.clock.now_ms(), key, scope["path"]))
        answer, garbled = _Answer(), self._garbled()
        if self._gate is not None:
            await self._gate.pass_through(scope, is_answer=False)

        async def pass_on(message: Message) -> None:
            if self._gate is not None and message["type"] == "http.response.start":
                await self._gate.pass_through(scope, is_answer=True)
            await send(message)
            answer.take(message)

        token = _asking.set(number)
        try:
            await self._app(scope, receive, pass_on)
        finally:
            _asking.reset(token)
            is_served = answer.is_service and self._garbled() == garbled
            running.write(Told(number, running.clock.now_ms(), is_served))

    def _garbled(self) -> int:
        rows = [] if self._faults is None else self._faults.report()
        return sum(row["struck"] for row in rows if row["kind"] is FaultKind.GARBLED)


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
        try:
            answer = json.loads(self._body)
            return answer["success"] == 1 or answer["data"]["code"] in _REFUSALS
        except (ValueError, RecursionError, LookupError, TypeError):
            return False
