"""The core trades through the matching engine: what it reads there is enough, and what it asks for is accepted."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from observations import BARRIERS, RULES

from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.exchange.matching import MatchingEngine
from crypto_kedro.exchange.settings import EngineSettings
from crypto_kedro.market.bars import MINUTE_MS, Bars, FloatArray
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.decide import decide
from crypto_kedro.trading.decision import Action, Decision, Target
from crypto_kedro.trading.ledger import TradeLedger
from crypto_kedro.trading.money import Jpy, Rate
from crypto_kedro.trading.observation import Observation
from crypto_kedro.trading.orders import OrderRequest, OrderType, PositionSide, Refusal, RefusalCode
from crypto_kedro.trading.protection import entry_price, protect, resting_protection
from crypto_kedro.trading.rules import RuleSchedule
from crypto_kedro.trading.settings import FundingStage, GuardRule, SignalRule, SizingRule, TradingSettings
from crypto_kedro.trading.signal import SignalFacts

BAR_MS = 15 * MINUTE_MS
BARS = 3_000
CAPITAL = Jpy.of(100_000)
START_MS = 19_000 * 96 * BAR_MS
ATR = 0.004


def random_bars(seed: int) -> Bars:
    random = np.random.default_rng(seed)
    close = np.rint(5_000_000 * np.exp(np.cumsum(random.normal(0, 0.004, BARS))))
    opened = np.concatenate(([5_000_000.0], close[:-1]))
    reach = np.rint(np.abs(random.normal(0, 0.002, (2, BARS))) * close)
    high, low = np.maximum(opened, close) + reach[0], np.minimum(opened, close) - reach[1]
    time_ms = START_MS + np.arange(BARS, dtype=np.int64) * BAR_MS
    return Bars(BAR_MS, time_ms, opened, high, low, close, np.full(BARS, 5.0), np.zeros(BARS, np.int64))


@dataclass
class Session:
    """The least that a driver must do: read the account, decide, send the difference.

    A stop that would fire at once is refused by the exchange; the next decision sees the position without it.
    """

    settings: TradingSettings
    engine: MatchingEngine
    ledger: TradeLedger
    decisions: list[Decision] = field(default_factory=list)
    accounts: list[AccountState] = field(default_factory=list)
    seen_fills: int = 0

    def fold_fills(self) -> None:
        for fill in self.engine.fills[self.seen_fills :]:
            self.ledger = self.ledger.after(fill)
        self.seen_fills = len(self.engine.fills)

    def cycle(self, facts: SignalFacts[float]) -> None:
        self.fold_fills()
        account = self.engine.account()
        decision = decide(self.settings, Observation(facts, 2.0, account, self.ledger, RULES, 1))
        self.accounts.append(account)
        self.decisions.append(decision)
        if decision.action is Action.OPEN and decision.target is not None:
            self.enter(decision.target)
        else:
            self.follow(account, decision.target)

    def follow(self, account: AccountState, target: Target | None) -> None:
        """Cancel what protects nothing, close what is not wanted, and move the stop."""
        for side in PositionSide:
            held = account.position(side)
            stop, _ = resting_protection(account.open_orders, side)
            if target is not None and held.amount and stop == target.protection.stop:
                continue
            for order in account.open_orders:
                if order.request.position_side is side:
                    self.engine.cancel(order.order_id)
            if held.amount and target is not None:
                self.protect(target)
            elif held.amount:
                closing = OrderRequest(
                    side=side.closing_side, type=OrderType.MARKET, amount=held.amount, position_side=side
                )
                assert not isinstance(self.engine.place(closing), Refusal)

    def enter(self, target: Target) -> None:
        side = target.side
        request = OrderRequest(side=side.opening_side, type=OrderType.MARKET, amount=target.amount, position_side=side)
        assert not isinstance(self.engine.place(request), Refusal)

    def protect_entry(self) -> None:
        """Protect a position that has just been opened by the price of its fill."""
        account = self.engine.account()
        target = self.decisions[-1].target
        if target is None or target.barriers is None or not account.position(target.side).amount:
            return
        entry = entry_price(account.position(target.side), RULES.price_step)
        protection = protect(target.side, entry, target.barriers, target.protection.expires_at_ms, RULES.price_step)
        self.protect(Target(target.side, target.amount, protection, None))

    def protect(self, target: Target) -> None:
        triggers = ((OrderType.STOP, target.protection.stop), (OrderType.TAKE_PROFIT, target.protection.take_profit))
        for order_type, trigger in triggers:
            request = OrderRequest(
                side=target.side.closing_side,
                type=order_type,
                amount=target.amount,
                trigger_price=trigger,
                position_side=target.side,
            )
            answer = self.engine.place(request)
            assert not isinstance(answer, Refusal) or answer.code is RefusalCode.TRIGGER_WOULD_FIRE


def facts_of(bars: Bars, at: int, probability: FloatArray) -> SignalFacts[float]:
    short, flat, long = (float(value) for value in probability)
    close = float(bars.close[at])
    model = (short, flat, long)
    return SignalFacts(
        bar_close_ms=int(bars.close_time[at]),
        age_ms=0,
        close=close,
        atr=ATR * close,
        spread=0.0,
        last_return=float(bars.close[at] / bars.open[at] - 1.0),
        gap_minutes=0,
        status=0,
        short=short,
        flat=flat,
        long=long,
        models=(model, model, model),
    )


def play(settings: TradingSettings, seed: int) -> Session:
    bars = random_bars(seed)
    probabilities = np.random.default_rng(seed + 1).dirichlet((0.5, 0.3, 0.5), BARS)
    engine = MatchingEngine(
        RuleSchedule.constant(RULES),
        EngineSettings(slippage=Rate.of("0.0001"), cancel_orphans=True),
        cash=CAPITAL,
        start_ms=START_MS,
    )
    session = Session(settings, engine, TradeLedger.start(START_MS, CAPITAL))
    feed = BarFeed(bars)
    for at in range(BARS):
        engine.advance(feed.row(at))
        if session.decisions and session.decisions[-1].action is Action.OPEN:
            session.protect_entry()
        session.cycle(facts_of(bars, at, probabilities[at]))
    return session


@pytest.fixture(scope="module", params=[None, 1.5], ids=["fixed stop", "trailing stop"])
def played(request: pytest.FixtureRequest) -> Session:
    barriers = replace(BARRIERS, trailing_atr=request.param)
    loose = GuardRule(max_daily_loss=0.5, max_weekly_loss=0.9, max_drawdown=0.9, max_losses_in_a_row=50)
    return play(
        TradingSettings(
            barriers=barriers,
            signal=SignalRule(confidence_threshold=0.8),
            sizing=SizingRule(max_leverage=Rate.of(1)),
            guards=loose,
            stages=(FundingStage(capital=Jpy.of(500_000)),),
        ),
        seed=5,
    )


def test_given_thousands_of_bars_when_traded_then_every_position_is_explained_by_its_fills(played: Session) -> None:
    assert played.ledger.closed_trades > 100
    assert all(decision.gates["unexplained_lots"].value == 0 for decision in played.decisions)


def test_given_thousands_of_bars_when_traded_then_a_flat_account_holds_what_the_ledger_says(played: Session) -> None:
    folded = TradeLedger.start(START_MS, CAPITAL)
    fills = iter(played.engine.fills)
    pending = next(fills, None)
    for account in played.accounts:
        while pending is not None and pending.executed_at_ms <= account.at_ms:
            folded = folded.after(pending)
            pending = next(fills, None)
        if not account.long.amount and not account.short.amount:
            assert account.cash == folded.balance


def test_given_thousands_of_bars_when_traded_then_no_trade_outlives_its_time_limit(played: Session) -> None:
    opened: int | None = None
    for fill in played.engine.fills:
        if fill.is_opening:
            opened = fill.executed_at_ms
        elif opened is not None:
            assert fill.executed_at_ms <= opened + 16 * BAR_MS


def test_given_thousands_of_bars_when_traded_then_long_and_short_are_opened_and_closed_for_several_reasons(
    played: Session,
) -> None:
    opened = {decision.target.side for decision in played.decisions if decision.target is not None}
    closed = {decision.reason for decision in played.decisions if decision.action is Action.CLOSE}
    assert opened == set(PositionSide)
    assert {"opposite_signal", "stop_passed"} <= closed <= {"opposite_signal", "stop_passed", "time_limit"}


def test_given_thousands_of_bars_when_traded_then_the_stop_of_a_held_position_only_moves_towards_profit(
    played: Session,
) -> None:
    stop: int | None = None
    for decision in played.decisions:
        if decision.action is not Action.HOLD or decision.target is None:
            stop = None
            continue
        now = decision.target.protection.stop.ticks
        mirror = 1 if decision.target.side is PositionSide.LONG else -1
        assert stop is None or (now - stop) * mirror >= 0
        stop = now
