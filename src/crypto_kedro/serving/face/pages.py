"""The page and its parts, read once and served from memory."""

import hashlib
from collections.abc import Callable, Coroutine
from importlib import resources
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crypto_kedro.reporting.messages.reasons import reason_words
from crypto_kedro.reporting.messages.settings import Language
from crypto_kedro.session.records import LOSSCUT, REASONS

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json; charset=utf-8",
    "svg": "image/svg+xml",
}
_WORDS = "words.json"
_EXITS = ("stop", "target", LOSSCUT, "trigger_met")

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


def page_routes() -> list[Route]:
    """Return the routes of the page: itself at ``/`` and its parts under ``/page/``."""
    routes = []
    for file in resources.files("crypto_kedro.serving.face").joinpath("page").iterdir():
        suffix = file.name.rpartition(".")[2]
        if suffix not in _TYPES:
            continue
        body = _with_reasons(file.read_bytes()) if file.name == _WORDS else file.read_bytes()
        path = "/" if suffix == "html" else f"/page/{file.name}"
        routes.append(Route(path, _served(body, _TYPES[suffix]), methods=["GET"]))
    return routes


def _served(body: bytes, media_type: str) -> Endpoint:
    tag = f'W/"{hashlib.sha256(body).hexdigest()[:16]}"'
    headers = {"etag": tag, "cache-control": "no-cache"}

    async def endpoint(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=media_type, headers=headers)

    return endpoint


def _with_reasons(body: bytes) -> bytes:
    """Return the words of the page with those of the decisions' reasons, which other channels use too."""
    words: dict[str, dict[str, Any]] = msgspec.json.decode(body)
    for language in Language:
        words[language]["reasons"] = {reason: reason_words(reason, language) for reason in (*REASONS, *_EXITS)}
    return msgspec.json.encode(words)
