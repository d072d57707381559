"""bitbank's public stream over socket.io: rooms that tell ticker, trades, book and circuit breaker.

Source: bitbank public stream.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import socketio
from starlette.types import ASGIApp

from crypto_kedro.exchange.simulator.events import BookChanged, BreakerChanged, Event, TradePrinted
from crypto_kedro.exchange.simulator.faults import Delivery, Faults
from crypto_kedro.exchange.simulator.older_engine_io import OlderEngineIo
from crypto_kedro.exchange.simulator.order_book import BookSnapshot, Level
from crypto_kedro.exchange.simulator.rendering import (
    Json,
    amount_text,
    book_json,
    breaker_json,
    levels_json,
    ticker_json,
    transaction_json,
)
from crypto_kedro.exchange.simulator.running import RunningExchange
from crypto_kedro.exchange.simulator.settings import PAIR
from crypto_kedro.exchange.simulator.task_set import TaskSet

TICKER, TRANSACTIONS, BREAKER = f"ticker_{PAIR}", f"transactions_{PAIR}", f"circuit_break_info_{PAIR}"
DIFFERENCE, WHOLE = f"depth_diff_{PAIR}", f"depth_whole_{PAIR}"
ROOMS = frozenset({TICKER, TRANSACTIONS, BREAKER, DIFFERENCE, WHOLE})

_NAMESPACE = "/"
_PING_SECONDS, _PONG_SECONDS = 25, 60
_PACE_SECONDS = 0.05
_DIFFERENCES_BETWEEN_WHOLES = 10


class PublicStream:
    """Tells its rooms what has happened, at most once in 50 ms; costs nothing until the first client connects.

    Whoever joins is told the present state of the room at once, so a market that stands still can be seen too. A
    subscription and background tasks stay until `close`.

    Args:
        running: the exchange.
        faults: what goes wrong with messages.

    Attributes:
        application: serves ``/socket.io/``.
    """

    def __init__(self, running: RunningExchange, faults: Faults) -> None:
        self._exchange = running.now()
        self._delivery = Delivery(faults)
        self._server = socketio.AsyncServer(
            async_mode="asgi", ping_interval=_PING_SECONDS, ping_timeout=_PONG_SECONDS, cors_allowed_origins="*"
        )
        self._tasks = TaskSet()
        # Engine.IO keeps no hold of what it starts, such as the next ping of a client, and would leave it behind.
        self._server.eio.start_background_task = self._tasks.start
        self._server.on("connect", self._welcome)
        self._server.on("join-room", self._join)
        self._server.on("leave-room", self._leave)
        self.application: ASGIApp = OlderEngineIo(socketio.ASGIApp(self._server))
        self._unsubscribe: Callable[[], None] | None = None
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()
        self._trades: list[Json] = []
        self._breaker_changed = False
        self._shown = self._exchange.book()
        self._differences = 0
        self._pid = 0

    async def close(self) -> None:
        """Listen and tell no more; the connections are closed by the server that holds them."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        await self._server.shutdown()
        await self._tasks.end()

    async def _welcome(self, *_: Any) -> None:
        if self._unsubscribe is None:
            self._unsubscribe = self._exchange.events.subscribe(self._hear)
            self._shown = self._exchange.book()
            self._tasks.start(self._keep_telling)

    async def _join(self, sid: str, room: object = None, *_: Any) -> None:
        if not isinstance(room, str) or room not in ROOMS:
            return
        async with self._turn:
            # Differences lead from what was told last, so this has to be what the newcomer starts from.
            await self._tell()
            if not self._server.manager.is_connected(sid, _NAMESPACE):
                return
            await self._server.enter_room(sid, room)
            state = self._state_of(room)
            if state is not None:
                await self._pass_on(room, state, to=sid)

    async def _leave(self, sid: str, room: object = None, *_: Any) -> None:
        if isinstance(room, str) and room in ROOMS:
            await self._server.leave_room(sid, room)

    def _state_of(self, room: str) -> Json | None:
        if room == TICKER:
            return self._numbered(ticker_json(self._exchange))
        if room == WHOLE:
            return {"data": book_json(self._shown)}
        return {"data": breaker_json(self._exchange)} if room == BREAKER else None

    def _hear(self, event: Event) -> None:
        if isinstance(event, TradePrinted):
            self._trades.append(transaction_json(event.transaction_id, event.trade))
        elif isinstance(event, BreakerChanged):
            self._breaker_changed = True
        elif not isinstance(event, BookChanged):
            return
        self._news.set()

    async def _keep_telling(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            async with self._turn:
                await self._tell()
            await asyncio.sleep(_PACE_SECONDS)

    async def _tell(self) -> None:
        for room, message in self._take_news():
            await self._pass_on(room, message, to=room)

    def _take_news(self) -> list[tuple[str, Json]]:
        """Return what has not been told yet, each message with its room."""
        trades, self._trades = self._trades, []
        breaker_changed, self._breaker_changed = self._breaker_changed, False
        before, now = self._shown, self._exchange.book()
        self._shown = now
        messages: list[tuple[str, Json]] = []
        if breaker_changed:
            messages.append((BREAKER, {"data": breaker_json(self._exchange)}))
        if trades:
            messages.append((TRANSACTIONS, self._numbered({"transactions": trades[::-1]})))
        if now.sequence_id != before.sequence_id:
            messages.append((DIFFERENCE, {"data": difference_json(before, now)}))
            self._differences += 1
            if self._differences % _DIFFERENCES_BETWEEN_WHOLES == 0:
                messages.append((WHOLE, {"data": book_json(now)}))
        if trades or now.sequence_id != before.sequence_id:
            messages.append((TICKER, self._numbered(ticker_json(self._exchange))))
        return messages

    async def _pass_on(self, room: str, message: Json, to: str) -> None:
        for told in self._delivery.pass_on(room, message):
            await self._server.emit("message", {"room_name": room, "message": told}, to=to)

    def _numbered(self, data: Json) -> Json:
        self._pid += 1
        return {"pid": self._pid, "data": data}


def difference_json(before: BookSnapshot, now: BookSnapshot) -> Json:
    """Return what leads from one book to the next: new amounts, ``"0"`` for levels that are gone."""
    shown: Json = {
        "a": _changes(before.asks, now.asks),
        "b": _changes(before.bids, now.bids),
        "t": now.at_ms,
        "s": str(now.sequence_id),
    }
    if now.lots_over != before.lots_over:
        shown["ao"] = amount_text(now.lots_over)
    if now.lots_under != before.lots_under:
        shown["bu"] = amount_text(now.lots_under)
    return shown


def _changes(before: tuple[Level, ...], now: tuple[Level, ...]) -> list[list[str]]:
    known, kept = set(before), {price for price, _ in now}
    changed = levels_json(tuple(level for level in now if level not in known))
    return changed + [[str(price), "0"] for price, _ in before if price not in kept]
