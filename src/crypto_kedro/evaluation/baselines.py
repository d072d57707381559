"""Traders without a model, on the same bars, through the same core and exchange."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from crypto_kedro.evaluation.conditions import Conditions
from crypto_kedro.evaluation.model_trader import ModelTrader, trade, with_entries
from crypto_kedro.evaluation.span import Span
from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.exchange.matching import MatchingEngine
from crypto_kedro.learning.opportunities import Opportunities
from crypto_kedro.learning.random_entries import random_entries
from crypto_kedro.market.bars import DAY_MS, FloatArray, IntArray
from crypto_kedro.session.plan import BacktestPlan
from crypto_kedro.trading.money import PPM, PRODUCT_UNITS, UNITS_PER_JPY, Btc
from crypto_kedro.trading.orders import OrderRequest, OrderType, Side

Track = Callable[[Sequence[int]], Iterable[int]]


@dataclass(frozen=True, slots=True, eq=False)
class RandomTraders:
    """Traders that want to enter at random moments, as often and to the same sides as the model.

    Args:
        daily_equity: JPY at the last close of each UTC day, shape (traders, days).
        trades: closed trades of each, shape (traders,).
        capital: JPY that each started with.
    """

    daily_equity: FloatArray
    trades: IntArray
    capital: float

    @property
    def net_profit(self) -> FloatArray:
        """Net profit of each as a fraction of the capital, shape (traders,)."""
        profit: FloatArray = self.daily_equity[:, -1] / self.capital - 1.0
        return profit

    def share_beaten(self, net_profit: float) -> float:
        """Return the share of the traders that earned less; ties do not count as beaten."""
        return float(np.mean(self.net_profit < net_profit))


def daily_closes(feed: BarFeed) -> IntArray:
    """Return the rows of the last bar of each UTC day."""
    day = feed.bars.open_time // DAY_MS
    return np.flatnonzero(np.append(day[1:] != day[:-1], True))


def trade_at_random(
    span: Span,
    trader: ModelTrader,
    conditions: Conditions,
    opportunities: Opportunities,
    traders: int,
    seed: int,
    track: Track = iter,
) -> RandomTraders:
    """Let random traders trade the span, with as many wishes to enter as the model; the same guards judge them.

    Args:
        span: the history.
        trader: the model's, whose leverage and facts, but for the probabilities, they share.
        conditions: settings and costs.
        opportunities: the rows at which they may enter.
        traders: how many.
        seed: of the random numbers.
        track: passes the traders' numbers through, so that a caller can show progress.
    """
    drawn = random_entries(opportunities, trader.wishes, traders, seed)
    closes = daily_closes(span.feed)
    rows = span.rows_at(opportunities.signal_ms)
    equity, counts = np.empty((traders, closes.size)), np.zeros(traders, dtype=np.int64)
    for number in track(range(traders)):
        entered = drawn.row[number] >= 0
        row, side = rows[drawn.row[number][entered]], drawn.side[number][entered]
        result = trade(span, with_entries(trader, row, side), conditions)
        equity[number] = result.equity_units[closes] / UNITS_PER_JPY
        counts[number] = len(result.trades)
    return RandomTraders(equity, counts, conditions.capital.units / UNITS_PER_JPY)


def stay_flat(span: Span, trader: ModelTrader, conditions: Conditions) -> FloatArray:
    """Return the equity in JPY at every close of a trader that hears no signal, shape (len(feed),)."""
    nothing = np.zeros(0, dtype=np.int64)
    result = trade(span, with_entries(trader, nothing, nothing), conditions)
    equity: FloatArray = result.equity_units / UNITS_PER_JPY
    return equity


def buy_and_hold(feed: BarFeed, plan: BacktestPlan) -> FloatArray:
    """Return the equity in JPY at every close of a trader that buys spot BTC and keeps it, shape (len(feed),).

    A market buy must leave the exchange's head-room of JPY free, so it buys again with what is left, bar after bar,
    until that is less than the smallest order.
    """
    engine = MatchingEngine(plan.schedule, plan.engine, cash=plan.cash, start_ms=int(feed.bars.open_time[0]))
    cash = np.empty(len(feed))
    lots = np.zeros(len(feed), dtype=np.int64)
    bar = 0
    while bar < len(feed):
        engine.advance(feed.row(bar))
        account = engine.account()
        cash[bar:], lots[bar:] = account.cash.units / UNITS_PER_JPY, account.btc.lots
        bar += 1
        amount = _affordable(plan, account.cash.units, account.mark.ticks, account.at_ms)
        if amount is None:
            break
        engine.place(OrderRequest(side=Side.BUY, type=OrderType.MARKET, amount=amount))
    value: FloatArray = cash + lots * np.rint(feed.bars.close) * (PRODUCT_UNITS / UNITS_PER_JPY)
    return value


def _affordable(plan: BacktestPlan, cash_units: int, price_ticks: int, at_ms: int) -> Btc | None:
    """Return the largest market buy that leaves the exchange's head-room; None below the smallest order."""
    rules = plan.schedule.at(at_ms)
    locked = (PPM + max(rules.spot_taker_fee.ppm, 0)) * (PPM + rules.market_buy_allowance.ppm)
    lots = cash_units * PPM * PPM // ((price_ticks + 1) * PRODUCT_UNITS * locked)
    lots = min(lots - lots % rules.amount_step.lots, rules.max_market_amount.lots)
    return Btc(lots) if lots >= rules.min_amount.lots else None
