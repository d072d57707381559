"""An account at the simulator, spoken to over its wire, with a human, bad days on demand and a clock moved by hand."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from paper_sessions import begin
from replays import CASH, START_MS
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from told_trades import ATR, plan_with

from crypto_kedro.exchange.bitbank import BitbankExchange, BitbankSettings, Credentials
from crypto_kedro.exchange.port import Exchange
from crypto_kedro.exchange.simulator.application import build_application
from crypto_kedro.exchange.simulator.faults import Fault, FaultKind, Faults
from crypto_kedro.exchange.simulator.price_source import ScriptSource
from crypto_kedro.exchange.simulator.running import RunningExchange
from crypto_kedro.exchange.simulator.server import loopback_socket, server
from crypto_kedro.exchange.simulator.settings import ApiKey, SimulatorSettings
from crypto_kedro.market.bars import MINUTE_MS
from crypto_kedro.session.cycle import Cycle, CycleReport, CycleTerms
from crypto_kedro.session.journal import Journal, Writer
from crypto_kedro.session.journal.records import Answered, Incident, Intended, Trigger
from crypto_kedro.session.ownership import ForeignOrders
from crypto_kedro.trading.money import Btc, Price
from crypto_kedro.trading.orders import Order, OrderRequest, OrderType, PositionSide, Side
from crypto_kedro.trading.quotes import TradePrint
from crypto_kedro.trading.signal import SignalFacts

PRICE = 1_000_000
BAR_MS = 15 * MINUTE_MS
PUBLIC = ("/btc_jpy", "/v1/spot")
"""Where the paths of the public side begin."""
NEW_ORDER = "/v1/user/spot/order"
ACTIVE_ORDERS = "/v1/user/spot/active_orders"


class HandClock:
    """Time of market, exchange and sessions, Unix milliseconds UTC; waiting moves it."""

    def __init__(self) -> None:
        self.now_ms = START_MS + 1_000

    def __call__(self) -> int:
        return self.now_ms

    async def sleep(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)


class LightsOut:
    """Once it is armed: the next order arrives, its answer is lost, and no order can be looked up any more."""

    def __init__(self, app: ASGIApp, faults: Faults, armed: asyncio.Event) -> None:
        self._app = app
        self._faults = faults
        self._armed = armed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._armed.is_set() or scope["path"] != NEW_ORDER or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        self._armed.clear()
        await self._app(scope, receive, _nowhere)
        self._faults.replace([Fault(FaultKind.SERVER_ERROR, where=ACTIVE_ORDERS)])
        await PlainTextResponse("gateway time-out", 504)(scope, receive, send)


async def _nowhere(_: Message) -> None:
    pass


class AskedFacts:
    """The facts of the last closed bar, with prices that the exchange is asked for; the model says what it is told."""

    def __init__(self, exchange: Exchange, now_ms: Callable[[], int]) -> None:
        self._exchange = exchange
        self._now_ms = now_ms
        self.long = 0.0

    async def latest(self) -> SignalFacts[float] | None:
        now_ms = self._now_ms()
        close_ms = now_ms // BAR_MS * BAR_MS
        last = float((await self._exchange.ticker()).last.ticks)
        word = (0.0, 1.0 - self.long, self.long)
        return SignalFacts(float(close_ms), float(now_ms - close_ms), last, ATR, 1e-4, 0.0, 0.0, 0.0, *word, (word,))


class SimulatedAccount:
    """Sessions on one account, one process after the other, and a human with a key of his own."""

    def __init__(
        self, folder: Path, url: str, clock: HandClock, faults: Faults, lights_out: asyncio.Event, rule: ForeignOrders
    ) -> None:
        self.clock = clock
        self.lights_out = lights_out
        self.faults = faults
        self.settings = plan_with().settings
        settings = BitbankSettings(public_url=url, private_url=url, throttle=False, timeout_s=2.0, search_s=0.0)
        self.exchange = BitbankExchange(settings, Credentials("key", "secret"), now_ms=clock, sleep=clock.sleep)
        self.human = BitbankExchange(settings, Credentials("human", "secret"), now_ms=clock, sleep=clock.sleep)
        self.journal = Journal.open(folder / "journal.db")
        self.terms = CycleTerms(settings=self.settings, funding_stage=1, kelly=2.0, foreign_orders=rule)
        self.facts = AskedFacts(self.exchange, clock)
        self.processes = 0
        self.new_process()

    def new_process(self) -> None:
        """Let a new process begin its session."""
        self.processes += 1
        writer = Writer(f"session-{self.processes}", self.processes)
        begin(self.journal, self.clock(), self.settings, CASH, writer)
        self.cycle = Cycle(self.exchange, self.facts, self.journal, writer, self.terms, self.clock)

    def pass_ms(self, milliseconds: int) -> None:
        """Let time pass."""
        self.clock.now_ms += milliseconds

    async def run(self, trigger: Trigger = Trigger.PROTECTION) -> CycleReport:
        """Run a cycle a moment later."""
        self.pass_ms(1_000)
        return await self.cycle.run(trigger)

    async def entered(self) -> CycleReport:
        """Let the model want a long position once, and the session open and protect it."""
        self.facts.long = 0.9
        report = await self.run(Trigger.BAR)
        assert (report.sent, report.error) == (3, None)
        self.facts.long = 0.0
        return report

    def bad(self, kind: FaultKind, *where: str, times: int | None = None, ms: int | None = None) -> None:
        """Let something go wrong on some paths, until further notice or so many times."""
        self.faults.replace([Fault(kind, where=place, times=times, ms=ms) for place in where or ("",)])

    def well(self) -> None:
        """Let nothing go wrong any more."""
        self.faults.replace(())

    async def resting(self) -> list[str]:
        """Kinds of the open orders, sorted."""
        return sorted(str(order.request.type) for order in await self.human.open_orders())

    async def the(self, kind: OrderType) -> Order:
        """The one open order of a kind."""
        (order,) = [order for order in await self.human.open_orders() if order.request.type is kind]
        return order

    def intents(self) -> list[str]:
        """What was written down to be sent, oldest first: purpose and kind of order, or the cancel."""
        return [
            f"{entry.record.purpose} {'cancel' if entry.record.request is None else entry.record.request.type}"
            for entry in self.journal.entries(Intended)
        ]

    def answers(self) -> list[str]:
        """What was written down of what became of them."""
        return [str(entry.record.outcome) for entry in self.journal.entries(Answered)]

    def incidents(self) -> list[str]:
        """Codes of the incidents, oldest first."""
        return [entry.record.code for entry in self.journal.entries(Incident)]


@asynccontextmanager
async def simulated_account(
    folder: Path, prices: Sequence[tuple[int, int]] = (), rule: ForeignOrders = ForeignOrders.RESPECT
) -> AsyncIterator[SimulatedAccount]:
    """Open an account on a market that stands at `PRICE` and moves to each price at its minute."""
    clock, faults = HandClock(), Faults()
    script = [TradePrint(START_MS + minute * MINUTE_MS, price, 1_000, Side.BUY) for minute, price in prices]
    keys = (ApiKey("key", "secret"), ApiKey("human", "secret"))
    settings = SimulatorSettings(keys=keys, cash=CASH, queries_per_second=None, updates_per_second=None)
    running = RunningExchange(ScriptSource(script, START_MS, PRICE), settings, speed=1, wall_ms=clock)
    listener = loopback_socket(0)
    lights_out = asyncio.Event()
    web = server(build_application(running, [Middleware(LightsOut, faults=faults, armed=lights_out)], faults))
    serving = asyncio.create_task(web.serve([listener]))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    account = SimulatedAccount(folder, url, clock, faults, lights_out, rule)
    try:
        yield account
    finally:
        account.journal.close()
        await account.exchange.close()
        await account.human.close()
        web.should_exit = True
        await serving


def play(
    folder: Path,
    story: Callable[[SimulatedAccount], Awaitable[None]],
    prices: Sequence[tuple[int, int]] = (),
    rule: ForeignOrders = ForeignOrders.RESPECT,
) -> None:
    """Play a story on an account."""

    async def whole() -> None:
        async with simulated_account(folder, prices, rule) as account:
            await story(account)

    asyncio.run(whole())


def order(words: str, trigger: int | None = None, price: int | None = None) -> OrderRequest:
    """Build a request of a human, such as ``"sell long 0.01 limit"``; the amount ``all`` is the whole position."""
    side, position, amount, kind = words.split()
    return OrderRequest(
        side=Side(side),
        type=next(known for known in OrderType if known == kind),
        amount=None if amount == "all" else Btc.of(amount),
        price=None if price is None else Price(price),
        trigger_price=None if trigger is None else Price(trigger),
        position_side=next(known for known in PositionSide if known == position),
    )
