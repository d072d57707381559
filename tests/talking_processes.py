"""Processes that a test talks to line by line."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

Talking = subprocess.Popen[str]


@contextmanager
def all_killed() -> Iterator[list[Talking]]:
    """Give a list of processes; those in it are killed at the end."""
    started: list[Talking] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def go(process: Talking) -> None:
    """Tell a process that waits for a line to go on."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def said(process: Talking) -> str:
    """Return the next line that a process says, empty at its end."""
    assert process.stdout is not None
    return process.stdout.readline().strip()
