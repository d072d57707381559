"""Bootstrap intervals and the test of superiority agree with arch, with theory and with an own reality check."""

import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap, optimal_block_length
from scipy.signal import lfilter

from crypto_kedro.errors import LearningError
from crypto_kedro.learning.bootstrap import (
    automatic_block,
    resampled_performance,
    sharpe_interval,
    superiority,
)
from crypto_kedro.learning.intervals import Resampling, stationary_bootstrap


def daily_noise(days: int, seed: int, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 0.02, size=days)


def autoregressive(days: int, memory: float, seed: int) -> np.ndarray:
    series: np.ndarray = lfilter([1.0], [1.0, -memory], daily_noise(days, seed))
    return series


@pytest.mark.parametrize("memory", [0.3, 0.6])
def test_automatic_block_finds_the_optimum_of_politis_and_white_for_an_autoregression(memory: float) -> None:
    days = 20_000
    optimum = (2 * memory / (1 - memory**2)) ** (2 / 3) * days ** (1 / 3)
    chosen = [automatic_block(autoregressive(days, memory, seed)) for seed in range(20)]
    assert np.mean(chosen) == pytest.approx(optimum, rel=0.05)


def test_automatic_block_is_at_least_one_day() -> None:
    noise = daily_noise(400, seed=0)
    assert optimal_block_length(noise)["stationary"].iloc[0] < 1
    assert automatic_block(noise) == 1.0
    assert automatic_block(np.zeros(30)) == 1.0


def test_given_dependent_days_when_resampled_then_the_intervals_are_those_of_arch() -> None:
    returns = autoregressive(400, 0.3, seed=3) + 0.02
    block = round(automatic_block(returns))
    ours = resampled_performance(returns, Resampling(replications=4000, mean_block=block, seed=5))
    theirs = StationaryBootstrap(block, returns, seed=6)

    def sharpe_and_profit(sample: np.ndarray) -> np.ndarray:
        return np.array([sample.mean() / sample.std(ddof=1) * np.sqrt(365), np.prod(1 + sample) - 1])

    expected = theirs.conf_int(sharpe_and_profit, reps=4000, method="percentile")
    for interval, (low, high) in zip((ours.sharpe_interval, ours.net_profit_interval), expected.T, strict=True):
        assert interval is not None
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.08 * (high - low))
    assert (ours.sharpe, ours.net_profit) == pytest.approx(tuple(sharpe_and_profit(returns)))


def test_given_noise_when_resampled_then_the_interval_covers_no_skill_about_as_often_as_it_claims() -> None:
    covered = 0
    for seed in range(150):
        interval = sharpe_interval(daily_noise(200, seed), Resampling(0.9, 200, mean_block=1.0, seed=seed))
        assert interval is not None
        covered += interval.low <= 0 <= interval.high
    assert 0.82 <= covered / 150 <= 0.97


def test_given_an_account_that_never_traded_when_resampled_then_it_has_no_sharpe_ratio() -> None:
    flat = resampled_performance(np.zeros(60), Resampling(replications=50))
    assert flat.sharpe is None
    assert flat.sharpe_interval is None
    assert flat.net_profit == 0.0


def test_given_one_day_of_trading_when_resampled_then_the_sharpe_ratio_has_no_interval() -> None:
    returns = np.zeros(60)
    returns[7] = 0.05
    assert resampled_performance(returns, Resampling(replications=200)).sharpe_interval is None


def test_given_the_same_seed_when_judged_again_then_nothing_changes() -> None:
    returns = np.column_stack([daily_noise(100, seed) for seed in range(4)])
    rule = Resampling(replications=300, seed=11)
    assert superiority(returns, np.zeros(100), rule) == superiority(returns, np.zeros(100), rule)
    assert resampled_performance(returns[:, 0], rule) == resampled_performance(returns[:, 0], rule)


def test_given_any_candidates_when_judged_then_the_upper_p_value_is_whites_reality_check() -> None:
    rng = np.random.default_rng(8)
    candidates, baseline = rng.normal([0.001] * 3 + [-0.01] * 9, 0.02, size=(250, 12)), rng.normal(0.0, 0.02, size=250)
    rule = Resampling(replications=4000, mean_block=5.0, seed=2)
    judged = superiority(candidates, baseline, rule)

    excess = candidates - baseline[:, None]
    drawn = stationary_bootstrap(250, Resampling(replications=4000, mean_block=5.0, seed=3))
    best_by_chance = (excess[drawn].mean(axis=1) - excess.mean(axis=0)).max(axis=1)
    assert judged.p_value_reality_check == pytest.approx(np.mean(best_by_chance > excess.mean(axis=0).max()), abs=0.03)
    assert judged.p_value_lower <= judged.p_value < judged.p_value_reality_check - 0.05
    assert judged.best == int(np.argmax(candidates.mean(axis=0)))
    assert judged.mean_excess == pytest.approx(excess.mean(axis=0).max())


def test_given_candidates_without_skill_when_judged_then_about_one_in_ten_is_rejected_at_ten_percent() -> None:
    rejected = 0
    for seed in range(100):
        candidates = np.random.default_rng(seed).normal(0.0, 0.02, size=(120, 5))
        rule = Resampling(replications=200, mean_block=1.0, seed=seed)
        rejected += superiority(candidates, np.zeros(120), rule).p_value < 0.1
    assert 3 <= rejected <= 19


def test_given_one_candidate_with_an_edge_when_judged_then_it_is_found_and_the_baseline_rejected() -> None:
    candidates = np.column_stack([daily_noise(250, seed) for seed in range(10)])
    candidates[:, 6] += 0.006
    judged = superiority(candidates, np.zeros(250), Resampling(replications=500))
    assert judged.best == 6
    assert judged.p_value < 0.01


@pytest.mark.parametrize("mean_excess", [-0.005, 0.0])
def test_given_candidates_that_never_beat_the_baseline_when_judged_then_it_stands(mean_excess: float) -> None:
    baseline = daily_noise(250, seed=4)
    candidates = np.column_stack([baseline + mean_excess] * 3)
    judged = superiority(candidates, baseline, Resampling(replications=200))
    assert (judged.p_value, judged.p_value_lower, judged.p_value_reality_check) == (1.0, 1.0, 1.0)


def test_given_candidates_that_never_trade_when_judged_against_an_empty_account_then_it_stands() -> None:
    assert superiority(np.zeros((60, 3)), np.zeros(60), Resampling(replications=50)).p_value == 1.0


@pytest.mark.parametrize("returns", [np.zeros(19), np.full(30, np.nan)])
def test_given_too_few_days_or_unknown_returns_when_resampled_then_all_refuse(returns: np.ndarray) -> None:
    with pytest.raises(LearningError, match="give 20 days or more"):
        resampled_performance(returns, Resampling())
    with pytest.raises(LearningError, match="give 20 days or more"):
        automatic_block(returns)


def test_given_a_day_that_lost_everything_when_resampled_then_it_refuses() -> None:
    returns = daily_noise(40, seed=1)
    returns[9] = -1.0
    with pytest.raises(LearningError, match="lost the whole capital"):
        resampled_performance(returns, Resampling())


@pytest.mark.parametrize("shape", [(40, 2), (39, 0), (39,)])
def test_given_returns_of_other_days_or_no_candidate_when_judged_then_it_refuses(shape: tuple[int, ...]) -> None:
    with pytest.raises(LearningError, match="returns of the same days"):
        superiority(np.zeros(shape), np.zeros(39), Resampling())
