"""Serving the face beside a trader, on the same event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.listening import listening_socket
from crypto_kedro.serving.face.application import build_face
from crypto_kedro.serving.face.settings import FaceSettings
from crypto_kedro.session.status import WatchedTrader

_GRACE_SECONDS = 1
_LAST_PORT = 2**16 - 1


class _Server(uvicorn.Server):
    """Leaves the signals of the process to the trader, and tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.listens.set()


@asynccontextmanager
async def serving_face(trader: WatchedTrader, settings: FaceSettings) -> AsyncIterator[str]:
    """Serve the face while the context is open.

    Args:
        trader: shown and obeyed.
        settings: of the face.

    Yields:
        The address, such as ``http://127.0.0.1:8080``.

    Raises:
        ConfigurationError: the port cannot be used.
    """
    listener = _listener(settings)
    config = uvicorn.Config(
        build_face(trader, settings),
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
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
        return listening_socket(settings.host, settings.port)
    except OSError as error:
        raise ConfigurationError(
            f"face: {settings.host}:{settings.port} cannot be used ({error.strerror}); name another port, such as "
            f"`--params session.face.port={_another(settings.port)}` (0 takes a free one), or end what listens there"
        ) from error
