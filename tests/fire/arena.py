"""Where traders live and die: the simulator on loopback with a clock moved by hand, a journal, a lease, and a fate."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from checker import Evidence, Verdict, judge
from exchange_history import ExchangeHistory, play_again
from small_trader import SmallTrader
from starlette.middleware import Middleware
from wire_log import LoggedExchange, WireLog, read_wire_log

from crypto_kedro.exchange.bitbank import BitbankExchange, BitbankSettings, Credentials
from crypto_kedro.exchange.port import Exchange, ExchangeError
from crypto_kedro.exchange.simulator.application import build_application
from crypto_kedro.exchange.simulator.faults import Faults
from crypto_kedro.exchange.simulator.price_source import ScriptSource
from crypto_kedro.exchange.simulator.server import loopback_socket, server
from crypto_kedro.exchange.simulator.settings import ApiKey, SimulatorSettings
from crypto_kedro.session.journal import Journal, Writer
from crypto_kedro.session.lease import FencedExchange, LeaseTerms, SqliteLease
from crypto_kedro.trading.money import Jpy
from crypto_kedro.trading.orders import Side
from crypto_kedro.trading.quotes import TradePrint

START_MS = 1_790_000_040_000
CYCLE_MS = 30_000
CAPITAL = Jpy.of(1_000_000)
TERMS = LeaseTerms(ttl_ms=300_000, margin_ms=7_000, renew_every_ms=60_000)
_PRICE = 10_000_000
_EVERY_MS = 5_000
_LIVES = 100


class KilledError(BaseException):
    """The process is gone; nothing of it runs any more."""


class Fate:
    """Kills at random moments.

    Args:
        seed: of the moments.
        chance: of death at each of them.
        at: moments at which death is possible, such as ``after place``; none named is all of them.

    Attributes:
        kills: how often it has killed.
    """

    def __init__(self, seed: int = 0, chance: float = 0.0, at: str = "") -> None:
        self._random = random.Random(seed)
        self._at = at
        self.chance = chance
        self.kills = 0

    def strike(self, moment: str) -> None:
        """Kill, or not."""
        if self._at in moment and self._random.random() < self.chance:
            self.kills += 1
            raise KilledError


class MortalExchange:
    """An account whose user may die right before and right after each request.

    Args:
        exchange: the account.
        fate: of its user.
    """

    def __init__(self, exchange: Exchange, fate: Fate) -> None:
        self._exchange = exchange
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        ask = getattr(self._exchange, name)

        async def mortal(*arguments: Any) -> Any:
            self._fate.strike(f"before {name}")
            answer = await ask(*arguments)
            self._fate.strike(f"after {name}")
            return answer

        return mortal


class Clock:
    """Time of market, exchange and traders alike, Unix milliseconds UTC."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms

    async def sleep(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)


class Life:
    """One trader from its start to its death."""

    def __init__(self, trader: SmallTrader, lease: SqliteLease, connector: BitbankExchange) -> None:
        self.trader = trader
        self.lease = lease
        self._connector = connector

    async def cycle(self, **more: bool) -> bool:
        """Run one cycle; return whether the exchange let it come to its end."""
        try:
            await self.trader.cycle(**more)
        except ExchangeError:
            return False
        return True

    async def die(self) -> None:
        """End as a killed process does: the kernel frees its lock and closes its files and connections."""
        self.lease._end_life()
        self.trader.journal.close()
        await self._connector.close()


class Arena:
    """One exchange, one account, one journal.

    Args:
        folder: for the files.
        seed: of the market.
        settings: of the simulator.
        running: the exchange.
        source: its market.
        clock: everybody's.
        url: of the exchange.
    """

    def __init__(
        self,
        folder: Path,
        settings: SimulatorSettings,
        running: LoggedExchange,
        source: ScriptSource,
        clock: Clock,
        url: str,
    ) -> None:
        self.clock = clock
        self._folder = folder
        self._settings = settings
        self._running = running
        self._source = source
        self._url = url
        self._tokens: dict[str, int] = {}

    async def begin(
        self,
        trader: type[SmallTrader] = SmallTrader,
        connector: type[BitbankExchange] = BitbankExchange,
        fate: Fate | None = None,
        *,
        is_fenced: bool = True,
    ) -> Life:
        """Start a trader that takes the lease and the journal."""
        number = len(self._tokens)
        key = f"key-{number}"
        journal = Journal.open(self._folder / "journal.db")
        lease = SqliteLease(self._folder / "lease.db", TERMS, clock_ms=self.clock)
        fence = await lease.acquire(journal.highest_fence)
        assert fence is not None, "somebody else has the lease"
        self._tokens[key] = fence.token
        settings = BitbankSettings(public_url=self._url, private_url=self._url, throttle=False)
        account = connector(settings, Credentials(key, "secret"), now_ms=self.clock, sleep=self.clock.sleep)
        account._wire.timeout_on_exit = 0  # ccxt's pause for TLS connections to end
        exchange: Exchange = FencedExchange(account, lease) if is_fenced else account
        mortal: Any = MortalExchange(exchange, fate or Fate())
        one = trader(mortal, journal, Writer(f"session-{number}", fence.token), self.clock, CAPITAL)
        one.start()
        return Life(one, lease, account)

    async def kill(self, life: Life) -> None:
        """End a life."""
        await life.die()

    def pass_ms(self, milliseconds: int) -> None:
        """Let time pass, for the market as well."""
        self.clock.now_ms += milliseconds
        self._running.now()

    def verdict(self) -> Verdict:
        """Judge what has happened so far."""
        evidence = Evidence(
            history=self.history(),
            wire=tuple(read_wire_log(self._folder / "wire.jsonl")),
            journal=self._folder / "journal.db",
            tokens=self._tokens,
            cycle_ms=CYCLE_MS,
        )
        return judge(evidence)

    def history(self) -> ExchangeHistory:
        """Play again what the exchange remembers."""
        return play_again(self._folder / "exchange.db", self._source, self._settings)


@asynccontextmanager
async def arena(
    folder: Path, *, seed: int = 1, minutes: int = 240, faults: Faults | None = None
) -> AsyncIterator[Arena]:
    """Open an exchange whose market walks at random for so many minutes and then stands still."""
    clock = Clock()
    source = ScriptSource(_walk(seed, minutes), START_MS, _PRICE, f"walk {seed} of {minutes} minutes")
    keys = tuple(ApiKey(f"key-{number}", "secret") for number in range(_LIVES))
    settings = SimulatorSettings(keys=keys, cash=CAPITAL, queries_per_second=None, updates_per_second=None)
    running = LoggedExchange(
        folder / "wire.jsonl", source, settings, speed=1, state=folder / "exchange.db", wall_ms=clock
    )
    listener = loopback_socket(0)
    web = server(build_application(running, [Middleware(WireLog, running=running)], faults))
    serving = asyncio.create_task(web.serve([listener]))
    try:
        yield Arena(folder, settings, running, source, clock, f"http://127.0.0.1:{listener.getsockname()[1]}")
    finally:
        web.should_exit = True
        await serving
        running.close()


def _walk(seed: int, minutes: int) -> list[TradePrint]:
    moves = random.Random(seed)
    price, trades = _PRICE, []
    for at_ms in range(START_MS, START_MS + minutes * 60_000, _EVERY_MS):
        price += moves.randrange(-6_000, 6_001)
        trades.append(TradePrint(at_ms, price, moves.randrange(1, 5_000), moves.choice(list(Side))))
    return trades
