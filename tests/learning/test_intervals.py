"""Confidence intervals agree with published figures, exact variances and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, log_loss, matthews_corrcoef

from crypto_kedro.errors import LearningError
from crypto_kedro.learning.intervals import (
    Interval,
    Resampling,
    block_sums,
    bootstrap_interval,
    classification_intervals,
    profit_interval,
    stationary_bootstrap,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_agrees_with_newcombe_1998_table_1(
    successes: int, trials: int, low: float, high: float
) -> None:
    interval = wilson_interval(successes, trials)
    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


def test_wilson_interval_without_a_trial_says_nothing() -> None:
    assert wilson_interval(0, 0) == Interval(0.0, 1.0, 0.95)


@given(st.integers(1, 500).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_wilson_interval_holds_the_observed_share_inside_zero_to_one(counts: tuple[int, int]) -> None:
    interval = wilson_interval(*counts)
    assert 0 <= interval.low <= counts[0] / counts[1] + 1e-12
    assert counts[0] / counts[1] - 1e-12 <= interval.high <= 1


def test_wilson_interval_of_more_successes_than_trials_is_an_error() -> None:
    with pytest.raises(LearningError, match="3 successes in 2 trials"):
        wilson_interval(3, 2)


def test_stationary_bootstrap_has_the_exact_variance_of_politis_and_romano_lemma_1() -> None:
    rng = np.random.default_rng(5)
    n, mean_block = 120, 8.0
    series = np.convolve(rng.normal(size=n + 9), np.ones(10), mode="valid")
    centred, stay = series - series.mean(), 1 - 1 / mean_block
    lags = np.arange(1, n)
    covariance = np.array([centred[: n - lag] @ centred[lag:] / n for lag in lags])
    weight = (1 - lags / n) * stay**lags + lags / n * stay ** (n - lags)
    exact = (centred @ centred / n + 2 * weight @ covariance) / n

    drawn = stationary_bootstrap(n, Resampling(replications=40_000, mean_block=mean_block, seed=1))

    assert np.var(series[drawn].mean(axis=1)) == pytest.approx(exact, rel=0.04)


def test_stationary_bootstrap_with_endless_stretches_rotates_the_series() -> None:
    drawn = stationary_bootstrap(7, Resampling(replications=20, mean_block=1e12))
    assert np.all((np.diff(drawn, axis=1) - 1) % 7 == 0)


def test_stationary_bootstrap_draws_stretches_of_the_asked_mean_length() -> None:
    drawn = stationary_bootstrap(1000, Resampling(replications=200, mean_block=5.0, seed=3))
    broken = np.mean(np.diff(drawn, axis=1) % 1000 != 1)
    assert 1 / broken == pytest.approx(5.0, rel=0.03)


def test_stationary_bootstrap_repeats_itself_with_the_same_seed_only() -> None:
    first, again, other = (stationary_bootstrap(50, Resampling(replications=5, seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(("length", "mean_block"), [(0, 5.0), (10, 0.5)])
def test_stationary_bootstrap_of_nothing_or_of_too_short_stretches_is_an_error(length: int, mean_block: float) -> None:
    with pytest.raises(LearningError, match="bootstrap_mean_days"):
        stationary_bootstrap(length, Resampling(mean_block=mean_block))


def test_bootstrap_interval_covers_the_mean_of_dependent_data_about_as_often_as_it_claims() -> None:
    rng = np.random.default_rng(11)
    covered = 0
    for seed in range(200):
        noise = rng.normal(size=302)
        series = noise[2:] + noise[1:-1] + noise[:-2]
        interval = bootstrap_interval(
            lambda total: total[:, 0] / 300, series[:, None], Resampling(0.9, 200, mean_block=10.0, seed=seed)
        )
        assert interval is not None
        covered += interval.low <= 0 <= interval.high
    assert 0.80 <= covered / 200 <= 0.96


def test_bootstrap_interval_of_one_block_or_of_an_undefined_statistic_is_not_measured() -> None:
    assert bootstrap_interval(lambda total: total[:, 0], np.ones((1, 1)), Resampling()) is None
    assert bootstrap_interval(lambda total: total[:, 0] * np.nan, np.ones((9, 1)), Resampling()) is None


def test_block_sums_adds_the_rows_of_a_block_wherever_they_stand() -> None:
    sums = block_sums(np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]]), np.array([7, 3, 7]))
    assert sums.tolist() == [[2.0, 20.0], [5.0, 50.0]]


def test_scores_of_identical_days_have_no_spread_and_equal_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    probabilities, label = rng.dirichlet([2, 3, 2], size=60), rng.integers(3, size=60)
    weight = rng.uniform(0.1, 1.0, size=60)
    prior = np.full((60, 3), 1 / 3)
    days = 4

    intervals = classification_intervals(
        np.tile(probabilities, (days, 1)),
        np.tile(prior, (days, 1)),
        np.tile(label, days),
        np.tile(weight, days),
        np.repeat(np.arange(days), 60),
        Resampling(replications=20),
    )

    predicted = probabilities.argmax(axis=1)
    loss = log_loss(label, probabilities, sample_weight=weight, labels=[0, 1, 2])
    moved, sides = label != 1, probabilities[:, [0, 2]] / probabilities[:, [0, 2]].sum(axis=1, keepdims=True)
    direction = log_loss(label[moved] == 2, sides[moved], sample_weight=weight[moved], labels=[False, True])
    brier = np.average(((probabilities - np.eye(3)[label]) ** 2).sum(axis=1), weights=weight)
    expected = {
        "log_loss": loss,
        "log_loss_gain": np.log(3) - loss,
        "brier": brier,
        "brier_gain": 2 / 3 - brier,
        "direction_log_loss": direction,
        "direction_log_loss_gain": np.log(2) - direction,
        "macro_f1": f1_score(label, predicted, average="macro", sample_weight=weight),
        "mcc": matthews_corrcoef(label, predicted, sample_weight=weight),
    }
    for name, value in expected.items():
        interval = intervals[name]
        assert interval is not None
        assert (interval.low, interval.high) == pytest.approx((value, value), rel=1e-9)


def test_a_model_that_only_knows_the_prior_gains_exactly_nothing() -> None:
    rng = np.random.default_rng(4)
    prior = np.tile([0.2, 0.5, 0.3], (200, 1))
    intervals = classification_intervals(
        prior, prior, rng.integers(3, size=200), np.ones(200), np.arange(200) // 20, Resampling(replications=50)
    )
    assert intervals["log_loss_gain"] == Interval(0.0, 0.0, 0.95)
    assert intervals["mcc"] == Interval(0.0, 0.0, 0.95)


def test_profit_interval_of_a_steady_gain_is_its_compounded_profit() -> None:
    interval = profit_interval(np.full(30, 0.01), Resampling(replications=50))
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((1.01**30 - 1, 1.01**30 - 1))


def test_profit_interval_of_a_coin_toss_reaches_both_sides_of_zero() -> None:
    interval = profit_interval(np.random.default_rng(6).normal(0, 0.02, size=200), Resampling())
    assert interval is not None
    assert interval.low < 0 < interval.high
