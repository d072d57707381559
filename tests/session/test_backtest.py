"""What the backtest does, with hand-computed numbers, and what it refuses."""

import gc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from replays import BAR_MS, CASH, START_MS, bars_of, facts_of, random_bars
from told_trades import ATR, QUIET, plan_with, trade

from crypto_kedro.errors import ConfigurationError, DataError
from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.exchange.settings import EngineSettings
from crypto_kedro.market.bars import MINUTE_MS, Bars
from crypto_kedro.session.backtest import run_backtest
from crypto_kedro.session.frames import result_frames
from crypto_kedro.trading.money import Jpy, Price, Rate
from crypto_kedro.trading.orders import PositionSide


def test_given_a_long_signal_when_the_stop_is_touched_then_the_trade_loses_its_distance_and_both_fees() -> None:
    result = trade([QUIET, QUIET, QUIET, (1_000_000, 1_000_000, 985_000, 986_000), QUIET], long_at=(0,))
    (closed,) = result.trades
    assert (closed.side, closed.exit_reason) == (PositionSide.LONG, "stop")
    assert closed.opened_at_ms == START_MS + BAR_MS
    assert closed.closed_at_ms == START_MS + 4 * BAR_MS - 1
    # 100,000 JPY at 1,000,000 x (1 + 0.00005 + 0.0001) = 1,000,150 is 0.09998 BTC, floored to 0.0999.
    assert closed.entry_product == Jpy.of(99_900)
    assert closed.exit_product == Jpy.of(98_901)
    assert closed.fees == Jpy.of("119.88") + Jpy.of("118.6812")
    assert closed.net == Jpy.of("-999") - Jpy.of("238.5612")


def test_given_a_short_signal_when_the_target_is_touched_then_the_trade_wins_its_distance() -> None:
    result = trade([QUIET, QUIET, (1_000_000, 1_000_000, 975_000, 990_000), QUIET], short_at=(0,))
    (closed,) = result.trades
    assert (closed.side, closed.exit_reason) == (PositionSide.SHORT, "target")
    assert closed.exit_product == Price(980_000) * closed.amount


def test_given_a_position_when_no_barrier_is_touched_then_it_ends_at_the_open_after_its_time_limit() -> None:
    result = trade([QUIET] * 8, long_at=(0,), plan=plan_with(max_bars=3))
    (closed,) = result.trades
    assert closed.exit_reason == "time_limit"
    assert closed.closed_at_ms == START_MS + 4 * BAR_MS


def test_given_an_opposite_signal_that_stands_for_two_bars_when_holding_then_it_closes_and_then_turns_round() -> None:
    result = trade([QUIET] * 8, long_at=(0,), short_at=(3, 4))
    assert [closed.exit_reason for closed in result.trades] == ["opposite_signal"]
    assert result.trades[0].closed_at_ms == START_MS + 4 * BAR_MS
    assert result.account.short.amount
    assert result.reasons.tolist() == [
        "signal", "within_barriers", "within_barriers", "opposite_signal", "signal", *["within_barriers"] * 3,
    ]  # fmt: skip


def test_given_an_entry_that_gaps_beyond_its_stop_when_it_fills_then_it_is_closed_at_the_next_open() -> None:
    falls = (1_000_000, 1_000_000, 970_000, 970_000)
    result = trade([QUIET, falls, (970_000, 970_500, 969_500, 970_000), QUIET], long_at=(0,))
    assert [closed.exit_reason for closed in result.trades] == ["trigger_met"]
    assert result.trades[0].closed_at_ms == START_MS + 2 * BAR_MS
    assert [item.refusal.code for item in result.refused] == [60018]


@pytest.mark.parametrize("latency_ms", [1, BAR_MS])
def test_given_a_limit_target_and_latency_when_leaving_then_the_exit_follows_the_arrival_of_the_targets_cancel(
    latency_ms: int,
) -> None:
    plan = plan_with(max_bars=3, limit_target=True, engine=EngineSettings(latency_ms=latency_ms))
    result = trade([QUIET] * 12, long_at=(0,), plan=plan)
    (closed,) = result.trades
    # Filled at the open of bar 2, seen at its close. The time limit is the close of bar 4; the cancel meets bar 6, and
    # the exit, sent at its close, bar 8.
    assert closed.closed_at_ms == START_MS + 8 * BAR_MS
    assert closed.exit_reason == "time_limit"
    assert not result.account.open_orders
    assert not result.refused
    assert [order.status.value for order in result.orders] == [
        "FULLY_FILLED", "CANCELED_UNFILLED", "CANCELED_UNFILLED", "FULLY_FILLED",
    ]  # fmt: skip


def test_given_a_flat_market_when_holding_then_equity_of_every_bar_is_cash_less_the_waiting_fee() -> None:
    result = trade([QUIET] * 4, long_at=(0,))
    fee = Jpy.of("119.88")
    assert result.equity_units.tolist() == [CASH.units, *[(CASH - fee).units] * 3]
    assert result.account.equity.units == result.equity_units[-1]


