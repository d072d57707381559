"""The ground of a siege: its files, its market, and the process that is the exchange."""

import os
import random
import sys
from multiprocessing.connection import Connection
from pathlib import Path

from msgspec import Struct
from shared_clock import SharedClock
from starlette.middleware import Middleware
from wire_log import LoggedExchange, WireLog

from crypto_kedro.exchange.simulator.application import build_application
from crypto_kedro.exchange.simulator.control import build_control
from crypto_kedro.exchange.simulator.faults import Faults
from crypto_kedro.exchange.simulator.price_source import ScriptSource
from crypto_kedro.exchange.simulator.server import loopback_socket, run
from crypto_kedro.exchange.simulator.settings import ApiKey, SimulatorSettings
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.trading.money import Jpy
from crypto_kedro.trading.orders import Side
from crypto_kedro.trading.quotes import TradePrint

START_MS = 1_790_000_040_000
CAPITAL = Jpy.of(1_000_000)
_PRICE = 10_000_000
_EVERY_MS = 5_000


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
    def session(self) -> SessionFolder:
        """Journal and lease."""
        return SessionFolder(self.folder / "session")

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

    def token(self, key: str) -> Path:
        """Where the process of a key writes its fencing token."""
        return self.folder / "tokens" / key

    def began(self, key: str) -> Path:
        """Where the process of a key writes when it could begin to look after positions, in market time."""
        return self.folder / "began" / key

    def said(self, key: str) -> Path:
        """Where the process of a key complains."""
        return self.folder / "said" / key

    def settings(self) -> SimulatorSettings:
        """Settings of the exchange."""
        keys = tuple(ApiKey(f"key-{number}", "secret") for number in range(self.keys))
        return SimulatorSettings(keys=keys, cash=CAPITAL, queries_per_second=None, updates_per_second=None)

    def market(self) -> ScriptSource:
        """A market that walks at random and does not stray too far."""
        moves = random.Random(self.seed)
        price, trades = _PRICE, []
        for at_ms in range(START_MS, START_MS + self.minutes * 60_000, _EVERY_MS):
            price += moves.randrange(-6_000, 6_001) + (_PRICE - price) // 20_000
            trades.append(TradePrint(at_ms, price, moves.randrange(1, 5_000), moves.choice(list(Side))))
        return ScriptSource(trades, START_MS, _PRICE, f"walk {self.seed} of {self.minutes} minutes")


def serve(camp: Camp, addresses: Connection) -> None:
    """Serve the exchange and its switchboard, and tell both addresses."""
    clock = SharedClock(camp.clock)
    running = LoggedExchange(camp.wire, camp.market(), camp.settings(), speed=1, state=camp.state, wall_ms=clock)
    faults = Faults()
    sockets = [loopback_socket(0), loopback_socket(0)]
    applications = [build_application(running, [Middleware(WireLog, running=running)], faults)]
    addresses.send([f"http://127.0.0.1:{one.getsockname()[1]}" for one in sockets])
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 - the server complains of every answer that is cut
    run(running, list(zip([*applications, build_control(running, faults)], sockets, strict=True)))
