"""Noticing that a client has closed its connection."""

from starlette.types import Receive


async def departure(receive: Receive) -> None:
    """Wait until the client of a request whose body has been read is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
