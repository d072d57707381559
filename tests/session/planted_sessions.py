"""A paper session on one known market, into which something can be planted that no backtest knows of."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from paper_sessions import LINEAGE, KnownFacts
from replays import CASH, RULES, coarser, facts_of, random_bars

from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.exchange.port import Exchange, RetryLaterError
from crypto_kedro.exchange.settings import EngineSettings
from crypto_kedro.market.bars import HOUR_MS, MINUTE_MS, Bars, FloatArray
from crypto_kedro.session.cycle import Cycle, CycleTerms
from crypto_kedro.session.journal import Journal, Writer
from crypto_kedro.session.journal.records import Lineage, SessionEnded, SessionStarted, Trigger
from crypto_kedro.session.paper import RecordedAccount
from crypto_kedro.session.parity import Parity, compare, read_period, replay_period
from crypto_kedro.session.plan import BacktestPlan
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.money import Jpy, Price, Rate
from crypto_kedro.trading.orders import Fill
from crypto_kedro.trading.rules import RuleSchedule
from crypto_kedro.trading.settings import (
    BarrierRule,
    FundingStage,
    GuardRule,
    SignalRule,
    SizingRule,
    TradingSettings,
)
from crypto_kedro.trading.signal import SignalFacts

BAR_MS = 15 * MINUTE_MS
ENTRIES = {6: 1, 18: -1, 32: 1}
"""Decision bars at which the model is certain, and of which side."""
DECISIONS = 44
KELLY = 1.0


def minute_bars() -> Bars:
    bars = random_bars(np.random.default_rng(20), DECISIONS * 15, MINUTE_MS, 0.0004)
    # No halts and no silent minutes: each test plants its own trouble.
    return replace(bars, gap_minutes=np.zeros(len(bars), np.int64), volume=np.full(len(bars), 5.0))


def facts_on(bars: Bars) -> SignalFacts[FloatArray]:
    decision = coarser(bars, 15)
    side = np.zeros(len(decision))
    for row, direction in ENTRIES.items():
        side[row] = direction
    return facts_of(decision, decision.close * 0.002, np.where(side > 0, 0.95, 0.02), np.where(side < 0, 0.95, 0.02))


def usual_plan() -> BacktestPlan:
    settings = TradingSettings(
        barriers=BarrierRule(max_bars=8),
        signal=SignalRule(min_expected_value=-0.01),
        sizing=SizingRule(risk_fraction=Rate.of("0.05"), kelly_multiplier=1.0, margin_floor=Rate.of("0.3")),
        guards=GuardRule(
            max_jump=0.2, max_volatility=0.1, max_daily_loss=0.9, max_weekly_loss=0.9, max_drawdown=0.9,
            max_losses_in_a_row=50, loss_pause_ms=HOUR_MS, max_trades_a_day=100,
        ),
        stages=(FundingStage(capital=CASH),),
    )  # fmt: skip
    return BacktestPlan(
        settings=settings,
        schedule=RuleSchedule.constant(RULES),
        cash=CASH,
        engine=EngineSettings(slippage=Rate(200)),
    )


class TamperedExchange:
    """An exchange of which one thing is not as it should be; everything else is asked of the real one."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.change_fill: Callable[[Fill], Fill] = lambda fill: fill
        self.is_away = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._exchange, name)

    async def account(self) -> AccountState:
        if self.is_away:
            raise RetryLaterError("exchange: it does not answer; ask again later")
        return await self._exchange.account()

    async def fills_since(self, since_ms: int) -> tuple[Fill, ...]:
        return tuple(self.change_fill(fill) for fill in await self._exchange.fills_since(since_ms))


