"""The model's trader out of sample: sums that must add up, whatever the market did."""

import numpy as np
import pytest
from judged import CONDITIONS, opportunities, run, span

from crypto_kedro.evaluation.model_trader import model_trader, trade
from crypto_kedro.evaluation.out_of_sample import OutOfSample
from crypto_kedro.session.backtest import run_backtest


@pytest.fixture(scope="module")
def informed() -> OutOfSample:
    return run(0.75)


def test_what_the_trades_earned_is_what_the_account_gained(informed: OutOfSample) -> None:
    trades, equity = informed.frames["trades"], informed.frames["equity"]
    assert len(trades) > 100
    held_at_the_end = equity["position_btc"].iloc[-1] != 0
    assert not held_at_the_end
    assert equity["equity_jpy"].iloc[-1] == pytest.approx(10_000 + trades["net_jpy"].sum(), abs=1e-6)
    assert informed.figures["strategy"]["net_profit_jpy"] == pytest.approx(trades["net_jpy"].sum(), abs=1e-6)


def test_the_profits_of_the_windows_compound_to_the_whole(informed: OutOfSample) -> None:
    windows = informed.figures["windows"]
    growth = [1 + window["net_profit"] for window in windows.values()]
    assert list(windows) == ["fold-1", "fold-2", "fold-3", "final"]
    assert np.prod(growth) - 1 == pytest.approx(informed.figures["strategy"]["net_profit"])
    assert sum(window["trades"] for window in windows.values()) == len(informed.frames["trades"])


def test_the_funnel_holds_every_decision_bar_once(informed: OutOfSample) -> None:
    funnel, reasons = informed.frames["funnel"], informed.frames["bar_reasons"]
    assert funnel["bars"].sum() == len(reasons) == informed.figures["bars"]
    counted = reasons["reason"].value_counts()
    assert {row.reason: row.bars for row in funnel.itertuples() if row.bars} == counted.to_dict()


def test_a_position_is_never_larger_than_what_the_stage_allows(informed: OutOfSample) -> None:
    equity = informed.frames["equity"]
    notional = equity["position_btc"].abs() * equity["close_jpy"]
    assert 0 < notional.max() < 10_500


def test_each_trade_lies_within_its_excursions(informed: OutOfSample) -> None:
    trades = informed.frames["trades"]
    assert np.all(trades["mae_jpy"] <= np.minimum(trades["gross_jpy"], 0) + 1e-6)
    assert np.all(trades["mfe_jpy"] >= np.maximum(trades["gross_jpy"], 0) - 1e-6)


def test_higher_costs_earn_less_and_unit_costs_are_the_run_itself(informed: OutOfSample) -> None:
    free, usual, _, doubled = informed.figures["cost_sensitivity"]
    assert usual["net_profit"] == informed.figures["strategy"]["net_profit"]
    assert usual["trades"] == informed.figures["strategy"]["trades"]
    assert free["net_profit"] > usual["net_profit"] > doubled["net_profit"]
    assert (free["fee_jpy"], free["interest_jpy"]) == (0.0, 0.0)


def test_a_curve_ends_where_its_trader_ends(informed: OutOfSample) -> None:
    curves, baselines = informed.frames["curves"], informed.figures["baselines"]
    last = curves.iloc[-1]
    assert last["strategy"] / 10_000 - 1 == pytest.approx(informed.figures["strategy"]["net_profit"])
    assert last["buy_and_hold"] / 10_000 - 1 == pytest.approx(baselines["buy_and_hold"]["net_profit"])
    assert curves["always_flat"].tolist() == [10_000.0] * len(curves)
    assert np.all(curves["random_p05"] <= curves["random_p95"])
    assert last["random_p50"] / 10_000 - 1 == pytest.approx(baselines["random_entries"]["net_profit_p50"])


def test_random_traders_wish_as_often_as_the_model_and_the_guards_stop_them_sooner(informed: OutOfSample) -> None:
    wishes = len(model_trader(span(0.75), opportunities(0.75), CONDITIONS).wishes)
    made = informed.figures["baselines"]["random_entries"]["mean_trades"]
    assert 50 < made < wishes <= len(informed.frames["trades"])


def test_a_model_without_an_opinion_trades_nothing_and_costs_nothing() -> None:
    silent = run(0.05)
    assert silent.frames["trades"].empty
    assert silent.frames["trades"].dtypes["opened_at"] == run(0.75).frames["trades"].dtypes["opened_at"]
    assert silent.figures["strategy"]["net_profit"] == 0.0
    assert [row["trades"] for row in silent.figures["cost_sensitivity"]] == [0, 0, 0, 0]


def test_waking_at_every_bar_gives_the_same_trades_equity_and_reasons() -> None:
    trader = model_trader(span(0.75), opportunities(0.75), CONDITIONS)
    short = span(0.75)
    event = trade(short, trader, CONDITIONS)
    every = run_backtest(short.feed, trader.facts, trader.kelly, CONDITIONS.plan(), "every_bar")
    assert event.trades == every.trades
    assert np.array_equal(event.equity_units, every.equity_units)
    assert np.array_equal(event.reason_codes, every.reason_codes)


def test_every_trade_belongs_to_the_window_of_its_signal(informed: OutOfSample) -> None:
    reasons, trades = informed.frames["bar_reasons"], informed.frames["trades"]
    signalled = reasons.loc[reasons["reason"] == "signal", ["decided_at", "window"]]
    opened = trades.assign(decided_at=trades["opened_at"].dt.floor("15min"))
    joined = opened.merge(signalled, on="decided_at", suffixes=("", "_of_signal"))
    assert len(joined) == len(trades)
    assert joined["window"].tolist() == joined["window_of_signal"].tolist()
