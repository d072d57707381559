"""Serving the simulator on loopback with uvicorn."""

import asyncio
import socket
from collections.abc import Sequence

import uvicorn
from starlette.types import ASGIApp

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.exchange.simulator.running import RunningExchange
from crypto_kedro.listening import listening_socket

LOOPBACK = "127.0.0.1"
_GRACE_SECONDS = 1
# Longer than the 15 to 60 s for which usual clients keep an idle connection: otherwise they send into a closed one.
_IDLE_SECONDS = 75


def loopback_socket(port: int) -> socket.socket:
    """Return a listening socket on loopback; port 0 takes a free one.

    Raises:
        ConfigurationError: the port is taken.
    """
    try:
        return listening_socket(LOOPBACK, port)
    except OSError as error:
        raise ConfigurationError(
            f"port {port} of {LOOPBACK} cannot be used ({error.strerror}); name another"
        ) from error


class _Server(uvicorn.Server):
    """Ends the application before its connections, so that a request it holds back does not delay the stop."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listening in self.servers:
            listening.close()
        await self.lifespan.shutdown()
        await super().shutdown(sockets)


def server(application: ASGIApp) -> uvicorn.Server:
    """Return a server for an application; it takes its socket when it serves, and closes it when it stops."""
    config = uvicorn.Config(
        application,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    return _Server(config)


async def serve(running: RunningExchange, applications: Sequence[tuple[ASGIApp, socket.socket]]) -> None:
    """Serve until the process is asked to stop, while time passes.

    Args:
        running: the exchange.
        applications: each with the socket it is served on.
    """
    async with asyncio.TaskGroup() as tasks:
        time_passes = tasks.create_task(running.run())
        serving = [
            tasks.create_task(server(application).serve(sockets=[listener])) for application, listener in applications
        ]
        await asyncio.wait(serving)
        time_passes.cancel()


def run(running: RunningExchange, applications: Sequence[tuple[ASGIApp, socket.socket]]) -> None:
    """Serve as `serve` does, on a loop of its own; uvloop where it is installed."""
    with asyncio.Runner(loop_factory=uvicorn.Config(applications[0][0]).get_loop_factory()) as runner:
        runner.run(serve(running, applications))
