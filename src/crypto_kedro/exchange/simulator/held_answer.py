"""Holding an answer back while its client waits."""

import asyncio

from starlette.types import Receive

from crypto_kedro.exchange.simulator.task_set import end_tasks


async def hold(receive: Receive, release: asyncio.Event, within_s: float) -> bool:
    """Wait until the release, the client's leaving or the end of a time.

    Args:
        receive: channel of the request.
        release: ends the wait.
        within_s: length of the wait in seconds.

    Returns:
        Whether the client still waits.
    """
    leaving, released = asyncio.create_task(_departure(receive)), asyncio.create_task(release.wait())
    try:
        await asyncio.wait([leaving, released], timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        return not leaving.done()
    finally:
        await end_tasks(leaving, released)


async def _departure(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
