"""The traders of a siege: the project's own, as processes that work until they are killed."""

import asyncio
import math
import random
import resource
import signal
import sys
from multiprocessing.synchronize import Event

from accounts_of_fire import TRAITORS, RestlessAccount
from camp import CAPITAL, Camp
from msgspec import Struct
from shared_clock import RestlessClock, SharedClock

from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.exchange.bitbank import BitbankSettings, Credentials
from crypto_kedro.exchange.bitbank.private_stream import PrivateStream
from crypto_kedro.exchange.port import Exchange, ExchangeError
from crypto_kedro.exchange.retry import GrowingPauses
from crypto_kedro.session.account_news import listening
from crypto_kedro.session.cycle import CycleTerms
from crypto_kedro.session.journal import JournalError, OutdatedFenceError
from crypto_kedro.session.journal.records import Lineage
from crypto_kedro.session.lease import Fence, LeaseLostError, LeaseStoreError, LeaseTerms, SqliteLease, steady_ms
from crypto_kedro.session.notice import LogNotifier
from crypto_kedro.session.opening import Outfit, trader_at_work
from crypto_kedro.session.signals import run_until_signalled
from crypto_kedro.session.trader import Trader, TraderTerms
from crypto_kedro.trading.settings import BarrierRule, FundingStage, GuardRule, TradingSettings
from crypto_kedro.trading.signal import SignalFacts

PAUSE_MS = 150_000
BAR_MS = 300_000
DISK_FAILED, LEASE_LOST, UNREACHABLE = 3, 4, 5
"""How a trader ends that may not go on, or could not begin because the exchange broke off its beginning."""

TERMS_OF_A_DUEL = LeaseTerms(ttl_ms=600_000, margin_ms=7_000, renew_every_ms=PAUSE_MS)
_SETTINGS = TradingSettings(
    barriers=BarrierRule(max_bars=2, stop_loss_atr=1.0, take_profit_atr=1.5, bar_ms=BAR_MS),
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
_LONG, _SHORT, _FLAT = (0.1, 0.1, 0.8), (0.8, 0.1, 0.1), (0.1, 0.8, 0.1)


class Post(Struct, frozen=True):
    """What a trader process is told.

    Args:
        camp: where.
        url: of the exchange.
        key: its own API key.
        cycles: after so many it ends by itself; None is never.
        disk_bytes: files cannot grow beyond this size; None is no limit.
        is_ticked: whether its cycles are asked for one by one, as through the HTTP face, and its lease lives by the
            clock of the camp; otherwise it runs the loop of a session.
        traitor: an account of `TRAITORS` that it works with unknowingly.
    """

    camp: Camp
    url: str
    key: str
    cycles: int | None = None
    disk_bytes: int | None = None
    is_ticked: bool = False
    traitor: str | None = None


def trade(post: Post, holds_lease: Event, is_at_work: Event) -> None:
    """Trade until killed or signalled, or until the process may not go on."""
    sys.stderr = post.camp.said(post.key).open("w")

    async def work(asked: asyncio.Event) -> None:
        await _trade(post, asked, holds_lease, is_at_work)

    try:
        asyncio.run(run_until_signalled(work))
    except ExchangeError:
        sys.exit(UNREACHABLE)
    except (LeaseLostError, OutdatedFenceError):
        sys.exit(LEASE_LOST)
    except (JournalError, LeaseStoreError):
        sys.exit(DISK_FAILED)


async def _trade(post: Post, asked: asyncio.Event, holds_lease: Event, is_at_work: Event) -> None:
    camp, clock = post.camp, SharedClock(post.camp.clock, shifted=True)
    lease = ToldLease(post, holds_lease, SharedClock(camp.clock))
    settings = BitbankSettings(public_url=post.url, private_url=post.url, private_stream_url=post.url, throttle=False)
    account_type = RestlessAccount if post.traitor is None else TRAITORS[post.traitor]
    async with account_type(settings, Credentials(post.key, "secret"), clock) as account:
        outfit = Outfit(
            folder=camp.session,
            exchange=account,
            facts=RandomFacts(account, clock, camp.seed),
            bars=tuple,
            lease=lease,
            lease_wait_s=math.inf,
            lineage=_LINEAGE,
            cycle_terms=CycleTerms(settings=_SETTINGS, funding_stage=1, kelly=2.0),
            trader_terms=TraderTerms(environment="paper", protect_every_ms=PAUSE_MS),
            notifier=LogNotifier(),
            clock=RestlessClock(clock, post.cycles, asked),
            start_pauses=lambda: GrowingPauses(0.05, 2.0),
        )
        async with trader_at_work(outfit) as trader:
            lease.note_beginning()
            is_at_work.set()
            if post.is_ticked:
                await _trade_by_ticks(trader, lease, clock, post.cycles)
            else:
                stream = PrivateStream(account, settings, clock, _pause_in_fast_time)
                async with listening(stream.news, trader.wake):
                    await trader.run(asked)


async def _pause_in_fast_time(seconds: float) -> None:
    await asyncio.sleep(seconds / 100)


async def _trade_by_ticks(trader: Trader, lease: "ToldLease", clock: SharedClock, cycles: int | None) -> None:
    done = 0
    while done != cycles:
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
    """A lease that tells the camp when it is held.

    Args:
        post: of the process.
        holds_lease: is set once it is held.
        clock: of the camp.
    """

    def __init__(self, post: Post, holds_lease: Event, clock: SharedClock) -> None:
        terms, clock_ms = (TERMS_OF_A_DUEL, clock) if post.is_ticked else (LeaseTerms(), steady_ms)
        super().__init__(post.camp.session.lease, terms, clock_ms=clock_ms)
        self._post = post
        self._holds = holds_lease
        self._clock = clock

    async def acquire(self, above: int = 0) -> Fence | None:
        fence = await super().acquire(above)
        if fence is not None:
            self._tell(fence)
        return fence

    def note_beginning(self) -> None:
        """Write down that this trader can look after positions from now on."""
        self._post.camp.began(self._post.key).write_text(str(self._clock()))

    def _tell(self, fence: Fence) -> None:
        self._post.camp.token(self._post.key).write_text(str(fence.token))
        self.note_beginning()
        self._holds.set()
        limit = self._post.disk_bytes
        if limit is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


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
