"""Backtests told in a few bars of (open, high, low, close), for numbers that a hand can check."""

from dataclasses import replace

import numpy as np
from replays import BAR_MS, CASH, RULES, bars_of, facts_of

from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.session.backtest import run_backtest
from crypto_kedro.session.plan import BacktestPlan
from crypto_kedro.session.records import BacktestResult
from crypto_kedro.trading.money import Rate
from crypto_kedro.trading.rules import RuleSchedule
from crypto_kedro.trading.settings import BarrierRule, FundingStage, SignalRule, SizingRule, TradingSettings

QUIET = (1_000_000, 1_000_500, 999_500, 1_000_000)
ATR = 10_000.0


def plan_with(max_bars: int = 24, **changes: object) -> BacktestPlan:
    """Return a plan that puts all capital into every signal, with some of its fields changed."""
    settings = TradingSettings(
        barriers=BarrierRule(take_profit_atr=2.0, stop_loss_atr=1.0, max_bars=max_bars, bar_ms=BAR_MS),
        signal=SignalRule(min_expected_value=-0.1),
        sizing=SizingRule(risk_fraction=Rate.of("0.5"), kelly_multiplier=1.0),
        stages=(FundingStage(capital=CASH),),
    )
    plan = BacktestPlan(settings=settings, schedule=RuleSchedule.constant(RULES), cash=CASH)
    return replace(plan, **changes)  # type: ignore[arg-type]


def trade(
    rows: list[tuple[int, int, int, int]], long_at: tuple[int, ...] = (), short_at: tuple[int, ...] = (),
    plan: BacktestPlan | None = None,
) -> BacktestResult:  # fmt: skip
    """Run a market of 15-minute bars in which a certain signal closes with each of the given bars."""
    bars = bars_of(rows)
    long, short = np.zeros(len(rows)), np.zeros(len(rows))
    long[list(long_at)] = 0.9
    short[list(short_at)] = 0.9
    return run_backtest(BarFeed(bars), facts_of(bars, ATR, long, short), 2.0, plan or plan_with())