def test_given_decisions_coarser_than_the_bars_when_entering_then_the_entry_fills_at_the_next_short_bar() -> None:
    bars = bars_of([QUIET] * 60, interval_ms=MINUTE_MS)
    decided = np.arange(14, 60, 15)
    decision = Bars(
        BAR_MS, bars.open_time[::15], bars.open[::15], bars.high[::15], bars.low[::15], bars.close[decided],
        bars.volume[::15], bars.gap_minutes[::15],
    )  # fmt: skip
    long = np.array([0.9, 0.0, 0.0, 0.0])
    result = run_backtest(BarFeed(bars), facts_of(decision, ATR, long, np.zeros(4)), 2.0, plan_with())
    assert [fill.executed_at_ms for fill in result.fills] == [START_MS + BAR_MS]
    assert result.reasons.tolist() == ["signal", *["within_barriers"] * 3]
    assert len(result.decisions) == 1


def test_given_a_drawdown_guard_when_it_refuses_then_the_skipped_bars_carry_its_name() -> None:
    plan = plan_with()
    guards = replace(plan.settings.guards, max_drawdown=0.01)
    plan = replace(plan, settings=replace(plan.settings, guards=guards))
    falls = (1_000_000, 1_000_000, 985_000, 1_000_000)
    result = trade([QUIET, QUIET, falls, *[QUIET] * 7], long_at=tuple(range(10)), plan=plan)
    assert result.reasons.tolist()[3:] == ["drawdown"] * 7
    assert len(result.decisions) == 2


def test_given_the_same_inputs_when_run_twice_then_results_and_frames_are_the_same_bytes() -> None:
    random = np.random.default_rng(5)
    bars = random_bars(random, 2_000, BAR_MS, 0.004)
    long, short = random.random((2, 2_000))
    facts = facts_of(bars, bars.close * 0.006, long * (long > short), short * (short > long))
    plan = plan_with(engine=EngineSettings(slippage=Rate(300), volume_share=Rate.of("0.3")))
    first, second = (run_backtest(BarFeed(bars), facts, 2.0, plan) for _ in range(2))
    assert len(first.trades) > 10
    assert first.equity_units.tobytes() == second.equity_units.tobytes()
    for name, frame in result_frames(first).items():
        pd.testing.assert_frame_equal(frame, result_frames(second)[name], check_exact=True)


def test_given_a_random_market_when_woken_by_events_then_most_bars_are_skipped() -> None:
    random = np.random.default_rng(6)
    bars = random_bars(random, 2_000, BAR_MS, 0.004)
    long = random.random(2_000) ** 4
    facts = facts_of(bars, bars.close * 0.006, long, np.zeros(2_000))
    result = run_backtest(BarFeed(bars), facts, 2.0, plan_with())
    assert len(result.trades) > 10
    assert len(result.decisions) < 200
    assert result.reasons.size == 2_000


def test_given_a_run_when_it_becomes_frames_then_money_and_bars_add_up() -> None:
    frames = result_frames(trade([QUIET, QUIET, QUIET, (1_000_000, 1_000_000, 985_000, 986_000), QUIET], (0,)))
    row = frames["trades"].iloc[0]
    assert row["net_jpy"] == -1237.5612
    assert row["entry_price_jpy"] == 1_000_000
    assert frames["equity"]["equity_jpy"].iloc[-1] == 100_000 - 1237.5612
    assert frames["funnel"]["bars"].sum() == 5
    assert frames["funnel"].set_index("reason").loc["confidence", "bars"] == 2
    assert frames["orders"]["purpose"].tolist() == ["entry", "stop", "target"]
    assert frames["trades"]["closed_at"].dtype == "datetime64[ms, UTC]"


def test_given_a_run_without_a_trade_when_it_becomes_frames_then_the_columns_keep_their_types() -> None:
    frames = result_frames(trade([QUIET] * 3))
    assert frames["trades"].empty
    assert frames["trades"]["opened_at"].dtype == "datetime64[ms, UTC]"
    assert frames["fills"]["price_jpy"].dtype == np.float64


def test_given_garbage_collection_on_when_the_run_ends_then_it_is_on_again() -> None:
    assert gc.isenabled()
    trade([QUIET] * 3)
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"age_ms": 1_000.0}, "latency_ms"),
        ({"long": 1.5}, "probability"),
        ({"bar_close_ms": float(START_MS)}, "ascend"),
    ],
)
def test_given_facts_that_cannot_be_when_run_then_the_error_says_what_to_do(
    changes: dict[str, float], words: str
) -> None:
    bars = bars_of([QUIET] * 3)
    facts = facts_of(bars, ATR, np.zeros(3), np.zeros(3))
    facts = facts._replace(**{name: np.full(3, value) for name, value in changes.items()})
    with pytest.raises(DataError, match=words):
        run_backtest(BarFeed(bars), facts, 2.0, plan_with())


def test_given_a_decision_beyond_the_bars_when_run_then_the_error_names_the_moment() -> None:
    bars = bars_of([QUIET] * 3)
    facts = facts_of(bars, ATR, np.zeros(3), np.zeros(3))
    with pytest.raises(DataError, match="2022-01-08 00:45 UTC"):
        run_backtest(BarFeed(bars[:2]), facts, 2.0, plan_with())


def test_given_a_stage_that_does_not_exist_when_planned_then_it_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="stage 2"):
        plan_with(funding_stage=2)
