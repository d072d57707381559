"""A siege: an exchange on its worst days, traders that are killed, frozen and robbed of disk, network and clock."""

import multiprocessing
import random
import shutil
import signal
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from camp import START_MS, Camp, serve
from checker import Evidence, Verdict, judge
from exchange_history import play_again
from posts import PAUSE_MS, Post, trade
from shared_clock import SharedClock
from trader_process import PATIENCE_S, TraderProcess
from wire_log import read_wire_log

from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.stop import StopOrder, stop_session

EXPECTED_ENDS = (0, 1, -signal.SIGKILL)
_LAST_CYCLES = 12
_LAST_WORDS = 6_000
_ALL_THAT_IS_SLOW_TO_IMPORT = (
    "__main__",
    "posts",
    "crypto_kedro.exchange.bitbank",
    "crypto_kedro.exchange.simulator.application",
    "crypto_kedro.exchange.simulator.control",
    "crypto_kedro.exchange.simulator.server",
    "crypto_kedro.session.opening",
    "crypto_kedro.pipelines.trading.nodes",
    "crypto_kedro.reporting.messages.notifier",
    "kedro.framework.cli",
    "kedro.framework.session",
    "lightgbm",
    "mlflow",
    "pandas",
    "sklearn.ensemble",
    "xgboost",
)
_MOVE_MS = 1_000
_MOST_STILL_S = 0.2
_BYTES_A_REQUEST = 170
"""Of the wire log."""


