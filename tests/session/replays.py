"""Random markets, model outputs and plans for the backtest."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.exchange.settings import EngineSettings, StopConflict
from crypto_kedro.market.bars import DAY_MS, HOUR_MS, MINUTE_MS, Bars, FloatArray
from crypto_kedro.session.plan import BacktestPlan
from crypto_kedro.trading.bitbank_rules import bitbank_btc_jpy_schedule
from crypto_kedro.trading.money import Btc, Jpy, Rate
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
START_MS = 19_000 * DAY_MS
CASH = Jpy.of(100_000)


RULES = bitbank_btc_jpy_schedule().at(START_MS)


def bars_of(rows: list[tuple[int, int, int, int]], interval_ms: int = BAR_MS, volume: float = 10.0) -> Bars:
    """Return bars of (open, high, low, close) in JPY that begin at `START_MS`, which is 09:00 JST."""
    columns = np.array(rows, dtype=np.float64).T
    n = len(rows)
    time_ms = START_MS + np.arange(n, dtype=np.int64) * interval_ms
    return Bars(interval_ms, time_ms, *columns, np.full(n, volume), np.zeros(n, np.int64))


def facts_of(bars: Bars, atr: FloatArray | float, long: FloatArray, short: FloatArray) -> SignalFacts[FloatArray]:
    """Return the facts of bars whose single model gives these probabilities."""
    zero = np.zeros(len(bars))
    previous = np.concatenate((bars.open[:1], bars.close[:-1]))
    flat = np.maximum(1.0 - long - short, 0.0)
    return SignalFacts(
        bars.close_time.astype(np.float64), zero, bars.close, zero + atr, zero + 1e-4, bars.close / previous - 1.0,
        bars.gap_minutes.astype(np.float64), zero, short, flat, long, ((short, flat, long),),
    )  # fmt: skip


def random_bars(random: np.random.Generator, count: int, interval_ms: int, scale: float) -> Bars:
    """Return a jumpy market with price gaps, silent bars and halts."""
    close = np.rint(1_000_000 * np.exp(np.cumsum(random.standard_t(3, count) * scale)).clip(0.2, 5))
    opened = np.concatenate(([1_000_000.0], close[:-1]))
    jumps = random.random(count) < 0.05
    opened[jumps] = np.rint(opened[jumps] * np.exp(random.normal(0, 2 * scale, int(jumps.sum()))))
    reach = np.rint(np.abs(random.normal(0, scale, (2, count))) * close)
    high, low = np.maximum(opened, close) + reach[0], np.maximum(np.minimum(opened, close) - reach[1], 1)
    volume = np.round(random.exponential(3.0, count), 4) * (random.random(count) < 0.9)
    gap_minutes = np.zeros(count, dtype=np.int64)
    for first in np.flatnonzero(random.random(count) < 0.02):
        if first == 0:
            continue
        halt = slice(first, first + int(random.integers(1, 6)))
        gap_minutes[halt] = 60
        for column in (opened, high, low, close):
            column[halt] = close[first - 1]
        volume[halt] = 0.0
    time_ms = START_MS + np.arange(count, dtype=np.int64) * interval_ms
    return Bars(interval_ms, time_ms, opened, high, low, close, volume, gap_minutes)


def coarser(bars: Bars, factor: int) -> Bars:
    """Return bars of ``factor`` bars each."""
    n = len(bars) // factor * factor
    shape = (-1, factor)
    return Bars(
        bars.interval_ms * factor,
        bars.open_time[:n:factor],
        bars.open[:n:factor],
        bars.high[:n].reshape(shape).max(axis=1),
        bars.low[:n].reshape(shape).min(axis=1),
        bars.close[factor - 1 : n : factor],
        bars.volume[:n].reshape(shape).sum(axis=1),
        bars.gap_minutes[:n].reshape(shape).max(axis=1),
    )


@st.composite
def plans(draw: st.DrawFn) -> BacktestPlan:
    """Plans with tight guards, every kind of target and stop, latency and volume shares; careless ones meet calls."""
    is_careful = draw(st.booleans())
    settings = TradingSettings(
        barriers=BarrierRule(
            take_profit_atr=draw(st.sampled_from([1.0, 2.0, 8.0])),
            stop_loss_atr=draw(st.sampled_from([0.5, 2.0, 6.0])),
            max_bars=draw(st.sampled_from([1, 3, 24, 200])),
            trailing_atr=draw(st.sampled_from([None, None, None, 1.5])),
        ),
        signal=SignalRule(confidence_threshold=0.6, min_agreement=0.5, min_expected_value=-0.01),
        sizing=SizingRule(
            risk_fraction=Rate.of("0.01") if is_careful else Rate.of(1),
            kelly_multiplier=1.0,
            max_leverage=Rate.of(1) if is_careful else Rate.of(2),
            margin_floor=Rate.of("0.6") if is_careful else Rate.of("0.3"),
        ),
        guards=GuardRule(
            max_jump=0.2,
            max_volatility=0.1,
            max_daily_loss=draw(st.sampled_from([0.01, 0.9])),
            max_weekly_loss=draw(st.sampled_from([0.03, 0.9])),
            max_drawdown=draw(st.sampled_from([0.1, 0.95])),
            max_losses_in_a_row=draw(st.sampled_from([1, 2, 50])),
            loss_pause_ms=draw(st.sampled_from([3 * HOUR_MS, DAY_MS])),
            max_trades_a_day=draw(st.sampled_from([2, 100])),
        ),
        stages=(FundingStage(capital=CASH), FundingStage(capital=Jpy.of(200_000), min_trades=2, min_days=2)),
    )
    changed = replace(RULES, margin_close_taker_fee=Rate(1000), short_interest_per_day=Rate(555), min_amount=Btc(20))
    return BacktestPlan(
        settings=settings,
        schedule=RuleSchedule((0, START_MS + 2 * DAY_MS + 3 * HOUR_MS), (RULES, changed)),
        cash=CASH,
        engine=EngineSettings(
            slippage=draw(st.sampled_from([Rate(0), Rate(700)])),
            latency_ms=draw(st.sampled_from([0, 0, 1, BAR_MS + 1])),
            volume_share=draw(st.sampled_from([None, Rate.of("0.05"), Rate.of("0.3")])),
            fill_at_touch=draw(st.booleans()),
            stop_conflict=draw(st.sampled_from(StopConflict)),
            cancel_orphans=draw(st.booleans()),
        ),
        funding_stage=draw(st.sampled_from([1, 1, 2])),
        limit_target=draw(st.booleans()),
    )


@st.composite
def replays(draw: st.DrawFn) -> tuple[BarFeed, SignalFacts[FloatArray], float, BacktestPlan]:
    """A market, a model's word on it, Kelly leverage and a plan; decisions are as coarse as the bars, or coarser."""
    factor = draw(st.sampled_from([1, 1, 3]))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([0.001, 0.004, 0.02]))
    bars = random_bars(random, 400 * factor, BAR_MS // factor, scale / factor**0.5)
    decision = coarser(bars, factor)
    n = len(decision)
    strength = random.random(n) ** draw(st.sampled_from([0.3, 1.0, 3.0, 20.0]))
    is_long = random.random(n) < 0.5
    atr = np.where(random.random(n) < 0.03, np.nan, decision.close * scale * random.uniform(0.5, 2.0, n))
    facts = facts_of(decision, atr, np.where(is_long, strength, 0.0), np.where(is_long, 0.0, strength))
    return BarFeed(bars), facts, draw(st.sampled_from([2.0, 0.5])), draw(plans())
