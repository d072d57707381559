"""Real processes that trade: started together, signalled, frozen and ticked."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from desks import PATIENCE_S, Market, market, written
from talking_processes import Talking, all_killed, go, said
from trading_process import TOKEN

from crypto_kedro.exchange.simulator.faults import Fault, FaultKind
from crypto_kedro.session.ending import EndReason
from crypto_kedro.session.journal.records import Answered, Decided, SessionEnded, SessionStarted

pytestmark = pytest.mark.slow

BEARER = {"Authorization": f"Bearer {TOKEN}"}
MOST_S = 10.0
Start = Callable[..., Talking]


@pytest.fixture
def exchange() -> Iterator[Market]:
    with market() as serving:
        yield serving


@pytest.fixture
def start(exchange: Market, tmp_path: Path) -> Iterator[Start]:
    """Start a process that trades in one folder once it is told to go."""
    with all_killed() as started:

        def run(mode: str = "loop", **more: Any) -> Talking:
            told = {"url": exchange.url, "folder": str(tmp_path), "mode": mode} | more
            process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("trading_process.py")), json.dumps(told)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            started.append(process)
            return process

        yield run


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def ended(folder: Path) -> list[str]:
    return [entry.record.reason for entry in written(folder, SessionEnded)]


def test_given_a_session_when_signalled_then_it_ends_in_good_order_within_ten_seconds(
    start: Start, tmp_path: Path
) -> None:
    process = start()
    go(process)
    wait_until(lambda: written(tmp_path, Decided))
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert [said(process), said(process)] == ["open", "finished"]
    assert time.monotonic() - began < MOST_S
    process.wait(PATIENCE_S)
    assert ended(tmp_path) == ["asked to end"]


def test_given_an_exchange_that_hangs_when_signalled_then_the_cycle_is_abandoned_and_the_end_written_down(
    start: Start, exchange: Market, tmp_path: Path
) -> None:
    process = start()
    go(process)
    wait_until(lambda: written(tmp_path, Answered))
    exchange.faults.replace([Fault(FaultKind.SLOW, 1.0, ms=600_000)])
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert [said(process), said(process)][1] in ("finished", "abandoned")
    assert time.monotonic() - began < MOST_S
    process.wait(PATIENCE_S)
    assert ended(tmp_path) in ([EndReason.BROKEN_OFF], ["asked to end"])


def test_given_two_processes_that_start_together_then_one_trades(start: Start, tmp_path: Path) -> None:
    processes = [start(), start()]
    for process in processes:
        go(process)
    wait_until(lambda: written(tmp_path, Answered))
    wait_until(lambda: any(process.poll() is not None for process in processes))
    (loser,) = [process for process in processes if process.poll() is not None]
    assert said(loser) == "open"
    assert said(loser).startswith("LeaseLostError the lease is held by process")
    assert len({entry.session_id for entry in written(tmp_path, SessionStarted)}) == 1


def test_given_a_frozen_trader_when_another_takes_over_then_it_wakes_to_write_and_send_nothing(
    start: Start, tmp_path: Path
) -> None:
    terms = {"ttl_ms": 2_000, "margin_ms": 500, "renew_every_ms": 500}
    frozen = start(lease=terms)
    go(frozen)
    wait_until(lambda: written(tmp_path, Answered))
    frozen.send_signal(signal.SIGSTOP)
    (first,) = written(tmp_path, SessionStarted)
    wait_until(lambda: _takes_over(start, terms, tmp_path))
    before = len([entry for entry in written(tmp_path) if entry.session_id == first.session_id])
    frozen.send_signal(signal.SIGCONT)
    assert [said(frozen), said(frozen).split()[0]] == ["open", "LeaseLostError"]
    assert len([entry for entry in written(tmp_path) if entry.session_id == first.session_id]) == before


def _takes_over(start: Start, terms: dict[str, int], folder: Path) -> bool:
    """Start another trader; whether it has begun a session rather than been refused."""
    process = start(lease=terms)
    go(process)
    wait_until(lambda: len(written(folder, SessionStarted)) == 2 or process.poll() is not None)
    return process.poll() is None


def test_given_tick_mode_then_each_request_is_a_cycle_and_a_signal_ends_it(start: Start, tmp_path: Path) -> None:
    port = free_port()
    process = start("tick", port=port)
    go(process)
    assert said(process) == "open"
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client:
        assert client.get("/ready").status_code == 200
        assert client.post("/tick").status_code == 401
        first = client.post("/tick", headers=BEARER)
        assert (first.status_code, first.json()["action"]) == (200, "open")
        assert client.post("/tick", headers=BEARER).json()["sent"] == 0
        assert set(client.get("/ready").json()["checks"].values()) == {True}
        assert client.get("/status").json()["lease_held"] is False
    process.send_signal(signal.SIGTERM)
    assert said(process) == "finished"
    assert ended(tmp_path) == ["the tick is over", "the tick is over"]


def test_given_a_taken_port_then_one_sentence_says_so_before_anything_is_traded(start: Start, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = start(port=port)
        go(process)
        sentence = said(process)
    assert sentence.startswith(f"ConfigurationError face: 127.0.0.1:{port} cannot be used")
    assert "--params session.face.port=" in sentence
    assert not written(tmp_path)
