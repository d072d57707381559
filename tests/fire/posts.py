"""The processes of a siege: the exchange, and the project's own traders, which work until they are killed."""

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

from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.exchange.bitbank import BitbankExchange, BitbankSettings, Credentials
from crypto_kedro.exchange.port import Exchange, ExchangeError
from crypto_kedro.exchange.simulator.application import build_application
from crypto_kedro.exchange.simulator.control import build_control
from crypto_kedro.exchange.simulator.faults import Faults
from crypto_kedro.exchange.simulator.price_source import ScriptSource
from crypto_kedro.exchange.simulator.server import loopback_socket, run
from crypto_kedro.exchange.simulator.settings import ApiKey, SimulatorSettings
from crypto_kedro.session.clock import SessionClock
from crypto_kedro.session.cycle import CycleTerms
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.journal import JournalError, OutdatedFenceError
from crypto_kedro.session.journal.records import Lineage
from crypto_kedro.session.lease import Fence, LeaseLostError, LeaseTerms, SqliteLease
from crypto_kedro.session.notice import LogNotifier
from crypto_kedro.session.opening import Outfit, trader_at_work
from crypto_kedro.session.trader import Trader, TraderTerms
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.money import Jpy
from crypto_kedro.trading.orders import Side
from crypto_kedro.trading.quotes import TradePrint
from crypto_kedro.trading.settings import BarrierRule, FundingStage, GuardRule, TradingSettings
from crypto_kedro.trading.signal import SignalFacts

START_MS = 1_790_000_040_000
PAUSE_MS = 150_000
BAR_MS = 900_000
CAPITAL = Jpy.of(1_000_000)
DISK_FAILED, LEASE_LOST, UNREACHABLE = 3, 4, 5
"""How a trader ends that may not go on, or could not begin because the exchange broke off its beginning."""

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
_WAIT_MS = 10_000
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


def trade(post: Post, holds_lease: Event, is_at_work: Event) -> None:
    """Trade until killed, or until the process may not go on."""
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 - what goes wrong is the purpose
    try:
        asyncio.run(_trade(post, holds_lease, is_at_work))
    except ExchangeError:
        sys.exit(UNREACHABLE)
    except (LeaseLostError, OutdatedFenceError):
        sys.exit(LEASE_LOST)
    except JournalError:
        sys.exit(DISK_FAILED)


async def _trade(post: Post, holds_lease: Event, is_at_work: Event) -> None:
    camp, clock = post.camp, SharedClock(post.camp.clock, shifted=True)
    lease = ToldLease(post, holds_lease, SharedClock(camp.clock))
    settings = BitbankSettings(public_url=post.url, private_url=post.url, throttle=False)
    async with RestlessAccount(settings, Credentials(post.key, "secret"), clock) as account:
        outfit = Outfit(
            folder=camp.session,
            exchange=account,
            facts=RandomFacts(account, clock, camp.seed),
            bars=tuple,
            lease=lease,
            lease_wait_s=math.inf,
            lineage=_LINEAGE,
            cycle_terms=CycleTerms(settings=_SETTINGS, funding_stage=1, kelly=2.0),
            trader_terms=TraderTerms(environment="paper"),
            notifier=LogNotifier(),
            clock=SessionClock(clock),
        )
        async with trader_at_work(outfit) as trader:
            is_at_work.set()
            done = 0
            while done != post.cycles:
                await lease.renew()
                await _tick(trader)
                await clock.sleep(PAUSE_MS / 1000)
                done += 1
            trader.end("so many cycles were asked for")


async def _tick(trader: Trader) -> None:
    try:
        await trader.tick()
    except (JournalError, LeaseLostError):
        raise
    except CryptoKedroError:
        # The exchange broke the cycle off; the next one takes it up.
        return


class ToldLease(SqliteLease):
    """A lease that tells the camp when it is held, and lets time pass while it is waited for.

    Args:
        post: of the process.
        holds_lease: is set once it is held.
        clock: of the camp.
    """

    def __init__(self, post: Post, holds_lease: Event, clock: SharedClock) -> None:
        super().__init__(post.camp.session.lease, _TERMS, clock_ms=clock)
        self._post = post
        self._holds = holds_lease
        self._clock = clock

    async def acquire(self, above: int = 0) -> Fence | None:
        fence = await super().acquire(above)
        if fence is None:
            self._clock.move(_WAIT_MS)
        else:
            self._tell(fence)
        return fence

    def _tell(self, fence: Fence) -> None:
        self._post.camp.token(self._post.key).write_text(str(fence.token))
        self._holds.set()
        limit = self._post.disk_bytes
        if limit is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


class RestlessAccount(BitbankExchange):
    """An account whose time passes when the exchange does not answer, so that a maintenance comes to its end.

    Args:
        settings, credentials: see `BitbankExchange`.
        clock: of the trader.
    """

    def __init__(self, settings: BitbankSettings, credentials: Credentials, clock: SharedClock) -> None:
        super().__init__(settings, credentials, now_ms=clock, sleep=clock.sleep)
        self._clock = clock

    async def account(self) -> AccountState:
        try:
            return await super().account()
        except ExchangeError:
            self._clock.move(_WAIT_MS)
            raise


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
