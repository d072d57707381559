"""A webhook service on loopback that answers as Discord does: its limits, its errors, its rate limit, and bad days."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web
from aiohttp.test_utils import TestServer

WEBHOOK, TOKEN = "1122334455", "s3cret-token"
PATIENCE_S = 120.0


@dataclass
class Received:
    """A message that was taken, and the pictures it came with."""

    payload: dict[str, Any]
    files: dict[str, bytes]


@dataclass
class DiscordServer:
    """What was taken and refused; ``bad_days`` are answered first: an HTTP status, or a word.

    ``hang_up`` ends the connection, ``silence`` never answers, ``guard`` is the guard's page without JSON,
    and a float is a rate limit with that ``retry_after``.
    """

    now_s: Callable[[], float]
    bad_days: deque[int | float | str] = field(default_factory=deque)
    received: list[Received] = field(default_factory=list)
    requests: int = 0
    rate_limited: int = 0
    unwaited: int = 0
    url: str = ""
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _window_s: float = -1e9
    _used: int = 0

    async def messages(self, count: int) -> list[Received]:
        """Wait until so many messages have arrived."""
        await self._until(lambda: len(self.received) >= count)
        return self.received

    async def asked(self, count: int) -> None:
        """Wait until so many requests have come."""
        await self._until(lambda: self.requests >= count)

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(condition)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        self.unwaited += request.query.get("wait") != "true"
        response = await self._answer(request)
        async with self._changed:
            self._changed.notify_all()
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        payload, files = await _read(request)
        if self.bad_days:
            return await self._bad_day(self.bad_days.popleft(), request)
        if request.match_info["webhook"] != WEBHOOK:
            return _error(404, 10015, "Unknown Webhook")
        if request.match_info["token"] != TOKEN:
            return _error(401, 50027, "Invalid Webhook Token")
        limit = self._rate_limit()
        if self._used > 5:
            self.rate_limited += 1
            after = float(limit["X-RateLimit-Reset-After"])
            return _error(429, 0, "You are being rate limited.", limit, retry_after=after, **{"global": False})
        faults = discord_faults(payload, set(files))
        if faults:
            return _error(400, 50035, "Invalid Form Body", limit, errors=faults)
        self.received.append(Received(payload, files))
        if request.query.get("wait") != "true":
            return web.Response(status=204, headers=limit)
        return web.json_response({"id": str(len(self.received)), **payload}, headers=limit)

    def _rate_limit(self) -> dict[str, str]:
        """Count a request: five in two seconds."""
        if self.now_s() >= self._window_s + 2.0:
            self._window_s, self._used = self.now_s(), 0
        self._used += 1
        return {
            "X-RateLimit-Limit": "5",
            "X-RateLimit-Remaining": str(max(5 - self._used, 0)),
            "X-RateLimit-Reset-After": f"{self._window_s + 2.0 - self.now_s():.3f}",
        }

    async def _bad_day(self, what: int | float | str, request: web.Request) -> web.StreamResponse:
        if what == "hang_up":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if what == "silence":
            async with self._changed:
                self._changed.notify_all()
            await asyncio.Event().wait()
        if what == "guard":
            return web.Response(status=429, text="<html>error code: 1015</html>", content_type="text/html")
        if isinstance(what, float):
            self.rate_limited += 1
            return _error(429, 0, "You are being rate limited.", retry_after=what, **{"global": True})
        assert isinstance(what, int)
        return _error(what, 0, f"{what}: as scripted")


async def _read(request: web.Request) -> tuple[dict[str, Any], dict[str, bytes]]:
    if request.content_type == "application/json":
        return await request.json(), {}
    payload, files = {}, {}
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        if part.name == "payload_json":
            payload = await part.json()
        else:
            assert part.name == f"files[{len(files)}]"
            files[str(part.filename)] = bytes(await part.read())
    return payload or {}, files


def _error(
    status: int, code: int, message: str, headers: dict[str, str] | None = None, **more: object
) -> web.StreamResponse:
    return web.json_response({"message": message, "code": code, **more}, status=status, headers=headers)


def discord_faults(payload: dict[str, Any], files: set[str]) -> list[str]:
    """Return what Discord would refuse about a message."""
    embeds = payload.get("embeds", [])
    faults = []
    if not payload.get("content") and not embeds:
        faults.append("empty message")
    if len(payload.get("content", "")) > 2000:
        faults.append("content: 2000 or fewer in length")
    if len(embeds) > 10:
        faults.append("embeds: 10 or fewer in length")
    whole = 0
    for embed in embeds:
        title, description = embed.get("title", ""), embed.get("description", "")
        footer = embed.get("footer", {}).get("text", "")
        whole += len(title) + len(description) + len(footer)
        if len(title) > 256 or len(description) > 4096 or len(footer) > 2048:
            faults.append("embed: a text is too long")
        if not title and not description and "image" not in embed:
            faults.append("embed: empty")
        picture = embed.get("image", {}).get("url", "")
        if picture.startswith("attachment://") and picture.removeprefix("attachment://") not in files:
            faults.append(f"embed: no file {picture}")
    if whole > 6000:
        faults.append("embeds: 6000 or fewer characters in all")
    return faults


@asynccontextmanager
async def discord_server(now_s: Callable[[], float]) -> AsyncIterator[DiscordServer]:
    """Serve on a free port of loopback."""
    service = DiscordServer(now_s)
    application = web.Application(client_max_size=10 * 2**20)
    application.router.add_post("/api/webhooks/{webhook}/{token}", service.answer)
    server = TestServer(application, host="127.0.0.1")
    await server.start_server(shutdown_timeout=0)
    service.url = str(server.make_url(f"/api/webhooks/{WEBHOOK}/{TOKEN}"))
    try:
        yield service
    finally:
        await server.close()
