"""Serving the face in a trader's process, on the same event loop."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.listening import listening_socket
from crypto_kedro.serving.face.application import build_face
from crypto_kedro.serving.face.bounds import FaceBounds
from crypto_kedro.serving.face.connections import BoundedConnection, Doorway, OnLost
from crypto_kedro.serving.face.rare_log import RareLog
from crypto_kedro.serving.face.settings import FaceSettings
from crypto_kedro.session.status import WatchedTrader

_GRACE_SECONDS = 1
_LAST_PORT = 2**16 - 1
_SOCKET_BYTES = 64 * 1024
_TICKS_A_SECOND = 10
_log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """Leaves the signals of the process to the trader, bounds its connections, and sets an event when it listens."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket, bounds: FaceBounds, log: RareLog) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()
        self._bounds = bounds
        self._log = log
        self._turn = asyncio.Lock()
        self._doorway = Doorway(listener, self._connection, bounds, log)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
            self._doorway.open()
        finally:
            self.listens.set()

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_A_SECOND == 0:
            self._doorway.drop_slow()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._doorway.close()
        try:
            await super().shutdown(sockets)
        finally:
            self._doorway.drop_all()

    def _connection(self, on_lost: OnLost) -> BoundedConnection:
        return BoundedConnection(
            self._bounds,
            self._log,
            self._turn,
            on_lost,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )


@asynccontextmanager
async def serving_face(
    trader: WatchedTrader, settings: FaceSettings, bounds: FaceBounds | None = None
) -> AsyncIterator[str]:
    """Serve the face while the context is open.

    Args:
        trader: shown and obeyed.
        settings: of the face.
        bounds: on what its clients may take; None derives them from the process.

    Yields:
        The address, such as ``http://127.0.0.1:8080``.

    Raises:
        ConfigurationError: the port cannot be used.
    """
    bounds = bounds or FaceBounds()
    log = RareLog(_log, bounds.log_every_s)
    listener = _listener(settings)
    config = uvicorn.Config(
        build_face(trader, settings, bounds, log),
        http=BoundedConnection,
        ws="none",
        # uvicorn logs every request that it refuses; `RareLog` counts them.
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        h11_max_incomplete_event_size=bounds.header_bytes,
        timeout_keep_alive=bounds.idle_s,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    server = _Server(config, listener, bounds, log)
    serving = asyncio.create_task(server.serve(sockets=[]))
    try:
        await server.listens.wait()
        yield f"http://{settings.host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


def _another(port: int) -> int:
    return port + 1 if 0 < port < _LAST_PORT else 0


def _listener(settings: FaceSettings) -> socket.socket:
    try:
        listener = listening_socket(settings.host, settings.port)
    except OSError as error:
        raise ConfigurationError(
            f"face: {settings.host}:{settings.port} cannot be used ({error.strerror}); name another port, such as "
            f"`--params session.face.port={_another(settings.port)}` (0 takes a free one), or end what listens there"
        ) from error
    # Its connections inherit both: no read is longer, and a client that does not read delays few answers.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BYTES)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
    return listener
