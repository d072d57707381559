"""``kedro bitbank-sim`` says in one sentence what is wrong."""

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner
from served import UNLIMITED, script

from crypto_kedro.exchange.simulator.command import bitbank_sim
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
