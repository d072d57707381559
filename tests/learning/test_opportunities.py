"""What the labels offer and what a trader takes of it: by hand, and by rules that hold for every stream of signals."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_kedro.errors import LearningError
from crypto_kedro.learning.opportunities import Opportunities, find_opportunities, take_trades
from crypto_kedro.market.bars import MINUTE_MS, Bars
from crypto_kedro.market.costs import CostSchedule, FeeRates
from crypto_kedro.market.frame import timestamps

BAR_MS = 15 * MINUTE_MS
START_MS = 1_735_689_600_000
ONE_PERCENT_A_SIDE = CostSchedule((FeeRates(0, 0.0, 0.01, 0.0),), half_spread=0.0, slippage=0.0)

OPENS = [100.0, 100.0, 110.0, 120.0, 120.0, 114.0, 108.0, 108.0]
CLOSES = [100.0, 110.0, 120.0, 120.0, 114.0, 108.0, 108.0, 108.0]


def bars_of(opens: list[float], closes: list[float], interval_ms: int = BAR_MS) -> Bars:
    opened, closed = np.array(opens), np.array(closes)
    high, low = np.maximum(opened, closed), np.minimum(opened, closed)
    n = len(opens)
    return Bars(
        interval_ms,
        START_MS + interval_ms * np.arange(n),
        opened,
        high,
        low,
        closed,
        np.ones(n),
        np.zeros(n, dtype=np.int64),
    )


def predictions_of(p_short: list[float], p_long: list[float]) -> pd.DataFrame:
    n = len(p_short)
    return pd.DataFrame(
        {
            "timestamp": timestamps(START_MS + BAR_MS * np.arange(n)),
            "window": ["fold-1"] * 3 + ["final"] * (n - 3),
            "p_short": p_short,
            "p_long": p_long,
        }
    )


def labels_after(bars: Bars, held: int, rows: int) -> pd.DataFrame:
    """Both sides leave at the close of the last of ``held`` bars."""
    row = np.arange(rows)
    last = row + held
    gross = bars.close[last] / bars.open[row + 1] - 1
    leaves = timestamps(bars.close_time[last])
    return pd.DataFrame(
        {
            "timestamp": timestamps(bars.open_time[row]),
            "long_return": gross - 0.02,
            "short_return": -gross - 0.02,
            "long_exit": leaves,
            "short_exit": leaves,
        }
    )


@pytest.fixture
def market() -> tuple[Bars, Opportunities]:
    """Eight bars: up by 20% in bars 1 and 2, down by 10% in bars 4 and 5; a signal to each, one in between."""
    bars = bars_of(OPENS, CLOSES)
    predictions = predictions_of([0.1, 0.1, 0.2, 0.7, 0.1, 0.1], [0.8, 0.9, 0.2, 0.1, 0.1, 0.64])
    labels = labels_after(bars, held=2, rows=6)
    return bars, find_opportunities(predictions, labels, BAR_MS, ONE_PERCENT_A_SIDE)


def test_given_signals_then_a_trade_enters_only_where_the_trader_is_flat(market: tuple[Bars, Opportunities]) -> None:
    trades = take_trades(market[1], threshold=0.65)
    assert trades.row.tolist() == [0, 3]
    assert trades.side.tolist() == [1, 0]


def test_given_a_probability_at_the_threshold_then_it_is_a_signal(market: tuple[Bars, Opportunities]) -> None:
    assert take_trades(market[1], threshold=0.64).row.tolist() == [0, 3, 5]
    assert take_trades(market[1], threshold=np.nextafter(0.64, 1)).row.tolist() == [0, 3]


def test_given_a_trade_that_ends_with_a_bar_then_that_bar_may_signal_the_next_one() -> None:
    bars = bars_of(OPENS, CLOSES)
    labels = labels_after(bars, held=2, rows=6)
    opportunities = find_opportunities(predictions_of([0.0] * 6, [0.9] * 6), labels, BAR_MS, ONE_PERCENT_A_SIDE)
    assert take_trades(opportunities, 0.65).row.tolist() == [0, 2, 4]


def test_given_both_sides_above_a_low_threshold_then_the_likelier_is_taken_and_a_tie_is_not() -> None:
    bars = bars_of(OPENS, CLOSES)
    labels = labels_after(bars, held=1, rows=3)
    predictions = predictions_of([0.4, 0.45, 0.3], [0.4, 0.4, 0.5])
    trades = take_trades(find_opportunities(predictions, labels, BAR_MS, ONE_PERCENT_A_SIDE), 0.3)
    assert list(zip(trades.row.tolist(), trades.side.tolist(), strict=True)) == [(1, 0), (2, 1)]


@given(st.data())
def test_trades_never_overlap_and_no_signal_is_missed_while_flat(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 60))
    side = np.array(data.draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=n, max_size=n)))
    held = np.array(data.draw(st.lists(st.tuples(*[st.integers(1, 9)] * 2), min_size=n, max_size=n)))
    entry_ms = START_MS + BAR_MS * np.arange(1, n + 1)
    opportunities = Opportunities(
        window=np.array(["fold-1"] * n, dtype=object),
        signal_ms=entry_ms - BAR_MS,
        entry_ms=entry_ms,
        probability=np.column_stack([side == -1, side == 1]).astype(float),
        net_return=np.zeros((n, 2)),
        cost=np.zeros((n, 2)),
        exit_ms=entry_ms[:, None] + BAR_MS * held,
    )
    trades = take_trades(opportunities, 0.65)

    occupied = np.zeros(n + 10, dtype=int)
    for row, taken in zip(trades.row, trades.side, strict=True):
        occupied[row : row + held[row, taken]] += 1
    assert occupied.max(initial=0) <= 1
    assert np.all(occupied[np.flatnonzero(side)] == 1)
    assert np.array_equal(trades.side, (side[trades.row] == 1).astype(int))


def test_given_a_prediction_without_a_label_then_the_error_names_its_bar() -> None:
    labels = labels_after(bars_of(OPENS, CLOSES), held=2, rows=5)
    with pytest.raises(LearningError, match="2025-01-01T01:15:00"):
        find_opportunities(predictions_of([0.0] * 6, [0.9] * 6), labels, BAR_MS, ONE_PERCENT_A_SIDE)


def test_given_predictions_out_of_order_then_it_is_an_error() -> None:
    labels = labels_after(bars_of(OPENS, CLOSES), held=2, rows=6)
    predictions = predictions_of([0.0] * 6, [0.9] * 6)
    with pytest.raises(LearningError, match="out of order"):
        find_opportunities(predictions.iloc[::-1], labels, BAR_MS, ONE_PERCENT_A_SIDE)


def test_given_a_trade_that_loses_everything_then_it_is_an_error() -> None:
    labels = labels_after(bars_of(OPENS, CLOSES), held=2, rows=6)
    labels.loc[2, "short_return"] = -1.0
    with pytest.raises(LearningError, match="whole notional"):
        find_opportunities(predictions_of([0.0] * 6, [0.9] * 6), labels, BAR_MS, ONE_PERCENT_A_SIDE)


def test_given_costs_at_a_multiple_then_only_the_cost_part_of_a_return_changes(
    market: tuple[Bars, Opportunities],
) -> None:
    opportunities = market[1]
    doubled, free = opportunities.at_cost_scale(2.0), opportunities.at_cost_scale(0.0)
    gross = opportunities.net_return + opportunities.cost
    assert opportunities.cost[0, 1] == pytest.approx(0.02)
    assert free.net_return == pytest.approx(gross)
    assert doubled.net_return == pytest.approx(gross - 2 * opportunities.cost)
    assert doubled.cost == pytest.approx(2 * opportunities.cost)
