"""Connections of the face: each is bounded in bytes and time, and all of them in number."""

import asyncio
import select
import socket
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from crypto_kedro.serving.face.bounds import FaceBounds
from crypto_kedro.serving.face.rare_log import RareLog

_RETRY_S = 1.0
_GRACE_S = 0.05
_SHARE_AT_ONCE = 8

OnLost = Callable[["BoundedConnection"], object]


class BoundedConnection(H11Protocol):
    """A connection that is dropped when its client neither sends nor reads.

    uvicorn reads the next request only after the answer before it, and writes an answer only into a buffer with room.

    Args:
        bounds: of the face.
        log: for what is refused or dropped.
        turn: held by the connection whose request is next, for one turn of the loop: the trader works between any two.
        on_lost: called with this connection when its socket is closed and its request is done.
        uvicorn: arguments of uvicorn's protocol.
    """

    def __init__(self, bounds: FaceBounds, log: RareLog, turn: asyncio.Lock, on_lost: OnLost, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._application, self.app = self.app, self._in_turn
        self._turn = turn
        self._is_asked = self._is_lost = False
        self._bounds = bounds
        self._log = log
        self._on_lost = on_lost
        self._is_idle = False
        self._received = 0
        self.waits_since_s = self.loop.time()

    @property
    def waits_for_client(self) -> bool:
        """Whether the client has to send or to read before the trader can go on."""
        cycle = self.cycle
        is_at_work = cycle is not None and not cycle.more_body and not cycle.response_complete
        return not is_at_work or self.flow.write_paused

    @property
    def reads(self) -> bool:
        """Whether bytes that have come are read in the next turn of the loop."""
        return not self.flow.read_paused and not self.flow.write_paused

    @property
    def is_open(self) -> bool:
        """Whether the connection holds a socket."""
        return self.transport is not None and not self._is_lost

    def drop(self, reason: str) -> None:
        """Close the connection without its client."""
        self._log.note(reason)
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Free what the connection held."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._is_lost = True
        if not self._is_asked:
            self._on_lost(self)

    def data_received(self, data: bytes) -> None:
        """Read a part of a request; its time begins with the first byte."""
        if self._is_idle:
            self._is_idle = False
            self.waits_since_s = self.loop.time()
        self._received += len(data)
        if self._received > self._bounds.request_bytes:
            self.drop("a request was too long")
            return
        super().data_received(data)

    def pause_writing(self) -> None:
        """Wait for the client to read; its time begins."""
        self.waits_since_s = self.loop.time()
        super().pause_writing()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._is_idle = True
        self._received = 0
        self.waits_since_s = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP; an answer under way cannot go on."""
        self._log.note("a request was no HTTP, or its header was too long")
        is_answering = self.conn.our_state is not h11.IDLE
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if is_answering:
            self.transport.abort()
        else:
            super().send_400_response(msg)

    def shutdown(self) -> None:
        """Close the connection once its answer is sent."""
        try:
            super().shutdown()
        except h11.LocalProtocolError:
            self.transport.abort()

    async def _in_turn(self, scope: Any, receive: Any, send: Any) -> None:
        cycle = self.cycle
        self._is_asked = True
        try:
            async with self._turn:
                await asyncio.sleep(0)
            # A stop is an order, even if its client has left.
            if not cycle.disconnected or scope["method"] == "POST":
                await self._application(scope, receive, send)
        finally:
            self._is_asked = False
            if self._is_lost:
                self._on_lost(self)


class Doorway:
    """Accepts connections, a few in a turn of the loop, up to a number that leaves descriptors to the trader.

    Args:
        listener: a listening socket.
        make: makes the protocol of a connection, given what to call when it is lost.
        bounds: of the face.
        log: for what is refused or dropped.
    """

    def __init__(
        self,
        listener: socket.socket,
        make: Callable[[OnLost], BoundedConnection],
        bounds: FaceBounds,
        log: RareLog,
    ) -> None:
        self._listener = listener
        self._make = make
        self._bounds = bounds
        self._at_once = max(1, bounds.connections // _SHARE_AT_ONCE)
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._connections: set[BoundedConnection] = set()
        self._opening: set[asyncio.Task[Any]] = set()
        self._retry: asyncio.TimerHandle | None = None
        listener.setblocking(False)

    def open(self) -> None:
        """Accept connections from now on."""
        self._retry = None
        self._loop.add_reader(self._listener, self._accept)

    def close(self) -> None:
        """Accept no more connections, and release the socket."""
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()

    def drop_all(self) -> None:
        """Close what clients still hold open."""
        for connection in self._connections:
            if connection.is_open:
                connection.transport.abort()

    def drop_slow(self) -> None:
        """Close connections whose clients are out of time."""
        latest_s = self._loop.time() - self._bounds.client_s
        for connection in self._connections:
            if connection.is_open and connection.waits_since_s < latest_s and connection.waits_for_client:
                connection.drop("a client neither sent nor read in time")

    def _accept(self) -> None:
        free = self._bounds.connections - len(self._connections)
        if not free:
            self._make_room()
            return  # The kernel keeps the new connections until the next turn of the loop.
        for _ in range(min(free, self._at_once)):
            try:
                accepted, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._log.note("a connection cannot be accepted", f" ({error.strerror})")
                self._loop.remove_reader(self._listener)
                self._retry = self._loop.call_later(_RETRY_S, self.open)
                return
            self._admit(accepted)

    def _admit(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        connection = self._make(self._connections.discard)
        self._connections.add(connection)
        opening = self._loop.create_task(self._begin(connection, accepted))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    async def _begin(self, connection: BoundedConnection, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: connection, accepted)
        except OSError:
            self._connections.discard(connection)
            accepted.close()

    def _make_room(self) -> None:
        """Drop the connections that wait longest for their clients; the others give way after their present answer."""
        latest_s = self._loop.time() - _GRACE_S
        waiting = {
            one.transport.get_extra_info("socket").fileno(): one
            for one in self._connections
            if one.is_open and one.waits_for_client and one.waits_since_s < latest_s
        }
        unread = select.poll()
        for descriptor, connection in waiting.items():
            if connection.reads:
                unread.register(descriptor, select.POLLIN)
        for descriptor, _ in unread.poll(0):
            del waiting[descriptor]
        longest = sorted(waiting.values(), key=lambda one: one.waits_since_s)
        for connection in longest[: self._at_once]:
            connection.drop("a connection made room for another one")
        if not longest:
            for connection in self._connections:
                if connection.is_open and not connection.waits_for_client:
                    connection.shutdown()
