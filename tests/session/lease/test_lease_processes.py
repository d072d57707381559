"""Real processes that are started together, killed, stopped and woken again."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from talking_processes import Talking, all_killed, go, said

from crypto_kedro.session.lease import Fence, LeaseTerms, SqliteLease, acquire_within

TERMS = LeaseTerms(ttl_ms=600, margin_ms=200, renew_every_ms=100)
PATIENT = LeaseTerms(ttl_ms=600_000, margin_ms=7_000, renew_every_ms=4_000)

_TRADER = """
import asyncio, sys
from pathlib import Path
from crypto_kedro.session.lease import LeaseLostError, LeaseTerms, SqliteLease, acquire_within, keep_renewed

async def trade():
    path, ttl, margin, renew = Path(sys.argv[1]), *map(int, sys.argv[2:5])
    lease = SqliteLease(path, LeaseTerms(ttl_ms=ttl, margin_ms=margin, renew_every_ms=renew))
    sys.stdin.readline()
    try:
        print((await acquire_within(lease, 0)).token, flush=True)
        await keep_renewed(lease, print)
    except LeaseLostError as error:
        print("lost" if lease.fence is None else "refused", lease.holds(), flush=True)

asyncio.run(trade())
"""

Start = Callable[[LeaseTerms], Talking]


@pytest.fixture
def start(lease_path: Path) -> Iterator[Start]:
    """Start a trader that takes the lease when it is told to go, and keeps it."""
    with all_killed() as started:

        def run(terms: LeaseTerms) -> Talking:
            numbers = [str(value) for value in (terms.ttl_ms, terms.margin_ms, terms.renew_every_ms)]
            process = subprocess.Popen(
                [sys.executable, "-c", _TRADER, str(lease_path), *numbers],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            started.append(process)
            return process

        yield run


def test_given_three_processes_started_together_then_one_trades(start: Start) -> None:
    processes = [start(PATIENT) for _ in range(3)]
    for process in processes:
        go(process)
    assert sorted(map(said, processes)) == ["1", "lost False", "lost False"]


def test_given_a_killed_holder_when_another_starts_then_it_need_not_wait(start: Start, lease_path: Path) -> None:
    holder = start(PATIENT)
    go(holder)
    assert said(holder) == "1"
    successor = SqliteLease(lease_path, PATIENT)
    assert asyncio.run(successor.acquire()) is None
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert asyncio.run(successor.acquire()) == Fence(2)


def test_given_a_stopped_process_when_it_wakes_after_its_time_then_it_knows_that_it_may_not_send(
    start: Start, lease_path: Path
) -> None:
    hung = start(TERMS)
    go(hung)
    assert said(hung) == "1"
    hung.send_signal(signal.SIGSTOP)
    successor = SqliteLease(lease_path, TERMS)
    assert asyncio.run(acquire_within(successor, 30, poll_s=0.05)) == Fence(2)
    hung.send_signal(signal.SIGCONT)
    assert said(hung) == "lost False"
