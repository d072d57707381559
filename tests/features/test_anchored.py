"""Recursive means with a bounded memory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_kedro.features.anchored import (
    ANCHOR_BLOCK,
    REMAINING_WEIGHT,
    anchored_mean,
    block_start,
    ema_alpha,
    warmup_bars,
    wilder_alpha,
)

FIRST = 1_824_017


@given(period=st.integers(2, 400))
def test_given_any_period_when_warmed_up_then_older_bars_weigh_less_than_the_limit(period: int) -> None:
    for alpha in (ema_alpha(period), wilder_alpha(period)):
        warmup = warmup_bars(alpha)
        assert (1.0 - alpha) ** warmup <= REMAINING_WEIGHT * (1 + 1e-9)
        assert warmup % ANCHOR_BLOCK == 0


def test_given_a_series_when_averaged_then_each_value_is_the_recursion_from_its_anchor() -> None:
    values = np.random.default_rng(1).normal(100.0, 5.0, 800)
    alpha = wilder_alpha(10)
    index = FIRST + np.arange(values.size)

    means = anchored_mean(values, FIRST, alpha)

    for at in (500, 511, 700, 799):
        start = int(block_start(index[at : at + 1])[0]) - warmup_bars(alpha) - FIRST
        mean = values[start]
        for value in values[start : at + 1]:
            mean += alpha * (value - mean)
        assert means[at] == mean


@given(cut=st.integers(0, 700), length=st.integers(1, 600), alpha=st.sampled_from([1.0, 0.5, 1 / 14, 2 / 21]))
def test_given_any_part_of_a_series_when_averaged_then_what_can_be_known_has_the_same_bits(
    cut: int, length: int, alpha: float
) -> None:
    values = np.random.default_rng(2).normal(0.0, 1.0, 1_000)
    whole = anchored_mean(values, FIRST, alpha)

    part = anchored_mean(values[cut : cut + length], FIRST + cut, alpha)

    index = FIRST + cut + np.arange(part.size)
    complete = block_start(index) - warmup_bars(alpha) >= FIRST + cut
    assert part[complete].tobytes() == whole[cut : cut + length][complete].tobytes()
    assert np.isnan(part[~complete]).all()


@pytest.mark.parametrize("size", [0, 1, ANCHOR_BLOCK])
def test_given_too_few_bars_when_averaged_then_nothing_is_known(size: int) -> None:
    means = anchored_mean(np.ones(size), FIRST, 0.1)

    assert means.shape == (size,)
    assert np.isnan(means).all()


def test_given_a_missing_value_when_averaged_then_only_what_depends_on_it_is_missing() -> None:
    values = np.ones(6 * ANCHOR_BLOCK)
    values[2 * ANCHOR_BLOCK + 5] = np.nan

    means = anchored_mean(values, 0, 0.5)

    missing = np.flatnonzero(np.isnan(means[ANCHOR_BLOCK:])) + ANCHOR_BLOCK
    assert missing[0] == 2 * ANCHOR_BLOCK + 5
    assert missing[-1] == 4 * ANCHOR_BLOCK - 1
