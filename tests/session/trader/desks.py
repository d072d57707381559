"""A simulated exchange on loopback in real time, and desks of traders who know of its bars what a test tells them."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from crypto_kedro.exchange.bitbank import BitbankExchange, BitbankSettings, Credentials
from crypto_kedro.exchange.bitbank.private_stream import PrivateStream
from crypto_kedro.exchange.port import Exchange
from crypto_kedro.exchange.simulator.application import build_application
from crypto_kedro.exchange.simulator.commands import Command
from crypto_kedro.exchange.simulator.faults import Faults
from crypto_kedro.exchange.simulator.price_source import ScriptSource
from crypto_kedro.exchange.simulator.running import RunningExchange
from crypto_kedro.exchange.simulator.server import loopback_socket, server
from crypto_kedro.exchange.simulator.settings import ApiKey, SimulatorSettings
from crypto_kedro.session.clock import SessionClock, wall_clock_ms
from crypto_kedro.session.cycle import CycleTerms
from crypto_kedro.session.ending import EndRequest
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.journal import Entry, Journal, JournalError
from crypto_kedro.session.journal.records import Lineage, Record
from crypto_kedro.session.lease import Lease, LeaseTerms, SqliteLease
from crypto_kedro.session.modes import Desk, open_desk
from crypto_kedro.session.notice import News, Notice
from crypto_kedro.session.open_exchange import admit_all
from crypto_kedro.session.opening import Outfit
from crypto_kedro.session.ownership import ForeignOrders
from crypto_kedro.session.waking import Mode, TraderTerms
from crypto_kedro.trading.money import Jpy
from crypto_kedro.trading.settings import BarrierRule, FundingStage, GuardRule, TradingSettings
from crypto_kedro.trading.signal import SignalFacts

T = TypeVar("T")
Record_ = TypeVar("Record_", bound=Record)

KEY = ApiKey("key", "secret")
CAPITAL = Jpy.of(1_000_000)
PRICE = 10_000_000
BAR_MS = 900_000
PATIENCE_S = 120.0
_OF_AN_EMPTY_JOURNAL = 32_768
FLAT, LONG = (0.1, 0.8, 0.1), (0.1, 0.1, 0.8)
SETTINGS = TradingSettings(
    barriers=BarrierRule(max_bars=96, stop_loss_atr=1.0, take_profit_atr=1.5),
    guards=GuardRule(max_data_age_ms=BAR_MS + 60_000),
    stages=(FundingStage(capital=CAPITAL),),
)
LINEAGE = Lineage("none", "known opinion", "none", "none", "none", "synthetic", "none", "none")
LEASE = LeaseTerms(ttl_ms=20_000, margin_ms=7_000, renew_every_ms=4_000)


class Market:
    """An exchange whose price stands still until it is told otherwise, on a thread of its own.

    Args:
        now_ms: its clock.
        port: where it listens; 0 takes a free one.
    """

    def __init__(self, now_ms: Callable[[], int], port: int = 0) -> None:
        settings = SimulatorSettings(keys=(KEY,), cash=CAPITAL, queries_per_second=None, updates_per_second=None)
        self.faults = Faults()
        self._running = RunningExchange(ScriptSource([], now_ms(), PRICE), settings, speed=1, wall_ms=now_ms)
        self._listener = loopback_socket(port)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._server = server(build_application(self._running, [], self.faults))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()

    def tell(self, command: Command) -> None:
        """Carry out a command beside the wire, as another hand at the same account or in the market does."""

        async def carry_out() -> None:
            self._running.carry_out(command)

        asyncio.run_coroutine_threadsafe(carry_out(), self._loop).result(PATIENCE_S)

    def close(self) -> None:
        """Stop serving."""
        self._server.should_exit = True
        self._thread.join(PATIENCE_S)
        self._loop.close()

    async def _serve(self) -> None:
        time_passes = asyncio.create_task(self._running.run())
        await self._server.serve([self._listener])
        time_passes.cancel()


@contextmanager
def market(now_ms: Callable[[], int] = wall_clock_ms, port: int = 0) -> Iterator[Market]:
    """Serve an exchange while the context is open."""
    serving = Market(now_ms, port)
    try:
        yield serving
    finally:
        serving.close()


class KnownOpinion:
    """Facts of the bar that has just closed, with one opinion of all bars.

    Args:
        exchange: tells the price.
        now_ms: tells the bar.
        model: probabilities of short, flat and long.
    """

    def __init__(self, exchange: Exchange, now_ms: Callable[[], int], model: tuple[float, float, float]) -> None:
        self._exchange = exchange
        self._now_ms = now_ms
        self._model = model

    async def latest(self) -> SignalFacts[float]:
        ticker = await self._exchange.ticker()
        now_ms, price = self._now_ms(), float(ticker.last.ticks)
        close_ms = now_ms // BAR_MS * BAR_MS
        short, flat, long = self._model
        return SignalFacts(
            bar_close_ms=float(close_ms), age_ms=float(now_ms - close_ms), close=price, atr=0.006 * price,
            spread=0.0001, last_return=0.0, gap_minutes=0.0, status=0.0, short=short, flat=flat, long=long,
            models=(self._model,) * 3,
        )  # fmt: skip


class Told:
    """Keeps all notices."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    def notify(self, notice: Notice) -> None:
        self.notices.append(notice)

    def of(self, kind: type[News]) -> list[News]:
        """The news of a kind."""
        return [notice.news for notice in self.notices if isinstance(notice.news, kind)]


