"""Statistics of the last bars."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_kedro.features.rolling import (
    lagged,
    rolling_max,
    rolling_mean,
    rolling_min,
    rolling_rank,
    rolling_std,
    rolling_sum,
)
from crypto_kedro.market.bars import FloatArray


def std(values: FloatArray, period: int) -> FloatArray:
    return rolling_std(values, rolling_mean(values, period), period)


def exact_sum(window: FloatArray) -> float:
    return float(sum(Fraction(value) for value in window.tolist()))


def middle_rank(window: FloatArray) -> float:
    earlier = window[:-1]
    return float((np.sum(earlier < window[-1]) + np.sum(earlier <= window[-1])) / (2 * earlier.size))


FUNCTIONS: dict[str, tuple[Callable[[FloatArray, int], FloatArray], Callable[[FloatArray], float]]] = {
    "sum": (rolling_sum, exact_sum),
    "mean": (rolling_mean, lambda window: exact_sum(window) / window.size),
    "std": (std, lambda window: float(np.std(window))),
    "max": (rolling_max, lambda window: float(window.max())),
    "min": (rolling_min, lambda window: float(window.min())),
    "rank": (rolling_rank, middle_rank),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@given(period=st.integers(2, 60), seed=st.integers(0, 1_000))
def test_given_any_window_when_computed_then_it_agrees_with_the_definition(name: str, period: int, seed: int) -> None:
    rolling, definition = FUNCTIONS[name]
    values = np.random.default_rng(seed).integers(0, 40, 90) / 7.0

    results = rolling(values, period)

    expected = [definition(values[end - period : end]) for end in range(period, values.size + 1)]
    assert np.isnan(results[: period - 1]).all()
    np.testing.assert_allclose(results[period - 1 :], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
@given(period=st.integers(2, 100), cut=st.integers(0, 900), extra=st.integers(0, 70))
def test_given_any_part_of_a_series_when_computed_then_its_results_have_the_same_bits(
    name: str, period: int, cut: int, extra: int
) -> None:
    rolling, _ = FUNCTIONS[name]
    values = np.random.default_rng(3).normal(1e6, 1e3, 1_100)
    part = values[cut : cut + period + extra]

    last = rolling(part, period)[-1]

    assert last.tobytes() == rolling(values, period)[cut + part.size - 1].tobytes()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_given_more_values_than_one_chunk_when_computed_then_its_seams_cannot_be_seen(name: str) -> None:
    rolling, _ = FUNCTIONS[name]
    values = np.random.default_rng(4).normal(0.0, 1.0, 40_000)

    whole, shifted = rolling(values, 20), rolling(values[7:], 20)

    assert shifted[19:].tobytes() == whole[26:].tobytes()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_given_fewer_values_than_the_period_when_computed_then_nothing_is_known(name: str) -> None:
    assert np.isnan(FUNCTIONS[name][0](np.ones(4), 5)).all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_given_a_value_that_is_not_a_number_when_computed_then_exactly_its_windows_are_unknown(name: str) -> None:
    values = np.arange(20.0)
    values[10] = np.nan

    results = FUNCTIONS[name][0](values, 4)

    np.testing.assert_array_equal(np.flatnonzero(np.isnan(results[3:])) + 3, [10, 11, 12, 13])


def test_given_equal_values_when_ranked_then_the_rank_is_the_middle() -> None:
    assert rolling_rank(np.zeros(10), 4)[-1] == 0.5


def test_given_a_lag_when_applied_then_values_move_and_the_start_is_unknown() -> None:
    np.testing.assert_array_equal(lagged(np.array([1.0, 2.0, 3.0]), 2), [np.nan, np.nan, 1.0])
    np.testing.assert_array_equal(lagged(np.array([1.0]), 5), [np.nan])
