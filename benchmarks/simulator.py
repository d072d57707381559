"""Time order round trips over HTTP: place a resting order, then cancel it; how many of both in a second of one core?

Run with ``python benchmarks/simulator.py [round_trips]``. The simulator is a process of its own; its processor time is
read from the operating system, so the client costs it nothing even where both share a core. The limits per second are
off, the state file is on.
"""

import http.client
import json
import multiprocessing
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from simulator_client import processor_seconds, resident_mib, signed_headers

from crypto_kedro.exchange.simulator.application import build_application
from crypto_kedro.exchange.simulator.price_source import ScriptSource
from crypto_kedro.exchange.simulator.running import RunningExchange
from crypto_kedro.exchange.simulator.server import LOOPBACK, loopback_socket, run
from crypto_kedro.exchange.simulator.settings import ApiKey, SimulatorSettings

KEY, SECRET = "bench-key", "bench-secret"
START_MS = 1_780_000_020_000


def serve_forever(port: Connection, state: Path) -> None:
    """Serve a market that stands still, and tell its port."""
    settings = SimulatorSettings(keys=(ApiKey(KEY, SECRET),), queries_per_second=None, updates_per_second=None)
    running = RunningExchange(ScriptSource([], START_MS, 15_000_000), settings, speed=60, state=state)
    listener = loopback_socket(0)
    port.send(listener.getsockname()[1])
    run(running, [(build_application(running), listener)])


class Trader:
    """A client on one kept-alive connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection(LOOPBACK, port)

    def post(self, path: str, fields: dict[str, Any]) -> dict[str, Any]:
        """Send a signed request and return its data."""
        body = json.dumps(fields)
        self._connection.request("POST", f"/v1/user/spot/{path}", body, signed_headers(KEY, SECRET, body))
        answer = json.loads(self._connection.getresponse().read())
        assert answer["success"] == 1, answer
        data: dict[str, Any] = answer["data"]
        return data

    def round_trip(self) -> None:
        """Place an order and cancel it."""
        order = {"pair": "btc_jpy", "side": "buy", "type": "limit", "amount": "0.01", "price": "14000000"}
        placed = self.post("order", order)
        self.post("cancel_order", {"pair": "btc_jpy", "order_id": placed["order_id"]})


def main(round_trips: int) -> None:
    """Run the benchmark and print its figures."""
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = multiprocessing.Pipe()
        arguments = (theirs, Path(folder) / "sim.db")
        process = multiprocessing.get_context("spawn").Process(target=serve_forever, args=arguments, daemon=True)
        process.start()
        trader = Trader(ours.recv())
        assert process.pid is not None
        for _ in range(200):
            trader.round_trip()
        used, memory, begun = processor_seconds(process.pid), resident_mib(process.pid), time.perf_counter()
        for _ in range(round_trips):
            trader.round_trip()
        elapsed = time.perf_counter() - begun
        used, grown = processor_seconds(process.pid) - used, resident_mib(process.pid) - memory
        process.kill()
    print(f"{round_trips / used:,.0f} round trips per second of the simulator's processor time")
    print(f"{round_trips / elapsed:,.0f} round trips per second seen by one client")
    print(f"{grown:.1f} MiB of memory more than before them; it stays there once 10,000 ended orders are kept")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