@dataclass
class PlantedSession:
    """One session, or several, minute by minute.

    Args:
        folder: of the journal.
        plan: of the exchange that is traded at.
        settings: of the core; those of the plan unless given.
    """

    folder: Path
    plan: BacktestPlan = field(default_factory=usual_plan)
    bars: Bars = field(default_factory=minute_bars)
    stands_still: Callable[[int], bool] = lambda _: False
    at_decision: dict[int, Callable[["PlantedSession"], None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.account = RecordedAccount(BarFeed(self.bars), self.plan, Price(0))
        self.exchange = TamperedExchange(self.account.exchange)
        self.path = self.folder / "journal.db"
        self.journal = Journal.open(self.path)
        self.sessions = 0
        self.writer = Writer("", 0)
        self.cycle: Cycle | None = None

    def begin(
        self,
        settings: TradingSettings | None = None,
        lineage: Lineage = LINEAGE,
        facts: SignalFacts[FloatArray] | None = None,
    ) -> None:
        """Begin a session."""
        self.sessions += 1
        self.writer = Writer(f"session-{self.sessions}", self.sessions)
        settings = settings or self.plan.settings
        now_ms = self.account.now_ms()
        self.journal.append(self.writer, now_ms, SessionStarted("paper", lineage, settings, self._worth(), 1))
        source = KnownFacts(facts or facts_on(self.bars), self.account.now_ms, BAR_MS)
        terms = CycleTerms(settings=settings, funding_stage=1, kelly=KELLY)
        self.cycle = Cycle(self.exchange, source, self.journal, self.writer, terms, self.account.now_ms)  # type: ignore[arg-type]

    def _worth(self) -> Jpy:
        # The account tells nothing before its first bar.
        return self.account.engine.account().equity if self.sessions > 1 else self.plan.cash

    def end(self) -> None:
        """End it."""
        self.journal.append(self.writer, self.account.now_ms(), SessionEnded("the test ends it"))
        self.cycle = None

    def trade(self) -> None:
        """Trade all bars."""
        self.begin()
        asyncio.run(self._trade())
        self.journal.close()

    async def _trade(self) -> None:
        while self.account.next_bar():
            now_ms = self.account.now_ms()
            decision, rest = divmod(now_ms - int(self.bars.open_time[0]), BAR_MS)
            if rest == 0 and decision - 1 in self.at_decision:
                self.at_decision[decision - 1](self)
            if self.cycle is not None and not self.stands_still(decision - 1):
                await self.cycle.run(Trigger.PROTECTION if rest else Trigger.BAR)

    def compared(
        self,
        plan: BacktestPlan | None = None,
        bars: Bars | None = None,
        session: str = "latest",
        spread: float | None = None,
        from_decision: int = 0,
        code: str | None = None,
    ) -> Parity:
        """Compare with the backtest by the usual plan, on the same bars unless others are given."""
        bars = bars or minute_bars()
        with Journal.open(self.path, read_only=True) as journal:
            live = read_period(journal, session)
        facts = facts_on(bars)
        facts = facts if spread is None else facts._replace(spread=np.full(len(facts.close), spread))
        *numbers, models = facts
        late = slice(from_decision, None)
        facts = SignalFacts._make([*(c[late] for c in numbers), tuple(tuple(c[late] for c in own) for own in models)])
        feed = BarFeed(bars[from_decision * 15 :])
        return compare(live, replay_period(feed, facts, KELLY, plan or usual_plan(), code))


def with_minute(bars: Bars, row: int, move_jpy: float) -> Bars:
    """Return the bars with one minute that closed elsewhere."""
    changed = {name: getattr(bars, name).copy() for name in ("high", "low", "close")}
    changed["close"][row] += move_jpy
    changed["high"][row] = max(changed["high"][row], changed["close"][row])
    changed["low"][row] = min(changed["low"][row], changed["close"][row])
    return replace(bars, **changed)


def told(parity: Parity) -> list[tuple[str, str]]:
    """Return (kind, cause) of every difference that does not only follow from another."""
    return [(one.kind.value, one.why.cause.value) for one in parity.differences if one.why.because is None]


def close_of(bars: Bars, decision: int) -> int:
    return int(bars.open_time[0]) + (decision + 1) * BAR_MS
