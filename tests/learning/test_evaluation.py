"""From predictions to figures and evidence: noise is not rewarded, knowledge is, and nothing is left blank."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from known_predictions import predict, random_walk

from crypto_kedro.errors import LearningError, LineageError
from crypto_kedro.learning.baselines import random_entries, share_beaten
from crypto_kedro.learning.evaluation import (
    StrategyRun,
    TradingRule,
    agreed_source,
    combine,
    evidence_of,
    score_predictions,
    trade_predictions,
)
from crypto_kedro.learning.gates import GateLimits, all_passed, judge
from crypto_kedro.learning.intervals import Resampling
from crypto_kedro.learning.labels import BarrierRule, label_bars
from crypto_kedro.learning.metrics import METRICS
from crypto_kedro.learning.threshold_strategy import find_opportunities, take_trades
from crypto_kedro.market.bars import Bars
from crypto_kedro.market.costs import CostSchedule, FeeRates

FREE = CostSchedule((FeeRates(0, 0.0, 0.0, 0.0),), half_spread=0.0, slippage=0.0)
RESAMPLING = Resampling(replications=200, seed=3)
RULE = TradingRule(confidence_threshold=0.65, random_traders=100, resampling=RESAMPLING)


@pytest.fixture(scope="module")
def market() -> tuple[Bars, pd.DataFrame]:
    bars = random_walk(days=40, seed=1)
    return bars, label_bars(bars, BarrierRule(), FREE, max_gap_minutes=60).frame


@pytest.fixture(scope="module")
def informed(market: tuple[Bars, pd.DataFrame]) -> tuple[StrategyRun, dict[str, Any]]:
    bars, labels = market
    predictions = predict(labels, knowledge=0.6, seed=2)
    return trade_predictions(bars, predictions, labels, FREE, RULE), score_predictions(predictions, RESAMPLING)


def evaluate(bars: Bars, labels: pd.DataFrame, predictions: pd.DataFrame) -> dict[str, Any]:
    run = trade_predictions(bars, predictions, labels, FREE, RULE)
    return combine(run.results, score_predictions(predictions, RESAMPLING), "file")


def test_given_a_model_that_knows_much_then_it_earns_beats_random_traders_and_passes_every_gate(
    informed: tuple[StrategyRun, dict[str, Any]],
) -> None:
    run, scores = informed
    evaluation = combine(run.results, scores, "file")
    assert evaluation["trading"]["baselines"]["random_entries"]["share_beaten"] == 1.0
    assert scores["folds_better_than_prior"] == 1.0
    assert all_passed(judge(evidence_of(evaluation), GateLimits()))


def test_the_equity_ends_where_the_trades_end_and_starts_at_the_capital(
    informed: tuple[StrategyRun, dict[str, Any]],
) -> None:
    run, _ = informed
    assert run.equity["equity"].iloc[-1] == pytest.approx(run.trades["equity"].iloc[-1])
    assert run.results["strategy"]["net_profit"] == pytest.approx(run.trades["equity"].iloc[-1] - 1)
    assert run.equity["drawdown"].max() == pytest.approx(run.results["strategy"]["max_drawdown"])
    assert np.all(run.equity["random_p05"] <= run.equity["random_p95"])
    assert run.equity.loc[0, ["random_p05", "random_p50", "random_p95"]].tolist() == [1.0, 1.0, 1.0]


def test_the_profits_of_the_windows_compound_to_the_whole(informed: tuple[StrategyRun, dict[str, Any]]) -> None:
    run, _ = informed
    growth = [1 + window["net_profit"] for window in run.results["windows"].values()]
    assert np.prod(growth) - 1 == pytest.approx(run.results["strategy"]["net_profit"])
    assert sum(window["trades"] for window in run.results["windows"].values()) == len(run.trades)


def test_every_metric_has_an_interval_that_holds_its_estimate(informed: tuple[StrategyRun, dict[str, Any]]) -> None:
    scores = informed[1]
    assert set(scores["model"]) == set(METRICS)
    for name in set(METRICS) - {"ece"}:
        interval = scores["intervals"][name]
        assert interval["low"] < scores["model"][name] < interval["high"], name
    gain = scores["prior"]["log_loss"] - scores["model"]["log_loss"]
    assert scores["intervals"]["log_loss_gain"]["low"] < gain < scores["intervals"]["log_loss_gain"]["high"]
    assert scores["intervals"]["ece"]["high"] > scores["model"]["ece"]


def test_the_record_is_json(informed: tuple[StrategyRun, dict[str, Any]]) -> None:
    evaluation = combine(informed[0].results, informed[1], "file")
    assert json.loads(json.dumps(evaluation, allow_nan=False)) == evaluation


def test_given_no_signal_then_what_needs_trades_is_not_measured(market: tuple[Bars, pd.DataFrame]) -> None:
    bars, labels = market
    predictions = predict(labels, knowledge=0.05, seed=4)
    evaluation = evaluate(bars, labels, predictions)
    trading = evaluation["trading"]
    assert (trading["signals"], trading["strategy"]["trades"]) == (0, 0)
    assert trading["highest_probability"] == predictions[["p_short", "p_long"]].to_numpy().max()
    assert trading["strategy"]["net_profit_interval"] is None
    assert trading["baselines"]["random_entries"]["share_beaten"] is None
    assert evidence_of(evaluation).final_net_profit is None


def test_given_no_source_then_the_evidence_says_none(
    informed: tuple[StrategyRun, dict[str, Any]],
) -> None:
    assert evidence_of(combine(informed[0].results, informed[1], None)).data_source is None


def test_given_bars_that_end_before_the_trades_then_it_is_an_error(market: tuple[Bars, pd.DataFrame]) -> None:
    bars, labels = market
    with pytest.raises(LearningError, match="do not hold every labelled trade"):
        trade_predictions(bars[:-96], predict(labels, 0.6, seed=1), labels, FREE, RULE)


def test_given_no_prediction_then_it_is_an_error(market: tuple[Bars, pd.DataFrame]) -> None:
    bars, labels = market
    with pytest.raises(LearningError, match="there are none"):
        trade_predictions(bars, predict(labels, 0.6, seed=1).head(0), labels, FREE, RULE)


def test_given_training_and_features_of_different_sources_then_it_is_an_error() -> None:
    manifest = {"data": {"source": "file"}}
    assert agreed_source({"data_source": "file"}, manifest) == "file"
    with pytest.raises(LineageError, match="trained on candles of source 'synthetic'"):
        agreed_source({"data_source": "synthetic"}, manifest)


@pytest.mark.slow
def test_at_most_five_percent_of_models_of_noise_pass_the_gates_even_where_trading_is_free() -> None:
    limits = GateLimits(min_trades=20, max_drawdown=1.0)
    passed, profitable = [], []
    for seed in range(100):
        bars = random_walk(days=30, seed=seed)
        labels = label_bars(bars, BarrierRule(), FREE, max_gap_minutes=60).frame
        evidence = evidence_of(evaluate(bars, labels, predict(labels, 0.0, seed=1000 + seed)))
        passed.append(all_passed(judge(evidence, limits)))
        profitable.append(evidence.net_profit is not None and evidence.net_profit > 0)
    assert np.mean(passed) <= 0.05
    assert 0.3 < np.mean(profitable) < 0.7


@pytest.mark.slow
def test_labelled_noise_beats_the_95th_percentile_of_random_traders_about_one_time_in_twenty() -> None:
    beaten = []
    for seed in range(1000):
        bars = random_walk(days=30, seed=seed)
        labels = label_bars(bars, BarrierRule(), FREE, max_gap_minutes=60).frame
        opportunities = find_opportunities(predict(labels, 0.0, seed=1000 + seed), labels, bars.interval_ms, FREE)
        trades = take_trades(opportunities, threshold=0.65)
        profit = float(np.prod(1 + opportunities.net_return[trades.row, trades.side]) - 1)
        beaten.append(share_beaten(profit, random_entries(opportunities, trades, traders=100, seed=seed)))
    assert 0.03 <= np.mean(np.array(beaten) > 0.95) <= 0.08
    assert np.mean(beaten) == pytest.approx(0.5, abs=0.03)
