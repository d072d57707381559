"""The face as an ASGI application over one trader."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.serving.face.access import Access, AccessError
from crypto_kedro.serving.face.answers import JsonAnswer, refusal
from crypto_kedro.serving.face.bounds import FaceBounds
from crypto_kedro.serving.face.edge import Edge
from crypto_kedro.serving.face.metrics import CONTENT_TYPE, metrics_text
from crypto_kedro.serving.face.origin import KnownHosts
from crypto_kedro.serving.face.pages import page_routes
from crypto_kedro.serving.face.rare_log import RareLog
from crypto_kedro.serving.face.readiness import checks
from crypto_kedro.serving.face.rendering import plain, status_json
from crypto_kedro.serving.face.settings import FaceSettings
from crypto_kedro.session.status import WatchedTrader
from crypto_kedro.session.stop_order import LONGEST_CONTENT, read_order

BY = "HTTP face"
_SMALLEST_TO_COMPRESS = 1_000
_COMPRESSION = 4
_log = logging.getLogger(__name__)

Result = TypeVar("Result")


def build_face(trader: WatchedTrader, settings: FaceSettings, bounds: FaceBounds, log: RareLog) -> ASGIApp:
    """Build the application; it is to be served on the trader's own event loop.

    Args:
        trader: shown and obeyed.
        settings: of the face.
        bounds: on wrong tokens.
        log: for what clients cause.
    """
    face = _Face(trader, settings, Access(settings, bounds, log))
    middleware = [Middleware(GZipMiddleware, minimum_size=_SMALLEST_TO_COMPRESS, compresslevel=_COMPRESSION)]
    if settings.host_names:
        middleware.append(Middleware(KnownHosts, names=settings.host_names))
    application = Starlette(
        routes=[
            Route("/health", face.health, methods=["GET"]),
            Route("/ready", face.ready, methods=["GET"]),
            Route("/metrics", face.metrics, methods=["GET"]),
            Route("/status", face.status, methods=["GET"]),
            Route("/tick", face.tick, methods=["POST"]),
            Route("/stop", face.stop, methods=["POST"]),
            Route("/token", face.token, methods=["POST"]),
            *page_routes(),
        ],
        middleware=middleware,
        exception_handlers={
            HTTPException: _unknown,
            AccessError: _forbidden,
            CryptoKedroError: _failed,
            Exception: _broken,
        },
    )
    # A redirect would lead to whatever host a request names.
    application.router.redirect_slashes = False
    return Edge(application, log)


class _Face:
    """The endpoints; every one but ``/health`` and ``/ready`` asks who calls."""

    def __init__(self, trader: WatchedTrader, settings: FaceSettings, access: Access) -> None:
        self._trader = trader
        self._settings = settings
        self._access = access
        self._at_work: set[asyncio.Future[Any]] = set()

    async def health(self, _: Request) -> Response:
        return JsonAnswer({"alive": True})

    async def ready(self, _: Request) -> Response:
        asked = checks(self._trader.status(), self._settings)
        ready = all(asked.values())
        return JsonAnswer({"ready": ready, "checks": asked}, 200 if ready else 503)

    async def metrics(self, request: Request) -> Response:
        self._access.require_reader(request)
        text = metrics_text(self._trader.status(), self._settings)
        return Response(text, headers={"content-type": CONTENT_TYPE, "cache-control": "no-store"})

    async def status(self, request: Request) -> Response:
        self._access.require_reader(request)
        may_act = self._settings.token is not None
        return JsonAnswer(status_json(self._trader.status(), self._settings) | {"takes_orders": may_act})

    async def tick(self, request: Request) -> Response:
        self._access.require_bearer(request)
        return JsonAnswer(plain(await self._whole(self._trader.tick())))

    async def stop(self, request: Request) -> Response:
        self._access.require_bearer(request)
        order = read_order(await _beginning(request), by=BY)
        await self._whole(self._trader.stop(by=BY, reason=order.reason, flatten=order.flatten))
        return JsonAnswer({"halted": plain(self._trader.status().halted)})

    async def token(self, request: Request) -> Response:
        return JsonAnswer({"token": self._access.exchange_code(request).secret})

    async def _whole(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Let the trader's work come to its own end, though the face be closed before: orders may be under way."""
        task = asyncio.ensure_future(work)
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)
        return await asyncio.shield(task)


async def _beginning(request: Request) -> bytes:
    """Return the first bytes of a body; one that is cut off is what arrived of it."""
    content = bytearray()
    with contextlib.suppress(ClientDisconnect):
        async for part in request.stream():
            content += part
            if len(content) >= LONGEST_CONTENT:
                break
    return bytes(content)


async def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refusal(f"{request.method} {request.url.path}: {error.detail}", error.status_code)


async def _forbidden(_: Request, error: Exception) -> Response:
    assert isinstance(error, AccessError)
    return refusal(str(error), error.status)


async def _failed(request: Request, error: Exception) -> Response:
    _log.error("%s %s: %s", request.method, request.url.path, error)
    return refusal(str(error), 503)


async def _broken(_: Request, __: Exception) -> Response:
    return refusal("the trader met an error of its own; its log has it", 500)
