"""The leverage of a window rests on outcomes that had ended before it began, and on nothing else."""

import numpy as np
import pytest
from judged import CONDITIONS, opportunities, span
from known_predictions import BAR_MS, START_MS

from crypto_kedro.evaluation.model_trader import kelly_by_window, model_trader, with_entries
from crypto_kedro.learning.opportunities import Opportunities, Trades
from crypto_kedro.trading.sizing import MIN_OUTCOMES, kelly_leverage

WINDOWS = {"fold-1": START_MS, "final": START_MS + 100 * BAR_MS}


def outcomes(count: int, *, ends_after_bars: int = 1) -> tuple[Opportunities, Trades]:
    """One long trade a bar that wins 1% and loses 0.8% in turn."""
    signal_ms = START_MS + BAR_MS * np.arange(count)
    net = np.where(np.arange(count) % 2 == 0, 0.01, -0.008)
    opportunities = Opportunities(
        window=np.where(signal_ms < WINDOWS["final"], "fold-1", "final").astype(object),
        signal_ms=signal_ms,
        entry_ms=signal_ms + BAR_MS,
        probability=np.ones((count, 2)),
        net_return=np.column_stack([-net, net]),
        cost=np.zeros((count, 2)),
        exit_ms=np.tile((signal_ms + (1 + ends_after_bars) * BAR_MS)[:, None], 2),
    )
    return opportunities, Trades(np.arange(count), np.ones(count, dtype=np.int64))


def test_given_no_outcome_before_a_window_then_the_leverage_is_the_unproven_one() -> None:
    assert kelly_by_window(*outcomes(150), WINDOWS, unproven=0.7)["fold-1"] == 0.7


def test_given_enough_outcomes_before_a_window_then_the_leverage_is_kellys_of_just_these() -> None:
    opportunities, trades = outcomes(150)
    known = opportunities.net_return[:99, 1]
    assert kelly_by_window(opportunities, trades, WINDOWS, 0.7)["final"] == kelly_leverage(known.tolist()) == 2.0


def test_given_other_outcomes_from_a_window_on_then_its_leverage_stays() -> None:
    opportunities, trades = outcomes(150)
    before = kelly_by_window(opportunities, trades, WINDOWS, 0.7)
    opportunities.net_return[99:] = -0.5
    assert kelly_by_window(opportunities, trades, WINDOWS, 0.7) == before


def test_given_one_outcome_too_few_then_the_leverage_is_the_unproven_one() -> None:
    at_the_limit, short_of_it = ({"later": START_MS + (MIN_OUTCOMES + more) * BAR_MS} for more in (1, 0))
    assert kelly_by_window(*outcomes(150), at_the_limit, 0.7)["later"] == 2.0
    assert kelly_by_window(*outcomes(150), short_of_it, 0.7)["later"] == 0.7


def test_given_losing_outcomes_then_nothing_may_be_staked() -> None:
    opportunities, trades = outcomes(150)
    losing = Trades(trades.row, np.zeros_like(trades.side))
    assert kelly_by_window(opportunities, losing, WINDOWS, 0.7)["final"] == 0.0


def test_a_trader_with_entries_is_certain_at_them_and_of_nothing_elsewhere() -> None:
    trader = with_entries(model_trader(span(0.75), opportunities(0.75), CONDITIONS), np.array([5, 9]), np.array([1, 0]))
    assert np.flatnonzero(trader.facts.long).tolist() == [5]
    assert np.flatnonzero(trader.facts.short).tolist() == [9]
    assert trader.facts.flat.sum() == trader.facts.flat.size - 2
    assert trader.facts.models == ((trader.facts.short, trader.facts.flat, trader.facts.long),)


def test_wishes_never_overlap_and_each_passes_the_threshold() -> None:
    known = opportunities(0.75)
    wishes = model_trader(span(0.75), known, CONDITIONS).wishes
    assert np.all(known.probability[wishes.row, wishes.side] >= CONDITIONS.settings.signal.confidence_threshold)
    assert np.all(wishes.row[1:] >= known.next_row[wishes.row[:-1], wishes.side[:-1]])


@pytest.mark.parametrize("scale", [0.0, 1.0, 2.0])
def test_costs_at_a_multiple_reach_the_core_and_the_exchange_alike(scale: float) -> None:
    scaled = CONDITIONS.at_cost_scale(scale)
    plan = scaled.plan()
    rules = plan.schedule.at(START_MS)
    assert scaled.spread == pytest.approx(0.0002 * scale)
    assert plan.settings.signal.slippage == pytest.approx(0.0001 * scale)
    assert plan.engine.slippage.ppm == round(200 * scale)
    assert rules.margin_open_taker_fee.ppm == rules.margin_close_taker_fee.ppm == round(1200 * scale)
    assert rules.long_interest_per_day.ppm == round(400 * scale)
