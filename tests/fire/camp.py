"""The ground of a siege: its files, its market, and the process that is the exchange."""

import os
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from msgspec import Struct
from shared_clock import SharedClock
from starlette.middleware import Middleware
from wire_log import Gate, LoggedExchange, WireLog

from crypto_kedro.exchange.simulator.application import build_application
from crypto_kedro.exchange.simulator.control import build_control
from crypto_kedro.exchange.simulator.faults import Faults
from crypto_kedro.exchange.simulator.price_source import CandleSource
from crypto_kedro.exchange.simulator.server import loopback_socket, run
from crypto_kedro.exchange.simulator.settings import ApiKey, SimulatorSettings
from crypto_kedro.market.bars import DAY_MS, MINUTE_MS, Bars
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.trading.money import Jpy

START_MS = 1_790_000_040_000
CAPITAL = Jpy.of(1_000_000)
_PRICE = 10_000_000
_HISTORY_MS = 7 * DAY_MS
"""What a model needs before its first decision, and some more."""
_MOVE = 0.001


class Camp(Struct, frozen=True):
    """Where a siege takes place.

    Args:
        folder: for its files.
        seed: of its market.
        minutes: length of its market.
        keys: number of API keys, one for each trader process.
    """

    folder: Path
    seed: int
    minutes: int
    keys: int

    @property
    def project(self) -> Path:
        """The project in which the traders run."""
        return self.folder / "project"

    @property
    def session(self) -> SessionFolder:
        """Journal and lease."""
        return SessionFolder.of(self.project, "live-rehearsal")

    @property
    def clock(self) -> Path:
        """The clock."""
        return self.folder / "clock"

    @property
    def state(self) -> Path:
        """What the exchange remembers."""
        return self.folder / "exchange.db"

    @property
    def wire(self) -> Path:
        """What the exchange heard."""
        return self.folder / "wire.jsonl"

    @property
    def gate(self) -> Gate:
        """Where requests are held up."""
        return Gate(self.folder / "gate")

    def token(self, key: str) -> Path:
        """Where the process of a key writes its fencing token, and the size of the wire log when it got it."""
        return self.folder / "tokens" / key

    def output(self, key: str) -> Path:
        """Standard output and error of the process of a key."""
        return self.folder / "output" / key

    def settings(self) -> SimulatorSettings:
        """Settings of the exchange."""
        keys = tuple(ApiKey(f"key-{number}", "secret") for number in range(self.keys))
        return SimulatorSettings(keys=keys, cash=CAPITAL, queries_per_second=None, updates_per_second=None)

    def market(self) -> CandleSource:
        """A market that walks at random and does not stray too far."""
        start_ms = START_MS - START_MS % MINUTE_MS
        first_ms = start_ms - _HISTORY_MS
        moves = np.random.default_rng(self.seed).normal(0.0, _MOVE, _HISTORY_MS // MINUTE_MS + self.minutes)
        away, walk = 0.0, []
        for move in moves:
            away += move - away / 1_000
            walk.append(away)
        close = np.rint(_PRICE * np.exp(walk))
        opened = np.concatenate(([float(_PRICE)], close[:-1]))
        reach = np.rint(_PRICE * _MOVE / 4)
        bars = Bars(
            interval_ms=MINUTE_MS,
            open_time=first_ms + np.arange(len(close), dtype=np.int64) * MINUTE_MS,
            open=opened,
            high=np.maximum(opened, close) + reach,
            low=np.minimum(opened, close) - reach,
            close=close,
            volume=np.full(len(close), 5.0),
            gap_minutes=np.zeros(len(close), dtype=np.int64),
        )
        return CandleSource(bars, f"walk {self.seed} of {self.minutes} minutes", start_ms)


def serve(camp: Camp, addresses: Connection) -> None:
    """Serve the exchange and its switchboard, and send both addresses."""
    clock = SharedClock(camp.clock)
    running = LoggedExchange(camp.wire, camp.market(), camp.settings(), speed=1, state=camp.state, wall_ms=clock)
    faults = Faults()
    sockets = [loopback_socket(0), loopback_socket(0)]
    log = Middleware(WireLog, running=running, gate=camp.gate, faults=faults)
    applications = [build_application(running, [log], faults)]
    addresses.send([f"http://127.0.0.1:{one.getsockname()[1]}" for one in sockets])
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 - the server complains of every answer that is cut
    run(running, list(zip([*applications, build_control(running, faults)], sockets, strict=True)))
