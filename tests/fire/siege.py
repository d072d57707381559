"""A siege: an exchange on its worst days, traders that are killed, frozen and robbed of disk, network and clock."""

import multiprocessing
import os
import random
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from checker import Evidence, Verdict, judge
from exchange_history import Span, play_again
from posts import DISK_FAILED, LEASE_LOST, PAUSE_MS, START_MS, UNREACHABLE, Camp, Post, serve, trade
from shared_clock import SharedClock
from wire_log import read_wire_log

from crypto_kedro.session.stop import StopOrder, stop_session

EXPECTED_ENDS = (0, DISK_FAILED, LEASE_LOST, UNREACHABLE, -signal.SIGKILL)
BAD_DAYS: tuple[dict[str, Any], ...] = (
    {"kind": "answer_lost", "probability": 0.1, "where": "/v1/user/spot/order", "ms": 1},
    {"kind": "answer_lost", "probability": 0.1, "where": "/v1/user/spot/cancel", "ms": 1},
    {"kind": "fill_during_cancel", "probability": 0.1, "where": "/v1/user/spot/cancel"},
    {"kind": "cut", "probability": 0.01},
    {"kind": "server_error", "probability": 0.01},
    {"kind": "too_frequent", "probability": 0.01},
    {"kind": "timeout", "probability": 0.005, "ms": 1},
    {"kind": "clock_skew", "probability": 0.005, "ms": 10_000},
    {"kind": "slow", "probability": 0.005, "ms": 10},
    {"kind": "maintenance", "probability": 0.0005, "ms": 300_000},
)
_LAST_CYCLES = 12
_PATIENCE_S = 120.0
_ALL_THAT_IS_SLOW_TO_IMPORT = (
    "crypto_kedro.exchange.bitbank",
    "crypto_kedro.exchange.simulator.application",
    "crypto_kedro.exchange.simulator.control",
    "crypto_kedro.exchange.simulator.server",
    "crypto_kedro.session.opening",
)
_BYTES_A_REQUEST = 170
"""Of the wire log."""


class Trader:
    """A process that trades.

    Args:
        process: of it.
        key: its API key.
        holds_lease: is set once it does.
        is_at_work: is set once its session has begun.
    """

    def __init__(self, process: BaseProcess, key: str, holds_lease: Any, is_at_work: Any) -> None:
        self.process = process
        self.key = key
        self.holds_lease = holds_lease
        self.is_at_work = is_at_work

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.process.is_alive()

    def signal(self, number: signal.Signals) -> None:
        """Signal it."""
        if self.process.pid is not None and self.is_alive:
            os.kill(self.process.pid, number)

    def wait_for_lease(self, seconds: float = _PATIENCE_S) -> bool:
        """Wait until it has the lease; return whether it has."""
        return bool(self.holds_lease.wait(seconds))

    def end(self) -> int:
        """Wait for its end and return its exit status."""
        self.process.join(_PATIENCE_S)
        assert self.process.exitcode is not None, f"{self.key} does not end"
        return self.process.exitcode

    def kill(self) -> int:
        """End it on the spot."""
        self.process.kill()
        return self.end()


