"""Where a request comes from: by which name it calls the face, and whether this machine sent it."""

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from crypto_kedro.serving.face.answers import refusal
from crypto_kedro.serving.face.settings import LOOPBACK_NAMES

_ADDED_BY_PROXIES = frozenset({"forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"})
_ADDED_PREFIX = "x-forwarded-"


class KnownHosts:
    """Refuses a request by a name that is not the face's: a page from elsewhere can lead its own to this machine.

    Args:
        app: the application inside.
        names: hosts without a port, in lower case.
    """

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 400."""
        name = _host(Headers(scope=scope))
        if name in self._names:
            await self._app(scope, receive, send)
            return
        sentence = f"the face is not known as {name!r}; if that name is yours, add it to session.face.allowed_hosts"
        await refusal(sentence, 400)(scope, receive, send)


def is_local(request: Request) -> bool:
    """Return whether a request that came in over loopback began on this machine, as far as a proxy lets that be seen.

    It names loopback and bears no header that proxies add. One of HTTP/1.0 is not local either: that is all that tells
    nginx before 1.29.7 as it comes, which rewrites the name and adds no header.
    """
    headers = request.headers
    forwarded = any(name in _ADDED_BY_PROXIES or name.startswith(_ADDED_PREFIX) for name in headers)
    return _host(headers) in LOOPBACK_NAMES and not forwarded and request.scope["http_version"] != "1.0"


def _host(headers: Headers) -> str:
    return headers.get("host", "").partition(":")[0].lower()
