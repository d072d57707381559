"""Time the whole backtest: 1,000,000 one-minute bars, long/short on an SMA 20/100 cross, through the real core.

Market orders at the next open, an ATR stop at 2x and a target at 3x, 0.12% fee on each side. A signal stands for two
bars, since turning round takes two decisions. Run with ``python benchmarks/backtest.py [bars]``.
"""

import resource
import sys
import time
from dataclasses import replace

import numpy as np
from machine import machine

from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.market.bars import MINUTE_MS, Bars, FloatArray
from crypto_kedro.market.costs import FeeRates
from crypto_kedro.session.backtest import run_backtest
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

CASH = Jpy.of(100_000_000)
RATES = (FeeRates(since_ms=0, maker=0.0012, taker=0.0012, interest_per_day=0.0),)


def random_bars(count: int, seed: int) -> Bars:
    """Build a random walk of one-minute bars in whole ticks."""
    random = np.random.default_rng(seed)
    close = np.rint(5_000_000 * np.exp(np.cumsum(random.normal(0, 0.0006, count))))
    opened = np.concatenate(([5_000_000.0], close[:-1]))
    reach = np.rint(np.abs(random.normal(0, 0.0004, (2, count))) * close)
    return Bars(
        MINUTE_MS,
        np.arange(count, dtype=np.int64) * MINUTE_MS,
        opened,
        np.maximum(opened, close) + reach[0],
        np.maximum(np.minimum(opened, close) - reach[1], 1),
        close,
        random.exponential(2.0, count),
        np.zeros(count, dtype=np.int64),
    )


def cross_signals(close: FloatArray) -> FloatArray:
    """Return 1 at the close at which SMA 20 crosses above SMA 100 and at the one after, -1 below, 0 elsewhere."""
    total = np.concatenate(([0.0], np.cumsum(close)))
    above = np.zeros(close.size)
    above[99:] = np.sign((total[100:] - total[80:-20]) / 20 - (total[100:] - total[:-100]) / 100)
    crossed = np.flatnonzero((above[1:] != above[:-1]) & (above[1:] != 0)) + 1
    signal = np.zeros(close.size)
    signal[np.minimum(crossed + 1, close.size - 1)] = above[crossed]
    signal[crossed] = above[crossed]
    return signal


def average_range(bars: Bars) -> FloatArray:
    """Return the 14-bar mean of the true range in JPY, NaN before it is known."""
    previous = np.concatenate((bars.open[:1], bars.close[:-1]))
    reach = np.maximum(bars.high, previous) - np.minimum(bars.low, previous)
    total = np.concatenate(([0.0], np.cumsum(reach)))
    mean = np.full(reach.size, np.nan)
    mean[13:] = (total[14:] - total[:-14]) / 14
    return mean


def facts_of(bars: Bars) -> SignalFacts[FloatArray]:
    """Return the facts of every bar, with the crossings as certainties."""
    zero = np.zeros(len(bars))
    signal = cross_signals(bars.close)
    short, long = (signal < 0).astype(np.float64), (signal > 0).astype(np.float64)
    flat = 1.0 - short - long
    previous = np.concatenate((bars.open[:1], bars.close[:-1]))
    return SignalFacts(
        bars.close_time.astype(np.float64), zero, bars.close, average_range(bars), zero, bars.close / previous - 1.0,
        zero, zero, short, flat, long, ((short, flat, long),),
    )  # fmt: skip


def crossing_plan() -> BacktestPlan:
    """Return a plan that takes every crossing: no guard stands in its way, and the amount follows the equity."""
    # The amounts here are far beyond bitbank's 10 BTC for a market order.
    rules = replace(bitbank_btc_jpy_schedule(RATES).at(0), max_market_amount=Btc.of(1000))
    settings = TradingSettings(
        barriers=BarrierRule(take_profit_atr=3.0, stop_loss_atr=2.0, max_bars=10**6, bar_ms=MINUTE_MS),
        signal=SignalRule(min_expected_value=-1.0, slippage=0.0),
        sizing=SizingRule(risk_fraction=Rate.of("0.000005"), kelly_multiplier=1.0),
        guards=GuardRule(
            max_daily_loss=1.0,
            max_weekly_loss=1.0,
            max_drawdown=1.0,
            max_losses_in_a_row=10**9,
            max_trades_a_day=10**9,
        ),
        stages=(FundingStage(capital=CASH),),
    )
    return BacktestPlan(settings=settings, schedule=RuleSchedule.constant(rules), cash=CASH)


def main(count: int) -> None:
    """Print the figures of one run."""
    bars = random_bars(count, seed=7)
    facts, plan = facts_of(bars), crossing_plan()
    begun, cpu_begun = time.perf_counter(), time.process_time()
    feed = BarFeed(bars)
    result = run_backtest(feed, facts, 2.0, plan)
    spent, cpu_spent = time.perf_counter() - begun, time.process_time() - cpu_begun
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(machine())
    print(f"{count:,} bars, {len(result.trades):,} trades, {len(result.decisions):,} decisions")
    print(f"equity {result.account.equity.floor(0):,} JPY after {CASH.floor(0):,} JPY")
    print(f"{spent:.2f} s ({cpu_spent:.2f} s of CPU time), {count / spent:,.0f} bars/s, peak memory {peak_mb:.0f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