class Siege:
    """One exchange, one account, one journal, and as many traders as needed.

    Args:
        folder: for the files.
        project: in a copy of which the traders run; see `project_of_fire`.
        seed: of market, faults and moments.
        lives: how many traders may be started.
        minutes: length of the market.
        traitor: see `Post`.

    Attributes:
        random: draws moments.
        clock: of exchange and traders.
        ends: exit statuses of all traders so far.
        struck: how often each kind of fault has struck so far; complete after the verdict.
        slowest_end_s: real seconds that the slowest trader took to end once it was asked to.
    """

    def __init__(
        self, folder: Path, project: Path, seed: int, lives: int, minutes: int, traitor: str | None = None
    ) -> None:
        self.random = random.Random(seed)
        self.ends: list[int] = []
        self.struck: Counter[str] = Counter()
        self.slowest_end_s = 0.0
        self._camp = Camp(folder, seed, minutes, lives + 1)
        for name in ("tokens", "output"):
            (folder / name).mkdir(exist_ok=True)
        shutil.copytree(project, self._camp.project)
        self.session.root.mkdir(parents=True)
        self.clock = SharedClock.make(self._camp.clock, START_MS)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(_ALL_THAT_IS_SLOW_TO_IMPORT))
        self._started = 0
        self._traitor = traitor

    def __enter__(self) -> Self:
        here, there = self._context.Pipe()
        self._exchange = self._context.Process(target=serve, args=(self._camp, there), daemon=True)
        self._exchange.start()
        self._url, self._control = here.recv()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._exchange.kill()
        self._exchange.join()

    @property
    def session(self) -> SessionFolder:
        """Journal and lease of the traders."""
        return self._camp.session

    @property
    def hours(self) -> float:
        """For how long it has lasted, in market time."""
        return (self.clock() - START_MS) / 3_600_000

    def faults(self, *faults: dict[str, Any]) -> None:
        """Put these faults in force in place of others."""
        state = httpx.get(f"{self._control}/_control/state", timeout=30).json()
        self.struck.update({row["kind"]: 0 for row in state["faults"]})
        for row in state["faults"]:
            self.struck[row["kind"]] += row["struck"]
        self._tell("faults", {"faults": list(faults), "seed": self.random.randrange(1 << 30)})

    def maintenance(self, milliseconds: int) -> None:
        """Close the exchange for a while."""
        self._tell("service", {"maintenance_ms": milliseconds})

    def start(self, **more: Any) -> TraderProcess:
        """Start a trader; see `Post`."""
        key = f"key-{self._started}"
        self._started += 1
        events = self._context.Event(), self._context.Event()
        post = Post(self._camp, self._url, key, traitor=self._traitor, **more)
        process = self._context.Process(target=trade, args=(post, *events), daemon=True)
        process.start()
        return TraderProcess(process, key, self._camp.output(key), *events)

    def begin(self, **more: Any) -> TraderProcess:
        """Start a trader and wait until it is at work."""
        trader = self.start(**more)
        assert trader.comes_to_work(), f"a trader did not come to work:\n{self.last_words()}"
        return trader

    def ask_to_end(self, trader: TraderProcess) -> int:
        """Send SIGTERM, wait for the end and return the exit status."""
        began = time.monotonic()
        trader.signal(signal.SIGTERM)
        status = trader.end()
        self.slowest_end_s = max(self.slowest_end_s, time.monotonic() - began)
        return status

    def over(self, status: int) -> None:
        """Take note of how a trader ended."""
        self.ends.append(status)

    def hold_up(self, number: int, *, is_answer: bool) -> None:
        """Let the order or cancel with this number from now on, or its answer, wait; see `let_pass`."""
        gate, deadline = self._camp.gate, time.monotonic() + PATIENCE_S
        gate.close(number, is_answer=is_answer)
        while not gate.holds_one:
            assert time.monotonic() < deadline, f"nobody sends anything:\n{self.last_words()}"
            time.sleep(0.001)

    def let_pass(self) -> None:
        """Let what is held up go on."""
        self._camp.gate.open()

    def outlast(self, milliseconds: int) -> None:
        """Wait until the market has moved on; where nobody else moves its clock, real time does, five times as fast."""
        until_ms = self.clock() + milliseconds
        seen_ms, since = self.clock(), time.monotonic()
        while self.clock() < until_ms:
            time.sleep(0.002)
            if self.clock() != seen_ms:
                seen_ms, since = self.clock(), time.monotonic()
            elif time.monotonic() - since > _MOST_STILL_S:
                self.clock.move(_MOVE_MS)

    def wait(self, most_requests: int) -> None:
        """Wait for a random part of so many requests, however slow the machine is; it ends amid any of them."""
        log = self._camp.wire
        until = log.stat().st_size + self.random.randrange(most_requests * _BYTES_A_REQUEST)
        deadline = time.monotonic() + PATIENCE_S
        while log.stat().st_size < until:
            assert time.monotonic() < deadline, "nobody asks the exchange anything"
            time.sleep(0.0005)

    def journal_bytes(self) -> int:
        """Return the size of the journal or of its write-ahead log, whichever is larger; the ballast does not count."""
        journal = self._camp.session.journal
        files = (journal, journal.with_name(f"{journal.name}-wal"))
        return max((path.stat().st_size for path in files if path.exists()), default=0)

    def verdict(self) -> Verdict:
        """Close everything that is open on a quiet day, and judge."""
        self.faults()
        self._tell("service", {})
        self.clock.set_wrong(0)
        stop_session(self._camp.session, StopOrder("siege", "it is over", flatten=True), self.clock())
        self.over(self.begin(cycles=_LAST_CYCLES).end())
        strange = [status for status in self.ends if status not in EXPECTED_ENDS]
        broken = [path.name for path in self._camp.output("").iterdir() if "Traceback" in path.read_text()]
        assert not strange, f"traders ended with {strange}:\n{self.last_words()}"
        assert not broken, f"{broken} broke down:\n{self.last_words()}"
        return judge(self.evidence())

    def last_words(self) -> str:
        """Return the last output of the last trader, or of the last one that broke down."""
        outputs = sorted(self._camp.output("").iterdir(), key=lambda path: -path.stat().st_mtime_ns)
        texts = [path.read_text() for path in outputs]
        return next((text for text in texts if "Traceback" in text), texts[0] if texts else "")[-_LAST_WORDS:]

    def evidence(self) -> Evidence:
        """Collect what the siege has left behind."""
        camp = self._camp
        held = {path.name: tuple(map(int, path.read_text().split())) for path in camp.token("").iterdir()}
        return Evidence(
            history=play_again(camp.state, camp.market(), camp.settings()),
            wire=tuple(read_wire_log(camp.wire, {key: size for key, (_, size) in held.items()})),
            journal=camp.session.journal,
            tokens={key: token for key, (token, _) in held.items()},
            cycle_ms=PAUSE_MS,
        )

    def _tell(self, what: str, order: dict[str, Any]) -> None:
        answer = httpx.post(f"{self._control}/_control/{what}", json=order, timeout=30)
        assert answer.status_code == 200, answer.text
