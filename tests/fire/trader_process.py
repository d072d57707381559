"""A trader's process, seen from outside."""

import os
import re
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

PATIENCE_S = 120.0
"""Real seconds after which something that should happen is said not to."""


class TraderProcess:
    """A process that trades.

    Args:
        process: of it.
        key: its API key.
        output: file of its standard output and error.
        holds_lease: is set once it does.
        is_at_work: is set once its session has begun.
    """

    def __init__(self, process: BaseProcess, key: str, output: Path, holds_lease: Any, is_at_work: Any) -> None:
        self.process = process
        self.key = key
        self.output = output
        self.holds_lease = holds_lease
        self.is_at_work = is_at_work

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process.pid is not None
        return self.process.pid

    @property
    def page(self) -> tuple[str, int] | None:
        """Host and port of its page, None as long as there is none."""
        found = re.search(r"Dashboard at http://([^:/\s]+):(\d+)", self.output.read_text())
        return None if found is None else (found.group(1), int(found.group(2)))

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.process.is_alive()

    def signal(self, number: signal.Signals) -> None:
        """Signal it."""
        if self.process.pid is not None and self.is_alive:
            os.kill(self.process.pid, number)

    def wait_for_lease(self, seconds: float = PATIENCE_S) -> bool:
        """Wait until it has the lease; return whether it has."""
        return bool(self.holds_lease.wait(seconds))

    def comes_to_work(self) -> bool:
        """Wait until it is at work or at its end; return whether it is at work."""
        deadline = time.monotonic() + PATIENCE_S
        while self.is_alive and not self.is_at_work.wait(0.01):
            assert time.monotonic() < deadline, f"{self.key} does not begin"
        return self.is_alive

    def end(self) -> int:
        """Wait for its end and return its exit status."""
        self.process.join(PATIENCE_S)
        assert self.process.exitcode is not None, f"{self.key} does not end"
        return self.process.exitcode

    def kill(self) -> int:
        """End it on the spot."""
        self.process.kill()
        return self.end()
