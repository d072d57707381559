"""The simulated bitbank as one ASGI application: REST and both streams on one address."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount

from crypto_kedro.exchange.simulator.answers import failure
from crypto_kedro.exchange.simulator.codes import ErrorCode
from crypto_kedro.exchange.simulator.faults import Faults
from crypto_kedro.exchange.simulator.faulty_wire import FaultyWire
from crypto_kedro.exchange.simulator.private_api import PREFIX, PrivateApi
from crypto_kedro.exchange.simulator.private_stream import PrivateStream
from crypto_kedro.exchange.simulator.public_api import public_routes
from crypto_kedro.exchange.simulator.public_stream import PublicStream
from crypto_kedro.exchange.simulator.running import RunningExchange

_log = logging.getLogger(__name__)


def build_application(
    running: RunningExchange, middleware: Sequence[Middleware] = (), faults: Faults | None = None
) -> Starlette:
    """Build the application; its lifespan ends what the streams have begun.

    Args:
        running: the exchange that answers.
        middleware: stands between the wire and the exchange, the outermost first; a middleware sees every request
            before the exchange does and every answer before the client does.
        faults: what goes wrong with requests and with messages of the streams, behind the middleware.
    """
    faults = Faults() if faults is None else faults
    public, private = PublicStream(running, faults), PrivateStream(running, faults)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            private.close()
            await public.close()

    application = Starlette(
        lifespan=lifespan,
        routes=[
            Mount("/socket.io", app=public.application),
            private.route,
            *public_routes(running),
            Mount(PREFIX, app=PrivateApi(running, private.issue_pass)),
        ],
        middleware=[*middleware, Middleware(FaultyWire, running=running, faults=faults)],
        exception_handlers={404: _not_found, 405: _not_found, Exception: _broken},
    )
    # bitbank does not know the path with a slash more; it does not redirect.
    application.router.redirect_slashes = False
    return application


async def _not_found(request: Request, _: Exception) -> Response:
    if request.url.path.startswith("/user/"):
        return failure(ErrorCode.VERSION_MISSING, 200)
    return failure(ErrorCode.URL_NOT_FOUND, 404)


async def _broken(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return failure(ErrorCode.SYSTEM_ERROR, 500)
