"""The outermost layer: what every answer carries, and where an error ends that nobody foresaw."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crypto_kedro.serving.face.rare_log import RareLog

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Edge:
    """Adds headers that keep a browser from doing more with the face than the page needs, and logs what went wrong.

    Args:
        app: the application inside; it answers also when it raises.
        log: for errors.
    """

    def __init__(self, app: ASGIApp, log: RareLog) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back with the headers."""

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except Exception as error:  # noqa: BLE001 -- the edge of a request: it must not take the connection of the next one along
            self._log.note("a request failed", error=error)
