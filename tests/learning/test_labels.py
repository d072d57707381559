"""Triple-barrier labels against hand-computed trades, a trade-by-trade oracle and general rules."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_kedro.errors import ConfigurationError, LearningError
from crypto_kedro.features.kernels import atr
from crypto_kedro.learning.labels import BarrierRule, Label, Outcome, label_bars, milliseconds
from crypto_kedro.market.bars import DAY_MS, MINUTE_MS, Bars
from crypto_kedro.market.costs import CostSchedule, FeeRates
from crypto_kedro.market.frame import candles_from_frame
from crypto_kedro.market.gaps import fill_halts
from crypto_kedro.market.resample import resample

INTERVAL_MS = 15 * MINUTE_MS
FREE = CostSchedule((FeeRates(0, 0.0, 0.0, 0.0),), 0.0, 0.0)
TAKER = CostSchedule((FeeRates(0, -0.0002, 0.0012, 0.0004),), 0.0001, 0.0)
QUIET_BARS = 2000
RULE = BarrierRule(atr_period=14, take_profit_atr=3.0, stop_loss_atr=2.0, max_bars=4)


def quiet_market(future: list[tuple[float, float, float, float]], quiet_bars: int = QUIET_BARS) -> Bars:
    """Bars around 1,000 JPY with a true range of exactly 10 JPY, then the given (open, high, low, close) rows."""
    quiet = [(1000.0, 1005.0, 995.0, 1000.0)] * quiet_bars
    rows = np.array([*quiet, *future], dtype=np.float64)
    n = len(rows)
    times = np.arange(n, dtype=np.int64) * INTERVAL_MS
    return Bars(INTERVAL_MS, times, *rows.T.copy(), np.ones(n), np.zeros(n, dtype=np.int64))


def moment(milliseconds_utc: int) -> pd.Timestamp:
    return pd.Timestamp(milliseconds_utc, unit="ms", tz="UTC")


def signal_row(bars: Bars, costs: CostSchedule = FREE, rule: BarrierRule = RULE) -> pd.Series:
    """The label of the last quiet bar: its trades enter at the open of the first row that follows."""
    frame = label_bars(bars, rule, costs, max_gap_minutes=60).frame
    at = milliseconds(frame["timestamp"]) == (QUIET_BARS - 1) * INTERVAL_MS
    return frame[at].iloc[0]


def random_market(seed: int, n: int = 1500) -> Bars:
    rng = np.random.default_rng(seed)
    steps = rng.standard_t(3, size=(n, 4)) * 8.0
    opened = np.round(100_000 + np.cumsum(steps[:, 0]))
    close = opened + np.round(steps[:, 1])
    high = np.maximum(opened, close) + np.round(np.abs(steps[:, 2]))
    low = np.minimum(opened, close) - np.round(np.abs(steps[:, 3]))
    times = np.arange(n, dtype=np.int64) * INTERVAL_MS
    return Bars(INTERVAL_MS, times, opened, high, low, close, np.ones(n), np.zeros(n, dtype=np.int64))


def test_given_a_rise_of_three_atr_when_labelled_then_the_long_trade_takes_its_profit() -> None:
    bars = quiet_market(
        [(1000, 1010, 999, 1008), (1008, 1031, 1007, 1025), (1025, 1026, 1024, 1025)] + [(1025,) * 4] * 9
    )
    row = signal_row(bars)
    assert row["label"] == Label.LONG
    assert row["long_outcome"] == Outcome.TAKE_PROFIT
    assert row["long_return"] == pytest.approx(0.03)
    assert row["short_outcome"] == Outcome.STOP_LOSS
    assert row["short_return"] == pytest.approx(-0.02)


def test_given_a_fall_of_three_atr_when_labelled_then_the_short_trade_takes_its_profit() -> None:
    bars = quiet_market([(1000, 1001, 969, 970)] + [(970,) * 4] * 9)
    row = signal_row(bars)
    assert row["label"] == Label.SHORT
    assert row["short_return"] == pytest.approx(0.03)
    assert row["long_return"] == pytest.approx(-0.02)


def test_given_costs_when_labelled_then_both_returns_are_net_of_the_round_trip() -> None:
    bars = quiet_market([(1000, 1001, 969, 970)] + [(970,) * 4] * 9)
    row = signal_row(bars, TAKER)
    opened = np.array([QUIET_BARS * INTERVAL_MS])
    cost = TAKER.round_trip(opened, opened + INTERVAL_MS)[0]
    assert cost >= 0.0026
    assert row["short_return"] == pytest.approx(0.03 - cost)
    assert row["long_return"] == pytest.approx(-0.02 - cost)


def test_given_costs_above_the_target_when_labelled_then_the_bar_is_flat() -> None:
    dear = CostSchedule((FeeRates(0, 0.0, 0.016, 0.0),), 0.0, 0.0)
    bars = quiet_market([(1000, 1001, 969, 970)] + [(970,) * 4] * 9)
    row = signal_row(bars, dear)
    assert row["short_outcome"] == Outcome.TAKE_PROFIT
    assert row["label"] == Label.FLAT


def test_given_one_bar_that_touches_both_barriers_when_labelled_then_the_stop_is_first() -> None:
    bars = quiet_market([(1000, 1040, 960, 1000)] + [(1000,) * 4] * 9)
    row = signal_row(bars)
    assert (row["long_outcome"], row["short_outcome"]) == (Outcome.STOP_LOSS, Outcome.STOP_LOSS)
    assert row["label"] == Label.FLAT
    assert row["long_return"] == pytest.approx(-0.02)
    assert row["short_return"] == pytest.approx(-0.02)


def test_given_an_opening_gap_through_the_stop_when_labelled_then_the_trade_leaves_at_the_open() -> None:
    bars = quiet_market([(1000, 1001, 999, 1000), (950, 955, 945, 950)] + [(950,) * 4] * 9)
    row = signal_row(bars)
    assert row["long_return"] == pytest.approx(-0.05)
    assert row["short_return"] == pytest.approx(0.05)


def test_given_an_opening_gap_through_the_target_that_falls_back_to_the_stop_then_the_open_counts() -> None:
    bars = quiet_market([(1000, 1001, 999, 1000), (1050, 1055, 900, 950)] + [(950,) * 4] * 9)
    row = signal_row(bars)
    assert row["long_outcome"] == Outcome.TAKE_PROFIT
    assert row["long_return"] == pytest.approx(0.05)


def test_given_no_barrier_is_touched_when_the_time_is_up_then_the_trade_leaves_at_the_last_close() -> None:
    drift = [(1000, 1006, 996, 1001), (1001, 1006, 996, 1002), (1002, 1006, 996, 1003), (1003, 1009, 996, 1004)]
    row = signal_row(quiet_market(drift + [(1200,) * 4] * 9))
    assert (row["long_outcome"], row["short_outcome"]) == (Outcome.TIME_LIMIT, Outcome.TIME_LIMIT)
    assert row["label"] == Label.FLAT
    assert row["long_return"] == pytest.approx(0.004)
    assert row["short_return"] == pytest.approx(-0.004)


def test_given_the_two_trades_end_apart_when_labelled_then_the_label_ends_with_the_later_one() -> None:
    path = [(1000, 1001, 979, 985), (985, 990, 980, 985), (985, 990, 969, 970)]
    row = signal_row(quiet_market(path + [(970,) * 4] * 9))
    opened_ms = QUIET_BARS * INTERVAL_MS
    assert row["long_exit"] == moment(opened_ms + INTERVAL_MS)
    assert row["short_exit"] == moment(opened_ms + 3 * INTERVAL_MS)
    assert row["label_end"] == row["short_exit"]


def test_given_a_target_nearer_than_the_stop_when_both_sides_win_then_the_first_one_names_the_label() -> None:
    rule = BarrierRule(atr_period=14, take_profit_atr=2.0, stop_loss_atr=4.0, max_bars=4)
    path = [(1000, 1021, 999, 1010), (1010, 1011, 979, 980)]
    row = signal_row(quiet_market(path + [(980,) * 4] * 9), rule=rule)
    assert (row["long_outcome"], row["short_outcome"]) == (Outcome.TAKE_PROFIT, Outcome.TAKE_PROFIT)
    assert row["label"] == Label.LONG


def test_given_a_target_nearer_than_the_stop_when_one_bar_reaches_both_targets_then_the_bar_is_flat() -> None:
    rule = BarrierRule(atr_period=14, take_profit_atr=2.0, stop_loss_atr=4.0, max_bars=4)
    row = signal_row(quiet_market([(1000, 1025, 975, 1000)] + [(1000,) * 4] * 9), rule=rule)
    assert row["label"] == Label.FLAT


def test_given_the_end_of_the_data_when_labelled_then_rows_without_a_whole_horizon_are_counted() -> None:
    bars = random_market(1)
    labelled = label_bars(bars, RULE, FREE, max_gap_minutes=60)
    assert labelled.dropped["past_end"] == RULE.max_bars
    assert len(labelled.frame) + sum(labelled.dropped.values()) == len(bars)
    assert milliseconds(labelled.frame["label_end"]).max() <= bars.close_time[-1]


@pytest.mark.parametrize(("halt_minutes", "touched"), [(60, 0), (61, RULE.max_bars + 1)])
def test_given_a_halt_when_longer_than_the_limit_then_no_label_spans_it(halt_minutes: int, touched: int) -> None:
    bars = random_market(2)
    gaps = bars.gap_minutes.copy()
    gaps[1200] = halt_minutes
    labelled = label_bars(replace(bars, gap_minutes=gaps), RULE, FREE, max_gap_minutes=60)
    rows = milliseconds(labelled.frame["timestamp"]) // INTERVAL_MS
    expected = set(range(1200 - RULE.max_bars, 1201)) if touched else set()
    assert expected.isdisjoint(rows)
    assert 1200 - RULE.max_bars - 1 in rows


def test_given_too_few_bars_when_labelled_then_the_error_counts_why() -> None:
    with pytest.raises(LearningError, match=r"none of 20 bars can be labelled.*no_atr"):
        label_bars(random_market(3, n=20), RULE, FREE, max_gap_minutes=60)


def test_given_a_barrier_of_zero_when_the_rule_is_made_then_it_names_the_setting() -> None:
    with pytest.raises(ConfigurationError, match=r"labels\.stop_loss_atr is 0"):
        BarrierRule(stop_loss_atr=0)


def test_given_the_real_candles_when_labelled_then_every_bar_is_labelled_or_counted_and_no_halt_is_spanned(
    real_candles_path: Path,
) -> None:
    candles = candles_from_frame(pd.read_parquet(real_candles_path))
    bars = resample(fill_halts(candles, DAY_MS // MINUTE_MS, str(real_candles_path)), INTERVAL_MS)
    rule = BarrierRule()

    labelled = label_bars(bars, rule, TAKER, max_gap_minutes=60)

    row = (milliseconds(labelled.frame["timestamp"]) - bars.open_time[0]) // INTERVAL_MS
    horizon = row[:, np.newaxis] + np.arange(rule.max_bars + 1)
    assert len(bars) == len(labelled.frame) + sum(labelled.dropped.values())
    assert labelled.dropped["halt"] > 0
    assert bars.gap_minutes[horizon].max() <= 60
    assert min(labelled.shares().values()) > 0.1


def one_long_trade(bars: Bars, row: int, unit: float, rule: BarrierRule) -> tuple[float, int, int]:
    """One trade told step by step: exit price, bars held, outcome."""
    entry = bars.open[row + 1]
    target, stop = entry + rule.take_profit_atr * unit, entry - rule.stop_loss_atr * unit
    for held in range(1, rule.max_bars + 1):
        bar = row + held
        if bars.open[bar] <= stop or bars.open[bar] >= target:
            return bars.open[bar], held, -1 if bars.open[bar] <= stop else 1
        if bars.low[bar] <= stop:
            return stop, held, -1
        if bars.high[bar] >= target:
            return target, held, 1
    return bars.close[row + rule.max_bars], rule.max_bars, 0


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    target=st.floats(0.3, 4.0),
    stop=st.floats(0.3, 4.0),
    max_bars=st.integers(1, 20),
)
def test_given_any_market_when_labelled_then_every_long_trade_matches_the_trade_told_step_by_step(
    seed: int, target: float, stop: float, max_bars: int
) -> None:
    bars, rule = random_market(seed), BarrierRule(14, target, stop, max_bars)
    frame = label_bars(bars, rule, FREE, max_gap_minutes=60).frame
    unit = atr(bars, rule.atr_period)
    rows = milliseconds(frame["timestamp"]) // INTERVAL_MS
    told = [one_long_trade(bars, int(row), unit[row], rule) for row in rows[:200]]
    np.testing.assert_allclose(
        frame["long_return"].to_numpy()[:200],
        [price / bars.open[row + 1] - 1 for row, (price, _, _) in zip(rows, told, strict=False)],
    )
    assert frame["long_outcome"].tolist()[:200] == [outcome for _, _, outcome in told]
    ends = milliseconds(frame["long_exit"])[:200]
    assert ends.tolist() == [int(bars.close_time[row + held]) for row, (_, held, _) in zip(rows, told, strict=False)]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), change=st.integers(900, 1400))
def test_given_any_market_when_a_bar_after_the_label_end_changes_then_the_label_stays(seed: int, change: int) -> None:
    bars, rule = random_market(seed), BarrierRule(max_bars=8)
    altered = bars.open.copy(), bars.high.copy(), bars.low.copy(), bars.close.copy()
    for column in altered:
        column[change:] *= 1.5
    other = Bars(INTERVAL_MS, bars.open_time, *altered, bars.volume, bars.gap_minutes)
    before = label_bars(bars, rule, TAKER, 60).frame
    after = label_bars(other, rule, TAKER, 60).frame
    settled = milliseconds(before["label_end"]) <= bars.open_time[change]
    horizon_known = milliseconds(before["timestamp"]) + (rule.max_bars + 1) * INTERVAL_MS
    untouched = settled & (horizon_known <= bars.open_time[change])
    assert untouched.sum() > 100
    assert before[untouched].equals(after[: len(before)][untouched])
