"""Does the simulator's memory stay flat? ``python benchmarks/simulator_soak.py [--minutes 60] [--into FOLDER]``.

``kedro bitbank-sim`` runs as a process of its own, at 60 times real time, under 50 requests a second with listeners on
both streams. Before that it is given the history at which its lists are full: 10,000 ended orders, and two days of
transactions. The limits of requests a second are bitbank's.

The first tenth of the time is for warming up. After it the median memory of the last fifth may exceed that of the
first fifth by 8 MiB an hour, no answer may have a status of 500 or more, and none may be missing. Otherwise the exit
code is 1.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from machine import machine
from matplotlib.figure import Figure
from simulator_client import processor_seconds, resident_mib
from simulator_load import REQUESTS_A_SECOND, Load, listeners

from crypto_kedro.exchange.simulator.commands import Cancel, Place
from crypto_kedro.exchange.simulator.markets import SYNTHETIC, market
from crypto_kedro.exchange.simulator.running import RunningExchange, real_time_ms
from crypto_kedro.exchange.simulator.settings import ApiKey, SimulatorSettings
from crypto_kedro.market.bars import DAY_MS, HOUR_MS
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.orders import OrderRequest, OrderType, Side

KEY, SECRET = "sim-key", "sim-secret"
SPEED = 60
LIMIT_MIB_AN_HOUR = 8.0
SAMPLE_S = 30.0
KEDRO = Path(sys.executable).with_name("kedro")


@dataclass(frozen=True, slots=True)
class Sample:
    """The simulator at one moment.

    Args:
        minute: since the load began.
        resident_mib: its resident memory.
        processor_s: processor time since the load began.
        streams_heard: whether every listener was being told.
    """

    minute: float
    resident_mib: float
    processor_s: float
    streams_heard: bool


def remember_history(state: Path) -> None:
    """Write the state of an exchange that has been in use for two days."""
    settings = SimulatorSettings(keys=(ApiKey(KEY, SECRET),), cash=Jpy.of(1_000_000), btc=Btc(0))
    running = RunningExchange(market(SYNTHETIC, None, 1, real_time_ms()), settings, state=state)
    price = Price(running.now().market.last * 9 // 10)
    for _ in range(settings.kept_orders):
        order = running.carry_out(
            Place(OrderRequest(side=Side.BUY, type=OrderType.LIMIT, amount=Btc.of("0.0001"), price=price))
        )
        assert order is not None
        running.carry_out(Cancel(order.order_id))
    running.clock.step(2 * DAY_MS + HOUR_MS)
    running.now()
    running.close()


@contextmanager
def simulator(state: Path) -> Iterator[tuple[int, str]]:
    """Run the simulator; give its process id and its address."""
    command = [KEDRO, "bitbank-sim", "--data", SYNTHETIC, "--speed", str(SPEED), "--port", "0", "--state", state]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
    assert process.stdout is not None
    try:
        address = next((word for line in process.stdout for word in line.split() if word.startswith("http://")), None)
        if address is None:
            raise SystemExit("kedro bitbank-sim did not start; run it by hand to see why")
        yield process.pid, address
    finally:
        process.terminate()
        process.wait()


async def soak(process_id: int, url: str, minutes: float) -> tuple[list[Sample], Load]:
    """Keep up the load and look at the simulator every half minute."""
    samples: list[Sample] = []
    async with listeners(url, KEY, SECRET) as all_heard, Load(url, KEY, SECRET) as load:
        begun, used = time.monotonic(), processor_seconds(process_id)
        working = asyncio.create_task(load.run(minutes * 60))
        while not working.done():
            await asyncio.wait([working], timeout=SAMPLE_S)
            sample = Sample(
                (time.monotonic() - begun) / 60,
                resident_mib(process_id),
                processor_seconds(process_id) - used,
                all_heard(),
            )
            samples.append(sample)
            print(f"{sample.minute:5.1f} min  {sample.resident_mib:7.1f} MiB", flush=True)
        await working
    return samples, load


def judged(samples: list[Sample], load: Load, minutes: float) -> dict[str, Any]:
    """Return the measured figures and the verdict; see the limits above."""
    settled = [sample for sample in samples if sample.minute > minutes / 10]
    fifth = max(len(settled) // 5, 1)
    first, last = settled[:fifth], settled[-fifth:]
    before, after = (statistics.median(sample.resident_mib for sample in part) for part in (first, last))
    hours = (statistics.fmean(s.minute for s in last) - statistics.fmean(s.minute for s in first)) / 60
    growth = (after - before) / hours if hours else 0.0
    failed = sum(number for (status, _), number in load.answers.items() if status >= 500)
    answered = sum(load.answers.values())
    lost = sum(load.lost.values())
    return {
        "machine": machine(),
        "minutes": minutes,
        "market_speed": SPEED,
        "requests": answered + lost,
        "requests_a_second": round((answered + lost) / (minutes * 60), 2),
        "answers": {f"HTTP {status} code {code}": number for (status, code), number in sorted(load.answers.items())},
        "server_errors": failed,
        "lost": dict(load.lost),
        "slowest_answer_ms": round(load.slowest_ms, 1),
        "processor_share": round(samples[-1].processor_s / (samples[-1].minute * 60), 3),
        "samples_with_all_streams_heard": sum(sample.streams_heard for sample in samples),
        "resident_mib_before": round(before, 1),
        "resident_mib_after": round(after, 1),
        "growth_mib_an_hour": round(growth, 2),
        "limit_mib_an_hour": LIMIT_MIB_AN_HOUR,
        "is_flat": growth <= LIMIT_MIB_AN_HOUR,
        "passed": growth <= LIMIT_MIB_AN_HOUR and not failed and not lost,
        "samples": [{"minute": round(s.minute, 2), "resident_mib": round(s.resident_mib, 1)} for s in samples],
    }


def draw(result: dict[str, Any], path: Path) -> None:
    """Plot the memory over the time, the warming up shaded."""
    with mpl.rc_context({"svg.hashsalt": "soak", "svg.fonttype": "none"}):
        figure = Figure(figsize=(8, 3), layout="constrained")
        axes = figure.subplots()
        axes.plot(*zip(*((s["minute"], s["resident_mib"]) for s in result["samples"]), strict=True), color="#1f6f8b")
        axes.axvspan(0, result["minutes"] / 10, color="#dddddd", label="warming up")
        highest = max(sample["resident_mib"] for sample in result["samples"])
        axes.set(
            xlabel=f"minutes at {REQUESTS_A_SECOND} requests a second",
            ylabel="resident memory, MiB",
            ylim=(0, 1.2 * highest),
        )
        axes.set_xlim(0, result["minutes"])
        axes.legend(loc="lower right", frameon=False)
        figure.savefig(path, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})


def main(minutes: float, folder: Path | None) -> bool:
    """Soak, print and keep the figures; tell whether the simulator passed."""
    with tempfile.TemporaryDirectory() as scratch:
        state = Path(scratch) / "sim.db"
        remember_history(state)
        with simulator(state) as (process_id, url):
            samples, load = asyncio.run(soak(process_id, url, minutes))
    result = judged(samples, load, minutes)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "simulator_soak.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        draw(result, folder / "simulator_soak.svg")
    print(json.dumps({name: value for name, value in result.items() if name != "samples"}, indent=1))
    return bool(result["passed"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Soak the simulator and judge its memory.")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--into", type=Path, help="folder for the figures and their plot")
    options = parser.parse_args()
    sys.exit(0 if main(options.minutes, options.into) else 1)
