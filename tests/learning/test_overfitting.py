"""The probability of overfitting agrees with purgedcv and with the limits that are known."""

import numpy as np
import purgedcv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto_kedro.errors import LearningError
from crypto_kedro.learning.overfitting import backtest_overfitting


def noise(periods: int, configurations: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 0.01, size=(periods, configurations))


@pytest.mark.parametrize("seed", range(4))
def test_given_any_returns_when_judged_then_every_combination_agrees_with_purgedcv(seed: int) -> None:
    returns = noise(96, 11, seed) + np.linspace(-0.002, 0.002, 11)
    returns[:, 4] = 0.0
    returns[:50, 7] = 0.0
    ours = backtest_overfitting(returns, blocks=6)
    theirs = purgedcv.probability_of_backtest_overfitting(returns.T, n_splits=6)
    # purgedcv counts through the half that ranks, not through the one that chooses.
    np.testing.assert_allclose(ours.logits, theirs.logits[::-1], atol=1e-9)
    np.testing.assert_allclose(ours.in_sample, theirs.is_oos_performance[::-1, 0], atol=1e-9)
    np.testing.assert_allclose(ours.out_of_sample, theirs.is_oos_performance[::-1, 1], atol=1e-9)
    assert ours.degradation_slope == pytest.approx(theirs.slope)
    assert ours.probability >= theirs.pbo


def test_given_noise_when_judged_then_the_choice_is_worth_a_coin_toss() -> None:
    probabilities = [backtest_overfitting(noise(160, 20, seed), blocks=8).probability for seed in range(80)]
    assert np.mean(probabilities) == pytest.approx(0.5, abs=0.06)


def test_given_one_truly_better_configuration_when_judged_then_there_is_no_overfitting() -> None:
    returns = noise(320, 20, seed=3)
    returns[:, 5] += 0.005
    judged = backtest_overfitting(returns)
    assert judged.probability < 0.001
    assert judged.probability_of_loss < 0.001


def test_given_the_papers_case_of_configurations_that_all_end_at_zero_when_judged_then_every_choice_fails() -> None:
    returns = noise(320, 20, seed=4)
    judged = backtest_overfitting(returns - returns.mean(axis=0), blocks=8)
    assert judged.probability == 1.0
    assert judged.probability_of_loss == 1.0
    assert judged.degradation_slope == pytest.approx(-1.0, abs=0.1)


def test_given_equal_configurations_when_judged_then_each_ranks_in_the_middle() -> None:
    judged = backtest_overfitting(np.repeat(noise(64, 1, seed=1), 5, axis=1), blocks=4)
    np.testing.assert_allclose(judged.logits, 0.0)
    assert judged.probability == 1.0


def test_given_configurations_that_never_trade_when_judged_then_none_is_preferred_and_there_is_no_slope() -> None:
    judged = backtest_overfitting(np.zeros((64, 3)), blocks=4)
    assert judged.degradation_slope is None
    assert judged.probability_of_loss == 0.0


def test_given_periods_that_the_blocks_do_not_divide_when_judged_then_the_oldest_are_left_out() -> None:
    returns = noise(67, 5, seed=2)
    judged = backtest_overfitting(returns, blocks=4)
    np.testing.assert_array_equal(judged.logits, backtest_overfitting(returns[3:], blocks=4).logits)
    assert judged.observations == 64


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.floats(0.01, 100), st.sampled_from([2, 4, 6]))
def test_given_another_leverage_for_each_configuration_when_judged_then_nothing_changes(
    seed: int, leverage: float, blocks: int
) -> None:
    returns = noise(48, 6, seed)
    levered = returns * np.linspace(1.0, leverage, 6)
    first, second = backtest_overfitting(returns, blocks), backtest_overfitting(levered, blocks)
    np.testing.assert_allclose(first.logits, second.logits, atol=1e-9)


def test_given_sixteen_blocks_when_judged_then_there_are_12870_combinations() -> None:
    assert backtest_overfitting(noise(64, 4, seed=0)).logits.size == 12_870


@pytest.mark.parametrize("blocks", [0, 7, 22])
def test_given_blocks_that_cannot_be_halved_or_are_too_many_when_judged_then_it_refuses(blocks: int) -> None:
    with pytest.raises(LearningError, match=f"{blocks} blocks; give an even number"):
        backtest_overfitting(noise(64, 4, seed=0), blocks)


@pytest.mark.parametrize("shape", [(31, 4), (64, 1), (64,)])
def test_given_too_few_returns_when_judged_then_the_error_says_how_many_it_needs(shape: tuple[int, ...]) -> None:
    with pytest.raises(LearningError, match="at least 32 periods"):
        backtest_overfitting(np.zeros(shape))


def test_given_a_return_that_is_not_finite_when_judged_then_it_refuses() -> None:
    returns = noise(64, 4, seed=0)
    returns[3, 2] = np.nan
    with pytest.raises(LearningError, match="not finite"):
        backtest_overfitting(returns)


def test_given_a_configuration_without_variance_when_judged_then_it_refuses() -> None:
    returns = noise(64, 4, seed=0)
    returns[:, 1] = 0.001
    with pytest.raises(LearningError, match="leave such configurations out"):
        backtest_overfitting(returns)
