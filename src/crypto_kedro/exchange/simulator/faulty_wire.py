"""The wire between clients and the exchange on its bad days."""

import asyncio
from collections.abc import Awaitable, Callable, Set
from dataclasses import replace

import msgspec
from msgspec import Struct
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crypto_kedro.exchange.simulator.access import CLOCK_SKEW
from crypto_kedro.exchange.simulator.answers import failure
from crypto_kedro.exchange.simulator.codes import ErrorCode
from crypto_kedro.exchange.simulator.commands import Impose, Trade
from crypto_kedro.exchange.simulator.faults import Fault, FaultKind, Faults
from crypto_kedro.exchange.simulator.garbling import garbled
from crypto_kedro.exchange.simulator.held_answer import hold
from crypto_kedro.exchange.simulator.rendering import engine_order_id
from crypto_kedro.exchange.simulator.running import RunningExchange
from crypto_kedro.trading.money import Price
from crypto_kedro.trading.orders import Side

_STREAMS = ("/socket.io/", "/v2/subscribe/")
_CANCELS = ("/v1/user/spot/cancel_order", "/v1/user/spot/cancel_orders")
_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"


class FaultyWire:
    """Stands before the application and lets faults strike its requests; streams have faults of their own.

    Args:
        app: answers the requests.
        running: the exchange behind it.
        faults: in force.
    """

    def __init__(self, app: ASGIApp, running: RunningExchange, faults: Faults) -> None:
        self._app = app
        self._running = running
        self._faults = faults
        self._stop = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let it fail; nothing is held back any more when the lifespan ends."""
        if scope["type"] == "lifespan":
            receive = self._until_the_stop(receive)
        fault = None
        if scope["type"] == "http" and not self._faults.are_none:
            fault = self._faults.strike_request(scope["path"], _what_can_befall(scope))
        if fault is None:
            await self._app(scope, receive, send)
        else:
            await _HAPPENINGS[fault.kind](self, fault, scope, receive, send)

    def _until_the_stop(self, receive: Receive) -> Receive:
        async def heed() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self._stop.set()
            return message

        return heed

    async def _refuse(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.kind is FaultKind.SERVER_ERROR:
            answer: Response = _html_page(502, "502 Bad Gateway")
        elif fault.kind is FaultKind.TOO_FREQUENT:
            answer = failure(ErrorCode.TOO_FREQUENT, 429)
        else:
            answer = failure(self._running.settings.reused_nonce_code, self._running.settings.error_status)
        await answer(scope, receive, send)

    async def _time_out(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if await hold(receive, self._stop, fault.lasts_ms / 1_000):
            await _html_page(504, "504 Gateway Time-out")(scope, receive, send)

    async def _skew(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        state = {**scope.get("state", {}), CLOCK_SKEW: fault.lasts_ms}
        await self._app({**scope, "state": state}, receive, send)

    async def _close_down(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = self._running.now()
        until_ms = exchange.now_ms + fault.lasts_ms
        self._running.carry_out(Impose(replace(exchange.conditions, maintenance_until_ms=until_ms)))
        await self._app(scope, receive, send)

    async def _fill_first(self, _: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read(receive)
        for order_id in _named_orders(body):
            self._fill(order_id)
        await self._app(scope, _again(body, receive), send)

    def _fill(self, order_id: int) -> None:
        """Let others trade through the price of a resting order."""
        order = self._running.now().order(engine_order_id(order_id))
        if order is None or not order.status.is_open or order.request.price is None or order.remaining_amount is None:
            return
        through = -1 if order.request.side is Side.BUY else 1
        price = Price(order.request.price.ticks + through)
        self._running.carry_out(Trade(price, order.remaining_amount, order.request.side.opposite))

    async def _delay(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._answer(scope, receive)
        await hold(receive, self._stop, fault.lasts_ms / 1_000)
        for message in answer:
            await send(message)

    async def _lose(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read(receive)
        await self._answer(scope, _again(body, receive))
        await self._time_out(fault, scope, receive, send)

    async def _cut(self, _: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        start, *parts = await self._answer(scope, receive)
        body = b"".join(part.get("body", b"") for part in parts)
        await send(start)
        # The server closes the connection of an answer that remains shorter than announced.
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})

    async def _garble(self, _: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        start, *parts = await self._answer(scope, receive)
        body = garbled(b"".join(part.get("body", b"") for part in parts), self._faults.garbling)
        headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
        await send({**start, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> list[Message]:
        """Let the exchange answer, and keep the answer."""
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self._app(scope, receive, keep)
        return answer


_HAPPENINGS: dict[FaultKind, Callable[[FaultyWire, Fault, Scope, Receive, Send], Awaitable[None]]] = {
    FaultKind.SERVER_ERROR: FaultyWire._refuse,
    FaultKind.TOO_FREQUENT: FaultyWire._refuse,
    FaultKind.NONCE_REJECTED: FaultyWire._refuse,
    FaultKind.TIMEOUT: FaultyWire._time_out,
    FaultKind.CLOCK_SKEW: FaultyWire._skew,
    FaultKind.MAINTENANCE: FaultyWire._close_down,
    FaultKind.FILL_DURING_CANCEL: FaultyWire._fill_first,
    FaultKind.SLOW: FaultyWire._delay,
    FaultKind.ANSWER_LOST: FaultyWire._lose,
    FaultKind.CUT: FaultyWire._cut,
    FaultKind.GARBLED: FaultyWire._garble,
}

_EVERYWHERE = frozenset(_HAPPENINGS) - {FaultKind.NONCE_REJECTED, FaultKind.CLOCK_SKEW, FaultKind.FILL_DURING_CANCEL}


def _what_can_befall(scope: Scope) -> Set[FaultKind]:
    path, headers = scope["path"], Headers(scope=scope)
    if path.startswith(_STREAMS):
        return frozenset()
    possible = set(_EVERYWHERE)
    if "access-nonce" in headers:
        possible.add(FaultKind.NONCE_REJECTED)
    if "access-request-time" in headers:
        possible.add(FaultKind.CLOCK_SKEW)
    if path in _CANCELS:
        possible.add(FaultKind.FILL_DURING_CANCEL)
    return possible


def _html_page(status: int, title: str) -> Response:
    return HTMLResponse(_PAGE.format(title), status_code=status)


async def _read(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a channel on which a body that has been read arrives once more."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


class _Named(Struct):
    order_id: int = 0
    order_ids: tuple[int, ...] = ()


def _named_orders(body: bytes) -> tuple[int, ...]:
    try:
        named = msgspec.json.decode(body, type=_Named, strict=False)
    except msgspec.MsgspecError:
        # The exchange is going to refuse it.
        return ()
    return named.order_ids or (named.order_id,)