@asynccontextmanager
async def desk_at(
    url: str,
    folder: Path,
    mode: Mode = Mode.LOOP,
    *,
    now_ms: Callable[[], int] = wall_clock_ms,
    opinion: tuple[float, float, float] = FLAT,
    lease: Lease | None = None,
    lease_wait_s: float = 0.0,
    listens: bool = True,
    secret: str | None = None,
    **more: Any,
) -> AsyncIterator[Desk]:
    """A desk of a trader at an exchange; ``more`` goes into its outfit, and a key with ``secret`` is to be admitted."""
    settings = BitbankSettings(public_url=url, private_url=url, stream_url=url, private_stream_url=url)
    session = SessionFolder(folder)
    async with BitbankExchange(settings, Credentials(KEY.key, secret or KEY.secret), now_ms=now_ms) as exchange:
        outfit = Outfit(
            **{
                "folder": session,
                "exchange": exchange,
                "facts": KnownOpinion(exchange, now_ms, opinion),
                "bars": tuple,
                "lease": lease or SqliteLease(session.lease, LEASE),
                "lease_wait_s": lease_wait_s,
                "lineage": LINEAGE,
                "cycle_terms": CycleTerms(
                    settings=SETTINGS, funding_stage=1, kelly=2.0, foreign_orders=ForeignOrders.ADOPT
                ),
                "trader_terms": TraderTerms(environment="paper"),
                "notifier": Told(),
                "clock": SessionClock(now_ms),
                "admit": exchange.check_rights if secret else admit_all,
                "news": PrivateStream(exchange, settings, now_ms).news if listens else None,
            }
            | more
        )
        async with open_desk(outfit, mode) as desk:
            yield desk


@asynccontextmanager
async def at_work(desk: Desk) -> AsyncIterator[EndRequest]:
    """Let a desk's trader work while the context is open; the event asks it to end."""
    asked = EndRequest()
    working = asyncio.create_task(desk.work(asked))
    try:
        yield asked
        asked.set()
        await asyncio.wait_for(working, PATIENCE_S)
    finally:
        working.cancel()
        await asyncio.wait({working})


def written(folder: Path, *kinds: type[Record_]) -> list[Entry[Record_]]:
    """The entries of a session's journal so far; none before it is made."""
    path = SessionFolder(folder).journal
    if not path.exists():
        return []
    try:
        with Journal.open(path, read_only=True) as journal:
            return list(journal.entries(*kinds))
    except JournalError:
        # Its tables are just being made by another process.
        if path.stat().st_size > _OF_AN_EMPTY_JOURNAL:
            raise
        return []


async def until(condition: Callable[[], T | Awaitable[T]], patience_s: float = PATIENCE_S) -> T:
    """Wait until a condition holds, and return what it gave."""
    async with asyncio.timeout(patience_s):
        while True:
            found = condition()
            value = await found if isinstance(found, Awaitable) else found
            if value:
                return value
            await asyncio.sleep(0.01)
