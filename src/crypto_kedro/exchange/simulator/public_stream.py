"""bitbank's public stream over socket.io: rooms that tell ticker, trades, book and circuit breaker.

Source: bitbank public stream.
"""

import asyncio
from typing import Any

import socketio
from starlette.types import ASGIApp

from crypto_kedro.exchange.simulator.events import BookChanged, BreakerChanged, Event, TradePrinted
from crypto_kedro.exchange.simulator.faults import Delivery, Faults
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

TICKER, TRANSACTIONS, BREAKER = f"ticker_{PAIR}", f"transactions_{PAIR}", f"circuit_break_info_{PAIR}"
DIFFERENCE, WHOLE = f"depth_diff_{PAIR}", f"depth_whole_{PAIR}"
ROOMS = frozenset({TICKER, TRANSACTIONS, BREAKER, DIFFERENCE, WHOLE})

_PING_SECONDS, _PONG_SECONDS = 25, 60
_PACE_SECONDS = 0.05
_DIFFERENCES_BETWEEN_WHOLES = 10


class PublicStream:
    """Tells its rooms what has happened, at most once in 50 ms; costs nothing until the first client connects.

    Whoever joins is told the present state of the room at once, so a market that stands still can be seen too.

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
        self._server.on("connect", self._welcome)
        self._server.on("join-room", self._join)
        self._server.on("leave-room", self._leave)
        self.application: ASGIApp = socketio.ASGIApp(self._server)
        self._teller: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._trades: list[Json] = []
        self._breaker_changed = False
        self._shown = self._exchange.book()
        self._differences = 0
        self._pid = 0

    async def _welcome(self, *_: Any) -> None:
        if self._teller is None:
            self._exchange.events.subscribe(self._hear)
            self._shown = self._exchange.book()
            self._teller = asyncio.create_task(self._keep_telling())

    async def _join(self, sid: str, room: str) -> None:
        if room not in ROOMS:
            return
        # Differences lead from what was told last, so this has to be what the newcomer starts from.
        await self._tell()
        await self._server.enter_room(sid, room)
        message = self._state_of(room)
        if message is not None:
            await self._server.emit("message", {"room_name": room, "message": message}, to=sid)

    async def _leave(self, sid: str, room: str) -> None:
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
            await self._tell()
            await asyncio.sleep(_PACE_SECONDS)

    async def _tell(self) -> None:
        # What is to be told is settled before the first message leaves, so that two tellers never tell the same.
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
        for room, message in messages:
            for told in self._delivery.pass_on(room, message):
                await self._server.emit("message", {"room_name": room, "message": told}, room=room)

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
