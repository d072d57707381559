"""A face behind a real socket, on a thread of its own, as a browser or a scheduler meets it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue
from typing import Any

import httpx
from shown_trader import ShownTrader

from crypto_kedro.serving.face import FaceSettings, FaceToken, serving_face
from crypto_kedro.serving.face.bounds import FaceBounds

SECRET = "a-token-of-the-tests-that-nobody-guesses"
TOKEN = FaceToken(SECRET)
BEARER = {"Authorization": f"Bearer {SECRET}"}


@contextmanager
def served(trader: ShownTrader, bounds: FaceBounds | None = None, **settings: Any) -> Iterator[str]:
    """Serve a face on a free port of loopback while the context is open; gives its address."""
    chosen = FaceSettings(**{"port": 0, "token": TOKEN} | settings)
    addresses: Queue[str] = Queue()
    loop = asyncio.new_event_loop()
    over = asyncio.Event()

    async def serve() -> None:
        async with serving_face(trader, chosen, bounds) as address:
            addresses.put(address)
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        yield addresses.get(timeout=10)
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(timeout=10)
        loop.close()


@contextmanager
def asking(trader: ShownTrader, **settings: Any) -> Iterator[httpx.Client]:
    """A client of a face of the trader."""
    with served(trader, **settings) as address, httpx.Client(base_url=address, timeout=10) as client:
        yield client
