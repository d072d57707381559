"""The simulated bitbank as one ASGI application: public and private REST on one address."""

import logging
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount

from crypto_kedro.exchange.simulator.answers import failure
from crypto_kedro.exchange.simulator.codes import ErrorCode
from crypto_kedro.exchange.simulator.private_api import PREFIX, PrivateApi
from crypto_kedro.exchange.simulator.public_api import public_routes
from crypto_kedro.exchange.simulator.running import RunningExchange

_log = logging.getLogger(__name__)


def build_application(running: RunningExchange, middleware: Sequence[Middleware] = ()) -> Starlette:
    """Build the application.

    Args:
        running: the exchange that answers.
        middleware: stands between the wire and the exchange, the outermost first. This is the place of faults: a
            middleware sees every request before the exchange does and every answer before the client does, so it can
            delay, replace or lose either of them.
    """
    application = Starlette(
        routes=[*public_routes(running), Mount(PREFIX, app=PrivateApi(running))],
        middleware=list(middleware),
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
