"""Margin calls, loss-cuts and the guards' days in a backtest, with hand-computed numbers."""

from dataclasses import replace

import pytest
from replays import BAR_MS, CASH, START_MS
from told_trades import QUIET, plan_with, trade

from crypto_kedro.session.plan import BacktestPlan
from crypto_kedro.session.records import BacktestResult
from crypto_kedro.trading.decision import Reason
from crypto_kedro.trading.money import Jpy, Price, Rate
from crypto_kedro.trading.orders import OrderType
from crypto_kedro.trading.settings import BarrierRule, SizingRule

STOPPED = [QUIET, QUIET, (1_000_000, 1_000_000, 985_000, 1_000_000)]
"""A long signal of the first bar is filled at 1,000,000 and stopped at 990,000: 1,237.5612 of 100,000 JPY are lost."""


def reason_of(result: BacktestResult, bar: int) -> str:
    """What became of one decision bar."""
    return str(result.reasons[bar])


def guarded(**limits: float) -> BacktestPlan:
    """A plan with some limits of its guards changed."""
    plan = plan_with(max_bars=1_000)
    return replace(plan, settings=replace(plan.settings, guards=replace(plan.settings.guards, **limits)))


def leveraged() -> BacktestPlan:
    """A plan that opens 1.5 times the capital with a stop beyond the loss-cut."""
    plan = plan_with()
    barriers = BarrierRule(take_profit_atr=60.0, stop_loss_atr=60.0, max_bars=200, bar_ms=BAR_MS)
    sizing = SizingRule(
        risk_fraction=Rate.of(1), kelly_multiplier=1.0, max_leverage=Rate.of("1.5"), margin_floor=Rate.of("0.3")
    )
    guards = replace(plan.settings.guards, max_volatility=0.015)
    return replace(plan, settings=replace(plan.settings, barriers=barriers, sizing=sizing, guards=guards))


def test_given_a_margin_call_at_15_jst_when_the_next_decision_comes_then_the_position_is_closed() -> None:
    fallen = (800_000, 800_500, 799_500, 800_000)
    rows = [QUIET] * 20 + [(1_000_000, 1_000_000, 800_000, 800_000)] + [fallen] * 6
    result = trade(rows, long_at=(0,), plan=leveraged())
    # 0.1499 BTC. At 15:00 JST, the open of bar 24: (100,000 - 179.88 - 29,980) / 149,900 = 0.466, below 0.5.
    (closed,) = result.trades
    assert closed.exit_reason == Reason.MARGIN_CALL
    assert closed.entry_product == Jpy.of(149_900)
    assert closed.closed_at_ms == START_MS + 25 * BAR_MS
    # 0.12% of 149,900 and of 119,920
    assert closed.net == Jpy.of(-29_980) - Jpy.of("179.88") - Jpy.of("143.904")
    assert reason_of(result, 24) == "margin_call"


def test_given_a_fall_to_a_quarter_of_the_margin_when_holding_then_the_exchange_liquidates_at_that_price() -> None:
    falls = (1_000_000, 1_000_000, 550_000, 560_000)
    result = trade([QUIET] * 5 + [falls, QUIET], long_at=(0,), plan=leveraged())
    # 99,820.12 - 0.1499 x fall = 0.25 x 149,900 at a fall of 415,911.4: the first whole price below is 584,088.
    (closed,) = result.trades
    assert closed.exit_reason == "losscut"
    assert closed.exit_product == Price(584_088) * closed.amount
    assert closed.closed_at_ms == START_MS + 6 * BAR_MS - 1
    assert closed.net == Jpy.of("-62345.2088") - Jpy.of("179.88") - Jpy.of("105.0657")
    liquidation = next(order for order in result.orders if order.request.type is OrderType.LOSSCUT)
    assert liquidation.order_id not in result.sendings
    assert result.account.cash == CASH + closed.net


@pytest.mark.parametrize(("guard", "midnight_bar"), [("daily_loss", 59), ("weekly_loss", 155)])
def test_given_a_flat_account_when_the_jst_day_or_week_ends_then_its_loss_no_longer_refuses(
    guard: str, midnight_bar: int
) -> None:
    # The market begins on Saturday at 09:00 JST: bar 59 closes at midnight, bar 155 at Monday's.
    rows = STOPPED + [QUIET] * 160
    result = trade(rows, long_at=(0, midnight_bar - 1, midnight_bar), plan=guarded(**{f"max_{guard}": 0.0123}))
    assert reason_of(result, midnight_bar - 1) == guard
    assert reason_of(result, midnight_bar) == "signal"


def test_given_a_loss_below_the_daily_limit_when_the_day_goes_on_then_entries_go_on() -> None:
    result = trade([*STOPPED, *[QUIET] * 10], long_at=(0, 5), plan=guarded(max_daily_loss=0.0124))
    assert reason_of(result, 5) == "signal"


def test_given_a_position_over_midnight_when_it_is_stopped_then_the_loss_belongs_to_the_day_of_the_stop() -> None:
    rows = [QUIET] * 70 + [(1_000_000, 1_000_000, 985_000, 1_000_000)] + [QUIET] * 100
    result = trade(rows, long_at=(0, 80, 154, 155), plan=guarded(max_daily_loss=0.0123))
    # The stop falls on Sunday, whose end is bar 155.
    assert reason_of(result, 80) == reason_of(result, 154) == "daily_loss"
    assert reason_of(result, 155) == "signal"


@pytest.mark.parametrize(("max_drawdown", "reason"), [(0.0262, "drawdown"), (0.0263, "signal")])
def test_given_a_gain_at_midnight_that_is_lost_when_judged_then_the_drawdown_counts_from_midnight(
    max_drawdown: float, reason: str
) -> None:
    # 101,378.62 JPY at midnight, before its interest of 39.96; 98,722.4788 after the stop: a fall of 2.62002%.
    risen = (1_015_000, 1_015_500, 1_014_500, 1_015_000)
    rows = [QUIET] * 50 + [risen] * 20 + [(1_015_000, 1_015_000, 985_000, 1_000_000)] + [QUIET] * 10
    result = trade(rows, long_at=(0, 75), plan=guarded(max_drawdown=max_drawdown))
    assert reason_of(result, 75) == reason
