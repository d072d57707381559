"""Random traders enter as often as the model, to the same sides, in the same windows, and noise is no better."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_kedro.learning.opportunities import Opportunities, Trades, take_trades
from crypto_kedro.learning.random_entries import random_entries
from crypto_kedro.market.bars import MINUTE_MS

BAR_MS = 15 * MINUTE_MS
START_MS = 1_735_689_600_000


def noise(n: int, seed: int, signal_share: float, longest: int = 8) -> Opportunities:
    """Random outcomes, and signals that know nothing about them."""
    rng = np.random.default_rng(seed)
    entry_ms = START_MS + BAR_MS * np.arange(1, n + 1)
    signal = rng.random(n) < signal_share
    probability = np.where((rng.random(n) < 0.3)[:, None], [0.9, 0.0], [0.0, 0.9]) * signal[:, None]
    return Opportunities(
        window=np.where(np.arange(n) < n // 2, "fold-1", "final").astype(object),
        signal_ms=entry_ms - BAR_MS,
        entry_ms=entry_ms,
        probability=probability,
        net_return=rng.normal(-0.001, 0.01, size=(n, 2)),
        cost=np.full((n, 2), 0.001),
        exit_ms=entry_ms[:, None] + BAR_MS * rng.integers(1, longest + 1, size=(n, 2)),
    )


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), signal_share=st.floats(0.0, 0.05))
def test_random_traders_copy_count_sides_and_windows_of_the_model_and_never_overlap(
    seed: int, signal_share: float
) -> None:
    opportunities = noise(600, seed, signal_share)
    trades = take_trades(opportunities, 0.65)
    random = random_entries(opportunities, trades, traders=20, seed=seed)

    assert random.row.shape == (20, len(trades))
    assert np.all(random.row >= 0)
    for row, side in zip(random.row, random.side, strict=True):
        assert np.all(row[1:] >= opportunities.next_row[row[:-1], side[:-1]])
        for half in (slice(0, 300), slice(300, 600)):
            inside = (row >= half.start) & (row < half.stop)
            model = (trades.row >= half.start) & (trades.row < half.stop)
            assert sorted(side[inside]) == sorted(trades.side[model])


def test_random_entries_are_spread_evenly_over_the_window() -> None:
    opportunities = noise(4000, seed=1, signal_share=0.0, longest=4)
    trades = Trades(np.array([100, 200, 300, 400, 500]), np.array([1, 1, 0, 1, 0]))
    rows = random_entries(opportunities, trades, traders=4000, seed=2).row
    counts, _ = np.histogram(rows, bins=10, range=(0, 2000))
    assert counts / rows.size == pytest.approx(np.full(10, 0.1), abs=0.012)


def test_a_model_that_is_never_flat_still_gets_random_traders_of_nearly_its_size() -> None:
    opportunities = noise(2000, seed=3, signal_share=1.0)
    trades = take_trades(opportunities, 0.65)
    random = random_entries(opportunities, trades, traders=100, seed=4)
    assert np.min((random.row >= 0).sum(axis=1)) > 0.9 * len(trades)
    for row, side in zip(random.row, random.side, strict=True):
        made = row >= 0
        assert np.all(row[made][1:] >= opportunities.next_row[row[made], side[made]][:-1])


def test_random_entries_repeat_themselves_with_the_same_seed_only() -> None:
    opportunities = noise(500, seed=5, signal_share=0.05)
    trades = take_trades(opportunities, 0.65)
    first, again, other = (random_entries(opportunities, trades, traders=5, seed=seed).row for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_without_trades_random_traders_enter_nowhere() -> None:
    opportunities = noise(100, seed=6, signal_share=0.0)
    assert random_entries(opportunities, take_trades(opportunities, 0.65), traders=7, seed=1).row.shape == (7, 0)


def test_noise_beats_the_95th_percentile_of_random_traders_about_one_time_in_twenty() -> None:
    beaten = []
    for seed in range(300):
        opportunities = noise(800, seed, signal_share=0.03)
        trades = take_trades(opportunities, 0.65)
        profit = float(np.prod(1 + opportunities.net_return[trades.row, trades.side]) - 1)
        random = random_entries(opportunities, trades, traders=100, seed=seed)
        made = np.where(random.row >= 0, 1 + opportunities.net_return[random.row, random.side], 1.0)
        beaten.append(np.mean(np.prod(made, axis=1) - 1 < profit))
    assert 0.01 <= np.mean(np.array(beaten) > 0.95) <= 0.09
    assert np.mean(beaten) == pytest.approx(0.5, abs=0.06)
