"""Exact limits of a proportion agree with published tables and with their definition by tail areas."""

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_kedro.errors import LearningError
from crypto_kedro.learning.intervals import Interval
from crypto_kedro.learning.proportion import clopper_pearson_interval, clopper_pearson_upper

counts = st.integers(1, 200).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))


def at_most(successes: int, trials: int, share: float) -> float:
    """Probability of so many successes or fewer."""
    return sum(comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(successes + 1))


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_interval_agrees_with_newcombe_1998_table_1_method_5(
    successes: int, trials: int, low: float, high: float
) -> None:
    interval = clopper_pearson_interval(successes, trials)
    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


@given(counts, st.sampled_from([0.8, 0.95, 0.99]))
def test_interval_leaves_half_of_the_rest_in_each_tail(count: tuple[int, int], level: float) -> None:
    successes, trials = count
    interval = clopper_pearson_interval(successes, trials, level)
    tail = (1 - level) / 2
    if successes > 0:
        assert 1 - at_most(successes - 1, trials, interval.low) == pytest.approx(tail, rel=1e-6)
    if successes < trials:
        assert at_most(successes, trials, interval.high) == pytest.approx(tail, rel=1e-6)


@given(counts)
def test_one_sided_limit_is_the_upper_end_of_the_interval_that_leaves_as_much_on_both_sides(
    count: tuple[int, int],
) -> None:
    assert clopper_pearson_upper(*count, level=0.95) == pytest.approx(clopper_pearson_interval(*count, level=0.9).high)


def test_no_success_in_59_trials_puts_the_95_percent_limit_below_a_twentieth_and_58_do_not() -> None:
    assert clopper_pearson_upper(0, 59) < 0.05 < clopper_pearson_upper(0, 58)


def test_without_a_trial_it_says_nothing() -> None:
    assert clopper_pearson_interval(0, 0) == Interval(0.0, 1.0, 0.95)
    assert clopper_pearson_upper(0, 0) == 1.0


def test_more_successes_than_trials_is_an_error() -> None:
    with pytest.raises(LearningError, match="3 successes in 2 trials"):
        clopper_pearson_upper(3, 2)
