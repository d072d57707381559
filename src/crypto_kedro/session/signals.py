"""Ending on SIGTERM and SIGINT within a bound, whatever the work is busy with."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from crypto_kedro.session.ending import EndReason, EndRequest

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_FORCED = 70
"""Exit status of a process that had to be ended by force (EX_SOFTWARE of sysexits.h)."""


class Ending(StrEnum):
    """How a run ended: by itself, in good order after a signal, or broken off after a signal."""

    BY_ITSELF = "by_itself"
    FINISHED = "finished"
    ABANDONED = "abandoned"


async def run_until_signalled(
    work: Callable[[EndRequest], Coroutine[Any, Any, None]],
    *,
    finish_s: float = 5.0,
    abandon_s: float = 2.0,
    force_s: float = 1.5,
) -> Ending:
    """Run until the work ends or the process is signalled; to be called in the main thread.

    The first signal sets the event and gives the work time to finish what it is at. Then, or at a second signal, it
    is cancelled. A process that is still there afterwards, because it waits for something that cannot be cancelled,
    is ended by force; a journal that is written before anything is sent makes that harmless. After SIGTERM that bound
    holds for all that the process does, also once the work is over.

    Args:
        work: is given the event that asks it to end.
        finish_s: seconds in which it may finish.
        abandon_s: seconds in which it may tidy up once it is cancelled.
        force_s: seconds beyond both after which the process ends in any case. Together they stay below the 10 s
            that Cloud Run leaves between SIGTERM and SIGKILL.

    Raises:
        Exception: what the work raised.
    """
    asked, hurried = EndRequest(), asyncio.Event()
    with _signals_heard(asked, hurried, finish_s + abandon_s + force_s):
        running = asyncio.create_task(work(asked))
        try:
            await _first_of(running, asked.wait())
            if asked.is_set():
                await _first_of(running, hurried.wait(), timeout_s=finish_s)
            if running.done():
                running.result()
                is_signalled = asked.is_set() and asked.reason is EndReason.ASKED
                return Ending.FINISHED if is_signalled else Ending.BY_ITSELF
            running.cancel()
            await asyncio.wait({running}, timeout=abandon_s)
            if not running.done():
                os._exit(_FORCED)
            if not running.cancelled():
                running.result()
            return Ending.ABANDONED
        finally:
            running.cancel()


async def _first_of(
    running: asyncio.Task[None], happening: Coroutine[Any, Any, Any], timeout_s: float | None = None
) -> None:
    waiting = asyncio.create_task(happening)
    await asyncio.wait({running, waiting}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


@contextmanager
def _signals_heard(asked: asyncio.Event, hurried: asyncio.Event, bound_s: float) -> Iterator[None]:
    """Set one event at the first signal, the other at the second, and start the clock of the bound.

    The loop's own handlers would not be called while something keeps the loop busy, and the bound would not begin.
    """
    loop = asyncio.get_running_loop()
    force = threading.Timer(bound_s, os._exit, (_FORCED,))
    force.daemon = True

    is_terminated = False

    def hear(number: int, _: object) -> None:
        nonlocal is_terminated
        is_terminated = is_terminated or number == signal.SIGTERM
        if force.ident is None:
            force.start()
            loop.call_soon_threadsafe(asked.set)
        else:
            loop.call_soon_threadsafe(hurried.set)

    before = {number: signal.signal(number, hear) for number in _SIGNALS}
    try:
        yield
    finally:
        if not is_terminated:
            force.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
