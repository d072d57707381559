"""Background tasks that end with their owner."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class TaskSet:
    """Starts tasks and ends them together; what is started after that is cancelled before its first step."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._has_ended = False

    def start(self, work: Callable[..., Coroutine[Any, Any, T]], *arguments: Any, **more: Any) -> asyncio.Task[T]:
        """Run a coroutine function with these arguments beside everything else."""
        task = asyncio.create_task(work(*arguments, **more))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._has_ended:
            task.cancel()
        return task

    async def end(self) -> None:
        """Cancel what still runs and wait until it has ended; not to be called from one of the tasks."""
        self._has_ended = True
        await end_tasks(*self._tasks)


async def end_tasks(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
