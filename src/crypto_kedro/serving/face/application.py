"""The face as an ASGI application over one trader."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.serving.face.access import AccessError, require_bearer, require_reader
from crypto_kedro.serving.face.answers import JsonAnswer, refusal
from crypto_kedro.serving.face.edge import Edge
from crypto_kedro.serving.face.metrics import CONTENT_TYPE, metrics_text
from crypto_kedro.serving.face.origin import KnownHosts
from crypto_kedro.serving.face.pages import page_routes
from crypto_kedro.serving.face.readiness import checks
from crypto_kedro.serving.face.rendering import plain, status_json
from crypto_kedro.serving.face.settings import FaceSettings
from crypto_kedro.session.status import WatchedTrader

BY = "HTTP face"
_SMALLEST_TO_COMPRESS = 1_000
_COMPRESSION = 4
_LONGEST_REASON = 300
_log = logging.getLogger(__name__)

Result = TypeVar("Result")


class StopOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /stop``: why, and whether the position is closed too."""

    reason: str
    flatten: bool = False


def build_face(trader: WatchedTrader, settings: FaceSettings) -> ASGIApp:
    """Build the application; it is to be served on the trader's own event loop."""
    face = _Face(trader, settings)
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
    return Edge(application)


class _Face:
    """The endpoints; every one but ``/health`` and ``/ready`` asks who calls."""

    def __init__(self, trader: WatchedTrader, settings: FaceSettings) -> None:
        self._trader = trader
        self._settings = settings
        self._at_work: set[asyncio.Future[Any]] = set()

    async def health(self, _: Request) -> Response:
        return JsonAnswer({"alive": True})

    async def ready(self, _: Request) -> Response:
        asked = checks(self._trader.status(), self._settings)
        ready = all(asked.values())
        return JsonAnswer({"ready": ready, "checks": asked}, 200 if ready else 503)

    async def metrics(self, request: Request) -> Response:
        require_reader(request, self._settings)
        text = metrics_text(self._trader.status(), self._settings)
        return Response(text, headers={"content-type": CONTENT_TYPE, "cache-control": "no-store"})

    async def status(self, request: Request) -> Response:
        require_reader(request, self._settings)
        may_act = self._settings.token is not None
        return JsonAnswer(status_json(self._trader.status(), self._settings) | {"takes_orders": may_act})

    async def tick(self, request: Request) -> Response:
        require_bearer(request, self._settings)
        return JsonAnswer(plain(await self._whole(self._trader.tick())))

    async def stop(self, request: Request) -> Response:
        require_bearer(request, self._settings)
        try:
            order = msgspec.json.decode(await request.body(), type=StopOrder)
        except msgspec.MsgspecError as error:
            return refusal(f'stop: {error}; send {{"reason": "why", "flatten": false}}', 400)
        reason = order.reason.strip()
        if not 0 < len(reason) <= _LONGEST_REASON:
            return refusal(f"stop: say why, in 1 to {_LONGEST_REASON} characters", 400)
        await self._whole(self._trader.stop(by=BY, reason=reason, flatten=order.flatten))
        return JsonAnswer({"halted": plain(self._trader.status().halted)})

    async def _whole(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Let the trader's work come to its own end, though the face be closed before: orders may be under way."""
        task = asyncio.ensure_future(work)
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)
        return await asyncio.shield(task)


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
