"""Luck is told from skill: on days of known worth, and by hand where a figure is a plain count."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from judged import CONDITIONS, RESAMPLING, VALIDATION, known, opportunities, run, span

from crypto_kedro.evaluation.baselines import RandomTraders
from crypto_kedro.evaluation.model_trader import model_trader, trade
from crypto_kedro.evaluation.validation import (
    TrialRecord,
    candidate_returns,
    executed_calibration,
    final_floor,
    returns_of,
    stability,
    validate,
)
from crypto_kedro.learning.performance import AccountHistory
from crypto_kedro.market.bars import FloatArray

DAYS = 200


def account(returns: FloatArray) -> AccountHistory:
    """An account of one bar a day and one trade, of 10,000 JPY."""
    at = pd.date_range("2025-01-01", periods=returns.size, freq="1D", tz="UTC").as_unit("ms")
    equity = 10_000 * np.cumprod(1 + returns)
    frame = pd.DataFrame({"timestamp": at, "equity_jpy": equity, "position_btc": 0.0, "close_jpy": 1e6 + at.asi8 % 97})
    trade = {"side": 1, "opened_at": at[0], "closed_at": at[1], "exit_reason": "target", "amount_btc": 0.001}
    money = {"entry_price_jpy": 1e6, "exit_price_jpy": 1e6, "fee_jpy": 0.0, "interest_jpy": 0.0, "mae_jpy": 0.0}
    gained = {"gross_jpy": 10.0, "net_jpy": 10.0, "mfe_jpy": 10.0}
    return AccountHistory(frame, pd.DataFrame([trade | money | gained]), 10_000.0)


def days_of(annual_sharpe: float, seed: int) -> FloatArray:
    """Daily returns of 1% deviation whose Sharpe ratio is exactly this."""
    drawn = np.random.default_rng(seed).normal(size=DAYS)
    standard = (drawn - drawn.mean()) / drawn.std(ddof=1)
    returns: FloatArray = 0.01 * (standard + annual_sharpe / np.sqrt(365))
    return returns


def judge(annual_sharpe: float, trials: TrialRecord) -> dict[str, object]:
    others = np.column_stack([days_of(0.0, seed) for seed in range(1, 30)])
    flat = np.zeros(DAYS)
    return validate(account(days_of(annual_sharpe, 0)), others, {"always_flat": flat}, trials, VALIDATION, 30)


def test_an_account_with_skill_is_no_accident_and_one_without_may_be() -> None:
    skilled, lucky = judge(4.0, TrialRecord()), judge(0.5, TrialRecord())
    assert skilled["sharpe"]["annual"] == pytest.approx(4.0)
    assert skilled["sharpe"]["deflated"] > 0.95 > lucky["sharpe"]["deflated"]
    assert skilled["overfitting"]["probability"] < 0.3 < lucky["overfitting"]["probability"]
    assert skilled["superiority"]["always_flat"]["p_value"] < 0.05 < lucky["superiority"]["always_flat"]["p_value"]


def test_more_trials_deflate_the_same_account_further() -> None:
    deflated = [judge(4.0, TrialRecord(trials))["sharpe"]["deflated"] for trials in (1, 10, 1000)]
    assert deflated[0] > deflated[1] > deflated[2]


def test_an_account_without_trades_has_nothing_to_be_judged() -> None:
    silent = run(0.05).figures["validation"]
    assert silent["sharpe"] is silent["overfitting"] is silent["superiority"] is silent["bootstrap"] is None
    assert silent["regimes_profitable"] is silent["largest_trade_share"] is None


def test_returns_start_from_the_capital() -> None:
    equity = np.array([[110.0, 121.0], [100.0, 50.0]])
    assert returns_of(equity, 100.0) == pytest.approx(np.array([[0.1, 0.1], [0.0, -0.5]]))


def test_the_floor_is_what_the_days_before_the_final_ones_bring_at_the_worst_and_never_above_zero() -> None:
    losing = np.append(np.full(100, -0.01), np.full(30, 0.5))
    assert final_floor(losing, 30, RESAMPLING) == pytest.approx(0.99**30 - 1)
    assert final_floor(-losing, 30, RESAMPLING) == 0.0
    assert final_floor(losing, 80, RESAMPLING) is None
    assert final_floor(losing, 0, RESAMPLING) is None


def test_the_best_trades_share_is_of_the_net_of_all() -> None:
    history = account(days_of(1.0, 0))
    trades = pd.concat([history.trades] * 3, ignore_index=True)
    trades["net_jpy"] = trades["gross_jpy"] = [30.0, 20.0, -10.0]
    assert stability(replace(history, trades=trades))["largest_trade_share"] == pytest.approx(30 / 40)


def test_candidates_are_the_trader_at_other_thresholds_and_the_random_ones() -> None:
    random = RandomTraders(np.full((5, 35), 10_000.0), np.zeros(5, dtype=np.int64), 10_000.0)
    returns = candidate_returns(span(0.75), opportunities(0.75), CONDITIONS, random, VALIDATION)
    assert returns.shape == (35, len(VALIDATION.thresholds) + 5)
    assert np.all(returns[:, len(VALIDATION.thresholds) :] == 0.0)
    assert np.ptp(returns[:, 0]) > 0


def test_executed_trades_are_compared_with_the_labels_of_their_bars() -> None:
    label = known(0.75)["label"].to_numpy(dtype=np.int64)
    result = trade(span(0.75), model_trader(span(0.75), opportunities(0.75), CONDITIONS), CONDITIONS)
    told = executed_calibration(span(0.75), opportunities(0.75), label, result, 0.95)
    assert told["trades"] == len(result.trades)
    assert told["predicted"] == pytest.approx(told["observed"], abs=0.03)
    never = executed_calibration(span(0.75), opportunities(0.75), np.ones_like(label), result, 0.95)
    assert never["observed"] == 0.0
    assert never["overconfidence"] == pytest.approx(never["predicted"] - never["observed_interval"]["high"])
    assert never["overconfidence"] > 0.8
