"""Clients of older Engine.IO versions on the public stream, which bitbank serves too.

bitbank recommends version 4 but has ``allowEIO3`` set, and pybotters connects with ``EIO=3``.

Source: bitbank-api-docs, issue 4; Engine.IO protocol, versions 3 and 4.
"""

from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PING, _PONG, _JOIN_NAMESPACE = "2", "3", "40"
_VERSION = "EIO"


class OlderEngineIo:
    """Translates websockets of Engine.IO 2 and 3 for an application that speaks version 4; passes on all others.

    In the older versions the client is in the default namespace without asking for it, and the client sends the pings.

    Args:
        application: speaks Engine.IO 4.
    """

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "websocket":
            query = parse_qs(scope["query_string"].decode("ascii", "replace"))
            if query.get(_VERSION) in (["2"], ["3"]):
                conversation = _Conversation(receive, send)
                receive, send = conversation.receive, conversation.send
                scope = {**scope, "query_string": f"{_VERSION}=4&transport=websocket".encode()}
        await self._application(scope, receive, send)


class _Conversation:
    """Stands between an older client and the application."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._from_client, self._to_client = receive, send
        self._is_accepted = self._has_joined = self._is_pong_due = False

    async def receive(self) -> Message:
        """Return what the application hears next."""
        if self._is_accepted and not self._has_joined:
            self._has_joined = True
            return {"type": "websocket.receive", "text": _JOIN_NAMESPACE}
        while True:
            message = await self._from_client()
            text = message.get("text") or ""
            if not text.startswith(_PING):
                return message
            await self._to_client({"type": "websocket.send", "text": _PONG + text.removeprefix(_PING)})
            # The client lives, which is all that the application's own ping asks.
            if self._is_pong_due:
                self._is_pong_due = False
                return {"type": "websocket.receive", "text": _PONG}

    async def send(self, message: Message) -> None:
        """Pass on what the application says."""
        text = message.get("text") or ""
        if message["type"] == "websocket.accept":
            self._is_accepted = True
        if text == _PING:
            self._is_pong_due = True
            return
        if text.startswith(_JOIN_NAMESPACE):
            message = {"type": "websocket.send", "text": _JOIN_NAMESPACE}
        await self._to_client(message)
