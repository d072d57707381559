"""Real processes that are told to end while they are idle, busy, stubborn or stuck."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

_PROCESS = """
import asyncio, sys, time
from crypto_kedro.session.signals import run_until_signalled

async def ready():
    print("ready", flush=True)

async def obedient(asked):
    await ready()
    await asked.wait()
    print("tidy", flush=True)

async def busy(asked):
    await ready()
    try:
        await asyncio.sleep(600)
    finally:
        print("tidied up", flush=True)

async def stubborn(asked):
    await ready()
    while True:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            print("no", flush=True)

async def stuck(asked):
    await ready()
    time.sleep(600)

async def short(asked):
    await ready()

async def lingering(asked):
    await obedient(asked)

async def broken(asked):
    await ready()
    raise RuntimeError("broken")

finish_s, force_s = map(float, sys.argv[2:4])
work = globals()[sys.argv[1]]
print(asyncio.run(run_until_signalled(work, finish_s=finish_s, abandon_s=0.2, force_s=force_s)), flush=True)
if work is lingering:
    time.sleep(600)
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process with one kind of work, and wait until it is at it."""
    started: list[subprocess.Popen[str]] = []

    def run(work: str, finish_s: float = 0.2, force_s: float = 600) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", _PROCESS, work, str(finish_s), str(force_s)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_given_a_signal_when_the_work_obeys_then_it_finishes(start: Start, number: signal.Signals) -> None:
    process = start("obedient", finish_s=600)
    process.send_signal(number)
    assert process.communicate()[0].splitlines() == ["tidy", "finished"]
    assert process.returncode == 0


def test_given_a_signal_when_the_work_goes_on_then_it_is_abandoned_and_tidies_up(start: Start) -> None:
    process = start("busy")
    process.send_signal(signal.SIGTERM)
    assert process.communicate()[0].splitlines() == ["tidied up", "abandoned"]


def test_given_a_second_signal_then_the_work_is_abandoned_at_once(start: Start) -> None:
    process = start("busy", finish_s=600)
    process.send_signal(signal.SIGINT)
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
    assert process.communicate()[0].splitlines() == ["tidied up", "abandoned"]


@pytest.mark.parametrize(("work", "said"), [("stubborn", ["no"]), ("stuck", [])])
def test_given_work_that_cannot_be_cancelled_when_signalled_then_the_process_ends_all_the_same(
    start: Start, work: str, said: list[str]
) -> None:
    process = start(work, force_s=0.2)
    process.send_signal(signal.SIGTERM)
    assert process.communicate()[0].splitlines() == said
    assert process.returncode == 70


def test_given_a_process_that_lingers_after_its_work_when_terminated_then_it_ends_all_the_same(start: Start) -> None:
    process = start("lingering", force_s=2.0)
    process.send_signal(signal.SIGTERM)
    assert process.communicate()[0].splitlines() == ["tidy", "finished"]
    assert process.returncode == 70


def test_given_no_signal_when_the_work_ends_then_it_ended_by_itself(start: Start) -> None:
    process = start("short")
    assert process.stdout is not None
    # What came together with the first line waits in the stream's buffer, past which `communicate` would read.
    assert process.stdout.read() == "by_itself\n"


def test_given_work_that_fails_then_its_error_comes_out(start: Start) -> None:
    process = start("broken")
    assert "RuntimeError: broken" in process.communicate()[1]
    assert process.returncode == 1
