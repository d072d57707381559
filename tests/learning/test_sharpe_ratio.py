"""The error of a Sharpe ratio agrees with the papers' own examples, with skfolio and with simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skfolio.measures import deflated_sharpe_ratio, expected_max_sharpe_ratio, probabilistic_sharpe_ratio

from crypto_kedro.errors import LearningError
from crypto_kedro.learning.sharpe_ratio import (
    ReturnMoments,
    deflated_sharpe,
    expected_maximum_sharpe,
    minimum_track_record,
    probabilistic_sharpe,
    variance_of_trials,
)


def skewed_returns(days: int, seed: int) -> np.ndarray:
    """Daily returns with many small gains and a few large losses."""
    return 0.012 - np.random.default_rng(seed).gamma(0.7, 0.015, size=days)


def annual(sharpe: float, periods: int, skewness: float = 0.0, kurtosis: float = 3.0) -> ReturnMoments:
    return ReturnMoments(sharpe / np.sqrt(periods), skewness, kurtosis, observations=5 * periods)


moments = st.builds(
    lambda sharpe, skewness, excess, days: ReturnMoments(sharpe, skewness, 1 + skewness**2 + excess, days),
    sharpe=st.floats(0.01, 0.5),
    skewness=st.floats(-3, 1),
    excess=st.floats(0.5, 10),
    days=st.integers(30, 2000),
)


@pytest.mark.parametrize(("skewness", "kurtosis", "probability"), [(0.0, 3.0, 0.982), (-2.448, 10.164, 0.913)])
def test_probabilistic_sharpe_agrees_with_the_hedge_fund_of_bailey_and_lopez_de_prado_2012(
    skewness: float, kurtosis: float, probability: float
) -> None:
    fund = ReturnMoments(sharpe=0.458, skewness=skewness, kurtosis=kurtosis, observations=24)
    assert round(probabilistic_sharpe(fund), 3) == probability


@pytest.mark.parametrize(
    ("periods", "skewness", "kurtosis", "years"),
    [(250, 0.0, 3.0, 2.73), (52, 0.0, 3.0, 2.83), (12, 0.0, 3.0, 3.24), (12, -0.72, 5.78, 4.99)],
)
def test_minimum_track_record_agrees_with_the_example_of_bailey_and_lopez_de_prado_2012(
    periods: int, skewness: float, kurtosis: float, years: float
) -> None:
    length = minimum_track_record(annual(2.0, periods, skewness, kurtosis), benchmark=1 / np.sqrt(periods))
    assert length is not None
    assert round(length / periods, 2) == years


@pytest.mark.parametrize(
    ("trials", "skewness", "kurtosis", "probability"),
    [(100, -3.0, 10.0, 0.9004), (46, -3.0, 10.0, 0.9505), (88, 0.0, 3.0, 0.9505)],
)
def test_deflated_sharpe_agrees_with_the_example_of_bailey_and_lopez_de_prado_2014(
    trials: int, skewness: float, kurtosis: float, probability: float
) -> None:
    judged = deflated_sharpe(annual(2.5, 250, skewness, kurtosis), trials, trial_variance=0.5 / 250)
    assert round(judged.probability, 4) == probability


@pytest.mark.parametrize("seed", range(5))
def test_given_skewed_returns_when_measured_then_all_three_agree_with_skfolio(seed: int) -> None:
    returns = skewed_returns(300, seed)
    trials = np.random.default_rng(seed).normal(0.02, 0.05, size=40)
    deviation = float(np.std(trials, ddof=1))
    measured = ReturnMoments.of(returns)
    judged = deflated_sharpe(measured, trials=40, trial_variance=deviation**2)
    assert probabilistic_sharpe(measured, 0.05) == pytest.approx(probabilistic_sharpe_ratio(returns, 0.05))
    assert judged.expected_maximum == pytest.approx(expected_max_sharpe_ratio(40, deviation))
    assert judged.probability == pytest.approx(deflated_sharpe_ratio(returns, trials))


@pytest.mark.parametrize("trials", [10, 100, 1000])
def test_expected_maximum_sharpe_is_the_mean_best_of_simulated_trials_without_skill(trials: int) -> None:
    best = np.random.default_rng(1).normal(0.0, 0.06, size=(4000, trials)).max(axis=1)
    assert expected_maximum_sharpe(trials, 0.06**2) == pytest.approx(best.mean(), rel=0.03)


def share_of_best_trials_that_pass(days: int, annual_edge: float, seeds: range) -> float:
    """Of 20 trials a quarter has an edge; the best is judged."""
    passed = 0
    for seed in seeds:
        returns = np.random.default_rng(seed).normal(0.0, 0.02, size=(days, 20))
        returns[:, :5] += annual_edge / np.sqrt(365) * 0.02
        sharpes = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
        variance = variance_of_trials(sharpes, days)
        best = ReturnMoments.of(returns[:, np.argmax(sharpes)])
        passed += deflated_sharpe(best, trials=20, trial_variance=variance).probability >= 0.95
    return passed / len(seeds)


def test_given_trials_without_skill_when_the_best_is_judged_then_hardly_any_passes() -> None:
    assert share_of_best_trials_that_pass(270, annual_edge=0.0, seeds=range(300)) <= 0.02


def test_given_some_trials_with_skill_when_the_best_is_judged_then_their_skill_does_not_count_against_it() -> None:
    assert share_of_best_trials_that_pass(540, annual_edge=3.0, seeds=range(100)) >= 0.95


def test_given_trials_that_resemble_each_other_then_their_own_variance_counts() -> None:
    alike = np.array([0.05, 0.06, 0.07])
    assert variance_of_trials(alike, observations=300) == pytest.approx(0.01**2)


@pytest.mark.parametrize("known", [np.array([]), np.array([0.3]), np.array([-0.5, 0.5])])
def test_given_few_or_very_different_trials_then_the_variance_is_that_of_a_trial_without_skill(
    known: np.ndarray,
) -> None:
    without_skill = np.random.default_rng(3).normal(size=(4000, 301))
    sharpes = without_skill.mean(axis=1) / without_skill.std(axis=1, ddof=1)
    assert variance_of_trials(known, observations=301) == pytest.approx(np.var(sharpes), rel=0.05)


@pytest.mark.parametrize(("known", "observations"), [([0.1, np.nan], 300), ([0.1, 0.2], 2)])
def test_given_unknown_trials_or_too_few_periods_when_their_variance_is_asked_then_it_refuses(
    known: list[float], observations: int
) -> None:
    with pytest.raises(LearningError, match="leave out trials that did not trade but count them"):
        variance_of_trials(np.array(known), observations)


def test_given_one_trial_when_deflated_then_nothing_is_taken_off() -> None:
    returns = annual(1.0, 365)
    judged = deflated_sharpe(returns, trials=1, trial_variance=0.0)
    assert judged.expected_maximum == 0.0
    assert judged.probability == probabilistic_sharpe(returns)


@given(moments, st.integers(1, 5000), st.integers(1, 5000), st.floats(1e-6, 0.01))
def test_given_more_trials_when_deflated_then_the_probability_does_not_rise(
    returns: ReturnMoments, trials: int, more: int, variance: float
) -> None:
    few, many = (deflated_sharpe(returns, count, variance).probability for count in (trials, trials + more))
    assert many <= few


@given(moments, st.floats(0.8, 0.99))
def test_given_the_minimum_track_record_when_judged_then_one_period_less_would_not_reach_the_level(
    returns: ReturnMoments, level: float
) -> None:
    length = minimum_track_record(returns, level=level)
    assert length is not None
    shorter, longer = (
        ReturnMoments(returns.sharpe, returns.skewness, returns.kurtosis, max(3, count))
        for count in (int(length), int(length) + 1)
    )
    assert length < 3 or probabilistic_sharpe(shorter) <= level + 1e-9
    assert probabilistic_sharpe(longer) >= level - 1e-9


def test_given_a_sharpe_ratio_below_the_benchmark_then_no_track_record_suffices() -> None:
    assert minimum_track_record(annual(1.0, 365), benchmark=1.0) is None


def test_given_skewed_returns_when_the_interval_is_drawn_then_it_covers_the_truth_as_often_as_it_claims() -> None:
    truth = (0.012 - 0.7 * 0.015) / np.sqrt(0.7 * 0.015**2)
    intervals = [ReturnMoments.of(skewed_returns(400, seed)).interval(0.9) for seed in range(1000)]
    assert np.mean([bounds.low <= truth <= bounds.high for bounds in intervals]) == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("returns", [np.zeros(50), np.full(50, 0.01), np.array([0.1, 0.2]), np.array([0.1, np.nan, 0])])
def test_given_returns_without_a_sharpe_ratio_when_measured_then_it_refuses(returns: np.ndarray) -> None:
    with pytest.raises(LearningError, match="have no Sharpe ratio"):
        ReturnMoments.of(returns)


def test_given_an_excess_kurtosis_when_taken_for_the_kurtosis_then_it_refuses() -> None:
    with pytest.raises(LearningError, match="of which a normal distribution has 3"):
        ReturnMoments(sharpe=0.1, skewness=0.0, kurtosis=0.0, observations=100)


@pytest.mark.parametrize(("trials", "variance"), [(0, 0.1), (5, -0.1), (5, float("nan"))])
def test_given_no_trial_or_an_impossible_variance_when_deflated_then_it_refuses(trials: int, variance: float) -> None:
    with pytest.raises(LearningError, match="count the runs on these data again"):
        deflated_sharpe(annual(1.0, 365), trials, variance)
