"""From the closed bar to the order: a cycle against a simulator in a process of its own, over loopback.

The clock of both processes is moved by hand to the close of a bar, at which the simulator publishes it, and a cycle
runs. The simulator notes when each request came in and when its answer was out. What is left of the time until the
order came in is the trader's own, the journal on disk and the passage through loopback included.
"""

import asyncio
import multiprocessing
import tempfile
import time
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

from session_parts import CAPITAL, TERMS, WRITER, Figures, FirmFacts, begin, live_model, spread_ms

from crypto_kedro.exchange.bitbank import BitbankExchange, BitbankSettings, Credentials
from crypto_kedro.exchange.bitbank.throttle import WINDOW_S
from crypto_kedro.market.resample import DECISION_MS
from crypto_kedro.session.cycle import Cycle
from crypto_kedro.session.journal import Journal
from crypto_kedro.session.journal.records import Trigger
from crypto_kedro.session.live_window import LiveFacts

KEY, SECRET = "bench-key", "bench-secret"
ORDER = "/v1/user/spot/order"


def serve_forever(port: Connection, clock: "Synchronized[int]", folder: Path) -> None:
    """Serve a synthetic market on a clock moved by hand, and tell of each request: method and path, in, out."""
    from starlette.types import Receive, Scope, Send

    from crypto_kedro.exchange.simulator.application import build_application
    from crypto_kedro.exchange.simulator.markets import market
    from crypto_kedro.exchange.simulator.running import RunningExchange
    from crypto_kedro.exchange.simulator.server import loopback_socket, run
    from crypto_kedro.exchange.simulator.settings import ApiKey, SimulatorSettings

    def now_ms() -> int:
        return clock.value

    source = market("synthetic", "2026-03-02", 1, 0)
    clock.value = source.start_ms
    settings = SimulatorSettings(
        keys=(ApiKey(KEY, SECRET),), cash=CAPITAL, queries_per_second=None, updates_per_second=None
    )
    running = RunningExchange(source, settings, speed=1, state=folder / "sim.db", wall_ms=now_ms)
    application = build_application(running)

    async def timed(scope: Scope, receive: Receive, send: Send) -> None:
        came = time.monotonic_ns()
        await application(scope, receive, send)
        if scope["type"] == "http":
            port.send((f"{scope['method']} {scope['path']}", came, time.monotonic_ns()))

    listener = loopback_socket(0)
    port.send(listener.getsockname()[1])
    run(running, [(timed, listener)])  # type: ignore[list-item]


def measure(project: Path, bars: int = 200, *, throttle: bool = False) -> Figures:
    """Return the time from the published bar to the order, and its parts."""
    context = multiprocessing.get_context("spawn")
    clock: Any = context.Value("q", 0)
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = multiprocessing.Pipe()
        process = context.Process(target=serve_forever, args=(theirs, clock, Path(folder)), daemon=True)
        process.start()
        address = f"http://127.0.0.1:{ours.recv()}"
        try:
            return asyncio.run(_trade(project, Path(folder), address, clock, ours, bars, throttle))
        finally:
            process.kill()
            process.join()


async def _trade(
    project: Path, folder: Path, address: str, clock: Any, wire: Connection, bars: int, throttle: bool
) -> Figures:
    def now_ms() -> int:
        return int(clock.value)

    reached = BitbankSettings(
        public_url=address, private_url=address, stream_url=address, private_stream_url=address, throttle=throttle
    )
    whole, exchange_s, own, processor, requests, cycles = [], [], [], [], [], []
    with Journal.open(folder / "journal.db") as journal:
        begin(journal, now_ms())
        async with BitbankExchange(reached, Credentials(KEY, SECRET), now_ms=now_ms) as account:
            facts = FirmFacts(LiveFacts(account, live_model(project), now_ms), every=1)
            cycle = Cycle(account, facts, journal, WRITER, TERMS, now_ms)
            for bar in range(bars):
                if throttle:
                    # A bar closes while nothing has been asked for a while, unlike here.
                    await asyncio.sleep(WINDOW_S)
                clock.value = (now_ms() // DECISION_MS + 1) * DECISION_MS + 1_000
                started, used = time.monotonic_ns(), time.process_time()
                report = await cycle.run(Trigger.BAR)
                ended = time.monotonic_ns()
                used = time.process_time() - used
                if report.error is not None:
                    raise RuntimeError(report.error)
                seen = []
                while wire.poll():
                    seen.append(wire.recv())
                orders = [came for path, came, _ in seen if path == f"POST {ORDER}"]
                if not orders or bar == 0:
                    continue
                sent = orders[0]
                before = [out - came for _, came, out in seen if came < sent]
                whole.append((sent - started) / 1e9)
                exchange_s.append(sum(before) / 1e9)
                own.append((sent - started - sum(before)) / 1e9)
                requests.append(len(before))
                processor.append(used)
                cycles.append((ended - started) / 1e9)
    return {
        **spread_ms("bar_to_order_own", own),
        **spread_ms("bar_to_order_whole", whole),
        **spread_ms("of_it_exchange", exchange_s),
        **spread_ms("whole_cycle", cycles),
        **spread_ms("whole_cycle_processor", processor),
        "requests_before_order": sorted(requests)[len(requests) // 2],
    }
