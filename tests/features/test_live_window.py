"""Live and batch give the same bits, and nothing that happens later changes a feature."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_kedro.features import FeatureSet, compute_features, load_feature_set
from crypto_kedro.market.bars import Bars
from crypto_kedro.market.resample import CONTEXT_MS, DECISION_MS, resample

MAX_GAP_MINUTES = 60
PRICES = ("open", "high", "low", "close")


def closed_context(decision: Bars, context: Bars, at: int) -> int:
    """Number of context bars that have closed when decision bar `at` closes."""
    return int(np.searchsorted(context.close_time, decision.close_time[at], side="right"))


def assert_live_equals_batch(feature_set: FeatureSet, market: tuple[Bars, Bars], cuts: int, seed: int) -> None:
    decision, context = market
    batch = compute_features(feature_set, decision, context, MAX_GAP_MINUTES)
    rng = np.random.default_rng(seed)
    # A live window that slides, or that has grown since the start of the process by up to two days.
    grown = rng.integers(0, 200, cuts) * rng.integers(0, 2, cuts)
    for at, extra in zip(rng.choice(np.flatnonzero(batch.valid), cuts), grown, strict=True):
        closed = closed_context(decision, context, at)
        live = compute_features(
            feature_set,
            decision[max(at + 1 - feature_set.decision_window_bars - extra, 0) : at + 1],
            context[max(closed - feature_set.context_window_bars - extra // 16, 0) : closed],
            MAX_GAP_MINUTES,
        )
        assert live.valid[-1]
        assert live.values[-1].tobytes() == batch.values[at].tobytes(), f"bar {at} of {len(decision)}"


def test_given_random_cut_points_when_live_then_bits_equal_the_batch(
    feature_set: FeatureSet, market: tuple[Bars, Bars]
) -> None:
    assert_live_equals_batch(feature_set, market, cuts=300, seed=11)


@pytest.mark.slow
def test_given_ten_thousand_cut_points_when_live_then_bits_equal_the_batch(
    feature_set: FeatureSet, market: tuple[Bars, Bars]
) -> None:
    assert_live_equals_batch(feature_set, market, cuts=10_000, seed=12)


def test_given_every_bar_around_a_long_gap_when_live_then_it_is_known_exactly_when_the_batch_knows_it(
    feature_set: FeatureSet, random_walk: Callable[..., Bars]
) -> None:
    decision = random_walk(days=30, seed=5)
    context = resample(decision, CONTEXT_MS)
    batch = compute_features(feature_set, decision, context, MAX_GAP_MINUTES)

    for at in range(feature_set.decision_window_bars, len(decision), 41):
        closed = closed_context(decision, context, at)
        live = compute_features(
            feature_set,
            decision[at + 1 - feature_set.decision_window_bars : at + 1],
            context[max(closed - feature_set.context_window_bars, 0) : closed],
            MAX_GAP_MINUTES,
        )
        assert live.valid[-1] == batch.valid[at]


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(["classic12", "stationary12"]),
    at=st.integers(900, 2_250),
    factors=st.lists(st.floats(0.5, 2.0), min_size=1, max_size=30),
    volume=st.floats(0.0, 1e4),
)
def test_given_any_change_after_a_bar_when_computed_then_its_features_stay(
    catalogue_path: Path, random_walk: Callable[..., Bars], name: str, at: int, factors: list[float], volume: float
) -> None:
    feature_set = load_feature_set(catalogue_path, name)
    decision = random_walk(days=24, seed=9)
    decision = replace(decision, gap_minutes=np.zeros_like(decision.gap_minutes))
    changed = with_changed_future(decision, at, np.array(factors), volume)

    before = compute_features(feature_set, decision, resample(decision, CONTEXT_MS), MAX_GAP_MINUTES)
    after = compute_features(feature_set, changed, resample(changed, CONTEXT_MS), MAX_GAP_MINUTES)

    known = before.valid[: at + 1]
    assert known[-1]
    np.testing.assert_array_equal(after.absence[: at + 1], before.absence[: at + 1])
    assert after.values[: at + 1][known].tobytes() == before.values[: at + 1][known].tobytes()


def with_changed_future(bars: Bars, at: int, factors: np.ndarray, volume: float) -> Bars:
    """Bars whose rows after `at` differ; the next ones still belong to the open context bar."""
    later = slice(at + 1, at + 1 + factors.size)
    columns = {name: getattr(bars, name).copy() for name in (*PRICES, "volume")}
    for name in PRICES:
        columns[name][later] *= factors
    columns["volume"][later] = volume
    return replace(bars, **columns)


def test_given_a_context_bar_still_open_when_it_is_handed_over_then_it_is_not_looked_at(
    catalogue_path: Path, random_walk: Callable[..., Bars]
) -> None:
    feature_set = load_feature_set(catalogue_path, "stationary12")
    whole = random_walk(days=20, seed=3)
    context = resample(whole, CONTEXT_MS)
    at = len(whole) - 9
    open_bar = closed_context(whole, context, at)
    damaged = context.close.copy()
    damaged[open_bar:] = 1.0

    honest = compute_features(feature_set, whole[: at + 1], context[:open_bar], MAX_GAP_MINUTES)
    peeking = compute_features(feature_set, whole[: at + 1], replace(context, close=damaged), MAX_GAP_MINUTES)

    assert whole.close_time[at] % CONTEXT_MS != 0
    assert whole.interval_ms == DECISION_MS
    assert peeking.values[-1].tobytes() == honest.values[-1].tobytes()
