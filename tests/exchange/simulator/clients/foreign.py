"""The simulator and a client that we did not write, each as a process of its own."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import httpx
from served import Client

CLIENTS = Path(__file__).resolve().parent
PROJECT = CLIENTS.parents[3]

_PATIENCE_S = 120.0


class Process:
    """A process that answers line by line; it is killed where it leaves us waiting.

    Args:
        command: program and arguments.
        environment: variables, None for our own.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._complaints = TemporaryFile("w+")  # noqa: SIM115 (closed by close)
        self._process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
        )

    def say(self, line: str) -> None:
        """Write a line to it."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        """Return its next line; fails with what it wrote to its error stream when it has ended."""
        assert self._process.stdout is not None
        patience = threading.Timer(_PATIENCE_S, self._process.kill)
        patience.start()
        line = self._process.stdout.readline()
        patience.cancel()
        if not line:
            self._process.wait()
            self._complaints.seek(0)
            raise AssertionError(f"{self._process.args} ended:\n{self._complaints.read()}")
        return line

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.terminate()
        self._process.wait()
        self._complaints.close()


class Truth(Client):
    """What the simulator says itself."""

    def open_orders(self) -> list[dict[str, Any]]:
        """The orders that are not final."""
        orders: list[dict[str, Any]] = self.get("/user/spot/active_orders?pair=btc_jpy").data["orders"]
        return orders

    def cancel_everything(self) -> None:
        """Cancel what is not final."""
        ids = [order["order_id"] for order in self.open_orders()]
        if ids:
            self.post("/user/spot/cancel_orders", {"pair": "btc_jpy", "order_ids": ids})

    def last_price(self) -> int:
        """The price of the last trade in JPY."""
        return int(self.public("/btc_jpy/ticker").data["last"])


class Simulator:
    """A simulator on free ports.

    Args:
        command: starts it; by default one without limits, whose market moves by the switchboard alone.

    Attributes:
        url: address of the REST API and the streams.
        port: of that address.
        truth: asks the simulator itself.
    """

    def __init__(self, command: Sequence[str] = (sys.executable, str(CLIENTS / "simulator_program.py"))) -> None:
        self._process = Process(command)
        self.url = self._address()
        self.port = int(self.url.rpartition(":")[2])
        self._switchboard = httpx.Client(base_url=self._address())
        self.truth = Truth(self.url)

    def others_trade(self, price: int, amount: str = "0.0500", side: str = "sell") -> None:
        """Let others trade."""
        body = {"price": str(price), "amount": amount, "side": side}
        self._switchboard.post("/_control/trade", json=body).raise_for_status()

    def close(self) -> None:
        """End it."""
        self._switchboard.close()
        self.truth.http.close()
        self._process.close()

    def _address(self) -> str:
        while not (address := re.search(r"http://127\.0\.0\.1:\d+", self._process.hear())):
            pass
        return address.group()


class Answer:
    """What a call returned, or the error that it raised.

    Attributes:
        error: name of the error, None where there is none.
        message: its text.
    """

    def __init__(self, told: dict[str, Any]) -> None:
        self._result = told.get("result")
        self.error: str | None = told.get("error")
        self.message: str | None = told.get("message")

    @property
    def result(self) -> Any:
        """What the call returned."""
        assert self.error is None, f"{self.error}: {self.message}"
        return self._result


class ForeignClient:
    """A client as a program that takes one call a line, ``[method, arguments, settings]``.

    Args:
        command: program and arguments.
        environment: variables, None for our own.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._process = Process(command, environment)

    def call(self, method: str, *arguments: Any, **settings: Any) -> Answer:
        """Call a method of the client; only ccxt takes settings."""
        self._process.say(json.dumps([method, arguments, settings]))
        return Answer(json.loads(self._process.hear()))

    def close(self) -> None:
        """End it."""
        self._process.close()


Check = Callable[[ForeignClient, Simulator], None]


class Checks(dict[str, Check]):
    """What is expected of each method of a client."""

    def shows(self, *methods: str) -> Callable[[Check], Check]:
        """Make a check the one of these methods."""

        def register(check: Check) -> Check:
            self.update(dict.fromkeys(methods, check))
            return check

        return register