class Siege:
    """One exchange, one account, one journal, and as many traders as needed.

    Args:
        folder: for the files.
        seed: of market, faults and moments.
        lives: how many traders may be started.
        minutes: length of the market.

    Attributes:
        random: draws moments.
        clock: of exchange and traders.
        interruptions: spans without a trader, in market time.
        ends: exit statuses of all traders so far.
        began_ms: market time of its beginning, Unix milliseconds UTC.
    """

    began_ms = START_MS

    def __init__(self, folder: Path, seed: int, lives: int, minutes: int) -> None:
        self.random = random.Random(seed)
        self.interruptions: list[Span] = []
        self.ends: list[int] = []
        self._camp = Camp(folder, seed, minutes, lives + 1)
        for name in ("session", "tokens"):
            (folder / name).mkdir()
        self.clock = SharedClock.make(self._camp.clock, START_MS)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(_ALL_THAT_IS_SLOW_TO_IMPORT))
        self._started = 0
        self._idle_since_ms: int | None = START_MS

    def __enter__(self) -> Self:
        here, there = self._context.Pipe()
        self._exchange = self._context.Process(target=serve, args=(self._camp, there), daemon=True)
        self._exchange.start()
        self._url, self._control = here.recv()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._exchange.kill()
        self._exchange.join()

    def faults(self, *faults: dict[str, Any]) -> None:
        """Put these faults in force in place of others."""
        self._tell("faults", {"faults": list(faults), "seed": self.random.randrange(1 << 30)})

    def maintenance(self, milliseconds: int) -> None:
        """Close the exchange for a while."""
        self._tell("service", {"maintenance_ms": milliseconds})

    def start(self, **more: Any) -> Trader:
        """Start a trader."""
        key = f"key-{self._started}"
        self._started += 1
        events = self._context.Event(), self._context.Event()
        post = Post(self._camp, self._url, key, **more)
        process = self._context.Process(target=trade, args=(post, *events), daemon=True)
        process.start()
        return Trader(process, key, *events)

    def begin(self, **more: Any) -> Trader:
        """Start a trader and wait until it is at work; one whose beginning the exchange broke off is started again."""
        while True:
            trader = self.start(**more)
            deadline = time.monotonic() + _PATIENCE_S
            while trader.is_alive and not trader.is_at_work.wait(0.01):
                assert time.monotonic() < deadline, f"{trader.key} does not begin"
            if trader.is_alive or trader.end() != UNREACHABLE:
                self.resumed()
                return trader
            self.over(UNREACHABLE)

    def over(self, status: int) -> None:
        """Take note that nobody trades any more."""
        self.ends.append(status)
        if self._idle_since_ms is None:
            self._idle_since_ms = self.clock()

    def resumed(self) -> None:
        """Take note that somebody trades again."""
        if self._idle_since_ms is not None:
            self.interruptions.append(Span(self._idle_since_ms, self.clock()))
            self._idle_since_ms = None

    def wait(self, most_requests: int) -> None:
        """Wait for a random part of so many requests, however slow the machine is; it ends amid any of them."""
        log = self._camp.wire
        until = log.stat().st_size + self.random.randrange(most_requests * _BYTES_A_REQUEST)
        deadline = time.monotonic() + _PATIENCE_S
        while log.stat().st_size < until:
            assert time.monotonic() < deadline, "nobody asks the exchange anything"
            time.sleep(0.0005)

    def journal_bytes(self) -> int:
        """Return the size of the journal's largest file."""
        folder = self._camp.session.root
        return max((path.stat().st_size for path in folder.glob("journal.db*")), default=0)

    def verdict(self) -> Verdict:
        """Close everything that is open on a quiet day, and judge."""
        self.faults()
        self._tell("service", {})
        self.clock.set_wrong(0)
        stop_session(self._camp.session, StopOrder("siege", "it is over", flatten=True), self.clock())
        self.over(self.begin(cycles=_LAST_CYCLES).end())
        strange = [status for status in self.ends if status not in EXPECTED_ENDS]
        assert not strange, f"traders ended with {strange}"
        return judge(self.evidence())

    def evidence(self) -> Evidence:
        """Collect what the siege has left behind."""
        camp = self._camp
        return Evidence(
            history=play_again(camp.state, camp.market(), camp.settings()),
            wire=tuple(read_wire_log(camp.wire)),
            journal=camp.session.journal,
            tokens={path.name: int(path.read_text()) for path in (camp.folder / "tokens").iterdir()},
            interruptions=self.interruptions,
            cycle_ms=PAUSE_MS,
        )

    def _tell(self, what: str, order: dict[str, Any]) -> None:
        answer = httpx.post(f"{self._control}/_control/{what}", json=order, timeout=30)
        assert answer.status_code == 200, answer.text
