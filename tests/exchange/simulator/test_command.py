"""``kedro bitbank-sim`` says in one sentence what is wrong."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from served import UNLIMITED, script
from websockets.sync.client import connect

from crypto_kedro.exchange.simulator.command import bitbank_sim
from crypto_kedro.exchange.simulator.faults import FaultKind
from crypto_kedro.exchange.simulator.running import RunningExchange
from crypto_kedro.exchange.simulator.server import loopback_socket


def refused(*options: str) -> str:
    """Run the command, which fails, and return its error."""
    result = CliRunner().invoke(bitbank_sim, list(options))
    assert result.exit_code == 1, result.output
    (error,) = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    return error


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert str(tmp_path / "candles.csv") in refused("--data", str(tmp_path / "candles.csv"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--start", "yesterday"), "--start"),
        (("--cash", "much"), "much"),
        (("--cash", "-1"), "must not be negative"),
        (("--speed", "-1"), "speed is -1"),
        (("--fault", "bad_luck=1"), "--fault bad_luck=1 is not KIND=PROBABILITY; the kinds are server_error, "),
        (("--fault", "slow"), "--fault slow is not KIND=PROBABILITY"),
        (("--fault", "slow=2"), "fault slow has probability 2; it must lie in 0..1"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(options: tuple[str, ...], words: str) -> None:
    assert words in refused("--data", "synthetic", *options)


def test_a_port_that_is_taken_is_named() -> None:
    with loopback_socket(0) as taken:
        port = str(taken.getsockname()[1])
        assert f"port {port} of 127.0.0.1" in refused("--data", "synthetic", "--port", port)


def test_a_state_of_another_market_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sim.db"
    RunningExchange(script(), UNLIMITED, state=path).close()
    assert "another simulated exchange" in refused("--data", "synthetic", "--state", str(path))


def test_only_loopback_is_served() -> None:
    with loopback_socket(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


def test_the_help_names_every_fault_and_keeps_each_example_on_a_line_of_its_own() -> None:
    shown = CliRunner().invoke(bitbank_sim, ["--help"]).output
    assert {*FaultKind} <= {*shown.split()}
    examples = [line.strip() for line in shown.splitlines() if "kedro bitbank-sim" in line]
    assert len(examples) == 3
    assert all(example.startswith("kedro bitbank-sim --data ") for example in examples)


@contextmanager
def process(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command as it is run in a shell, and tell its address."""
    command = [str(Path(sys.executable).with_name("kedro")), "bitbank-sim", "--data", "synthetic", "--port", "0"]
    # A shell in the background ignores SIGINT, and so would its children.
    with subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as running:
        try:
            assert running.stdout is not None
            for line in running.stdout:
                address = re.search(r"simulator at (\S+)", line)
                if address is not None:
                    yield running, address[1]
                    break
        finally:
            running.kill()


def test_given_a_fault_on_the_command_line_when_asked_then_it_strikes_and_the_process_stops_without_a_complaint() -> (
    None
):
    with (
        process("--fault", "too_frequent=1") as (running, url),
        connect(url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"),
    ):
        answer = httpx.get(f"{url}/tickers")
        running.send_signal(signal.SIGINT)
        _, complaints = running.communicate(timeout=60)
    assert (answer.status_code, answer.json()["data"]["code"]) == (429, 10009)
    assert complaints.split() == ["Aborted!"]
