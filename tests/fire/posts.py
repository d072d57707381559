"""The processes of a siege: the exchange, and traders that run the project's own cycle until they are killed."""

import asyncio
import math
import os
import random
import resource
import signal
import sys
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path

from msgspec import Struct
from shared_clock import SharedClock
from starlette.middleware import Middleware
from wire_log import LoggedExchange, WireLog

from crypto_kedro.exchange.bitbank import BitbankExchange, BitbankSettings, Credentials
from crypto_kedro.exchange.port import Exchange, ExchangeError
from crypto_kedro.exchange.simulator.application import build_application
from crypto_kedro.exchange.simulator.control import build_control
from crypto_kedro.exchange.simulator.faults import Faults
from crypto_kedro.exchange.simulator.price_source import ScriptSource
from crypto_kedro.exchange.simulator.server import loopback_socket, run
from crypto_kedro.exchange.simulator.settings import ApiKey, SimulatorSettings
from crypto_kedro.session.cycle import Cycle, CycleTerms
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.journal import Journal, JournalError, OutdatedFenceError, Writer
from crypto_kedro.session.journal.records import Lineage, SessionStarted, Trigger
from crypto_kedro.session.lease import FencedExchange, LeaseLostError, LeaseTerms, SqliteLease, acquire_within
from crypto_kedro.trading.money import Jpy
from crypto_kedro.trading.orders import Side
from crypto_kedro.trading.quotes import TradePrint
from crypto_kedro.trading.settings import BarrierRule, FundingStage, GuardRule, TradingSettings
from crypto_kedro.trading.signal import SignalFacts

START_MS = 1_790_000_040_000
PAUSE_MS = 150_000
BAR_MS = 900_000
CAPITAL = Jpy.of(1_000_000)
DISK_FAILED, LEASE_LOST = 3, 4
"""How a trader ends that may not go on."""

_TERMS = LeaseTerms(ttl_ms=600_000, margin_ms=7_000, renew_every_ms=PAUSE_MS)
_SETTINGS = TradingSettings(
    barriers=BarrierRule(max_bars=2, stop_loss_atr=1.0, take_profit_atr=1.5),
    guards=GuardRule(
        max_daily_loss=1.0,
        max_weekly_loss=1.0,
        max_drawdown=1.0,
        max_losses_in_a_row=100_000,
        max_trades_a_day=100_000,
        max_data_age_ms=BAR_MS,
    ),
    stages=(FundingStage(capital=CAPITAL),),
)
_LINEAGE = Lineage("none", "none", "none", "none", "none", "synthetic", "none", "none")
_PRICE = 10_000_000
_EVERY_MS = 5_000
_LONG, _SHORT, _FLAT = (0.1, 0.1, 0.8), (0.8, 0.1, 0.1), (0.1, 0.8, 0.1)


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


class Post(Struct, frozen=True):
    """What a trader process is told.

    Args:
        camp: where.
        url: of the exchange.
        key: its own API key.
        cycles: after so many it ends by itself; None is never.
        disk_bytes: files cannot grow beyond this size; None is no limit.
    """

    camp: Camp
    url: str
    key: str
    cycles: int | None = None
    disk_bytes: int | None = None


def trade(post: Post, holds_lease: Event) -> None:
    """Trade until killed, or until the process may not go on."""
    try:
        asyncio.run(_trade(post, holds_lease))
    except (LeaseLostError, OutdatedFenceError):
        sys.exit(LEASE_LOST)
    except JournalError:
        sys.exit(DISK_FAILED)


async def _trade(post: Post, holds_lease: Event) -> None:
    camp, key = post.camp, post.key
    steady, clock = SharedClock(camp.clock, pace_s=0.05), SharedClock(camp.clock, shifted=True)
    lease = SqliteLease(camp.session.lease, _TERMS, clock_ms=steady)
    with Journal.open(camp.session.journal) as journal:
        fence = await acquire_within(lease, math.inf, above=journal.highest_fence, poll_s=2.0, sleep=steady.sleep)
        camp.token(key).write_text(str(fence.token))
        holds_lease.set()
        if post.disk_bytes is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (post.disk_bytes, post.disk_bytes))
        settings = BitbankSettings(public_url=post.url, private_url=post.url, throttle=False)
        async with BitbankExchange(settings, Credentials(key, "secret"), now_ms=clock, sleep=clock.sleep) as account:
            exchange = FencedExchange(account, lease)
            writer = Writer(key, fence.token)
            await _first_answer(exchange, lease, clock)
            journal.append(writer, clock(), SessionStarted("paper", _LINEAGE, _SETTINGS, CAPITAL, 1))
            terms = CycleTerms(settings=_SETTINGS, funding_stage=1, kelly=2.0)
            cycle = Cycle(exchange, RandomFacts(exchange, clock, camp.seed), journal, writer, terms, clock)
            done = 0
            while done != post.cycles:
                await lease.renew()
                await cycle.run(Trigger.BAR)
                await clock.sleep(PAUSE_MS / 1000)
                done += 1
    await lease.release()


async def _first_answer(exchange: Exchange, lease: SqliteLease, clock: SharedClock) -> None:
    """Wait until the exchange answers a signed request, so that the session begins with a clock that is right."""
    while True:
        await lease.renew()
        try:
            await exchange.account()
        except ExchangeError:
            await clock.sleep(PAUSE_MS / 1000)
        else:
            return


class RandomFacts:
    """An oracle that is sure of itself and knows nothing; it says the same of a bar to whoever asks.

    Args:
        exchange: tells the price.
        clock: tells the bar.
        seed: of its opinions.
    """

    def __init__(self, exchange: Exchange, clock: SharedClock, seed: int) -> None:
        self._exchange = exchange
        self._clock = clock
        self._seed = seed

    async def latest(self) -> SignalFacts[float]:
        ticker = await self._exchange.ticker()
        now_ms = self._clock()
        bar_ms = now_ms - now_ms % BAR_MS
        model = random.Random(f"{self._seed}/{bar_ms}").choice([_LONG, _LONG, _SHORT, _SHORT, _FLAT])
        price = float(ticker.last.ticks)
        return SignalFacts(
            bar_close_ms=float(bar_ms),
            age_ms=float(now_ms - bar_ms),
            close=price,
            atr=0.006 * price,
            spread=0.0001,
            last_return=0.0,
            gap_minutes=0.0,
            status=0.0,
            short=model[0],
            flat=model[1],
            long=model[2],
            models=(model, model, model),
        )
