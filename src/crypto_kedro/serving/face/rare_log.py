"""A log that a client cannot fill: one line for each kind of event and minute."""

import asyncio
import logging


class RareLog:
    """Logs the first event of a kind at once, and the number of those that follow once an interval.

    Args:
        log: where the lines go.
        every_s: seconds of an interval.
    """

    def __init__(self, log: logging.Logger, every_s: float) -> None:
        self._log = log
        self._every_s = every_s
        self._unlogged: dict[str, int] = {}

    def note(self, kind: str, detail: str = "", error: BaseException | None = None) -> None:
        """Count an event; it is called on the event loop.

        Args:
            kind: one of a few fixed texts, without anything that a client chooses.
            detail: of this event, for the first line.
            error: whose traceback the first line shows.
        """
        if kind in self._unlogged:
            self._unlogged[kind] += 1
            return
        self._log.log(logging.WARNING if error is None else logging.ERROR, "face: %s%s", kind, detail, exc_info=error)
        self._count_again(kind)

    def _count_again(self, kind: str) -> None:
        self._unlogged[kind] = 0
        asyncio.get_running_loop().call_later(self._every_s, self._report, kind)

    def _report(self, kind: str) -> None:
        count = self._unlogged.pop(kind)
        if count:
            self._log.warning("face: %s, %d times more in %g s", kind, count, self._every_s)
            self._count_again(kind)
