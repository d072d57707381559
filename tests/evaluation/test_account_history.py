"""The account's history of a backtest, by hand: positions, excursions, costs."""

import numpy as np
import pytest
from judged import CONDITIONS
from known_predictions import START_MS

from crypto_kedro.evaluation.account import account_history
from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.market.bars import MINUTE_MS, Bars, FloatArray
from crypto_kedro.session.backtest import run_backtest
from crypto_kedro.session.facts import ModelWord, signal_facts
from crypto_kedro.trading.signal import SignalFacts

ROWS = [
    # open, high, low, close
    (1_000_000, 1_000_000, 1_000_000, 1_000_000),
    (1_000_000, 1_005_000, 999_000, 1_002_000),
    (1_002_000, 1_004_000, 996_000, 1_000_000),
    (1_000_000, 1_030_000, 1_000_000, 1_025_000),
    (1_025_000, 1_025_000, 1_025_000, 1_025_000),
]


def feed() -> BarFeed:
    columns = np.array(ROWS, dtype=np.float64).T
    n = len(ROWS)
    return BarFeed(
        Bars(MINUTE_MS, START_MS + MINUTE_MS * np.arange(n), *columns, np.full(n, 10.0), np.zeros(n, np.int64))
    )


def facts(p_long: float, p_short: float) -> SignalFacts[FloatArray]:
    """One signal at the close of the first bar, with an ATR of 10,000 JPY."""
    said = np.array([[p_short, 1 - p_short - p_long, p_long]] + [[0.0, 1.0, 0.0]] * (len(ROWS) - 1))
    known = signal_facts(feed().bars, ModelWord(said, (said,)), atr_period=14, spread=0.0002)
    return known._replace(atr=np.full(len(ROWS), 10_000.0), last_return=np.zeros(len(ROWS)))


def test_a_long_trade_that_reaches_its_target() -> None:
    # Bought at 1,000,000 x 1.0002 at the open of bar 1; the target lies 20,000 JPY above and fills at 1,020,200 less
    # 2 parts in 10,000 (204.04, rounded to a whole tick against us), in bar 3. Before that bar 996,000 was the lowest.
    result = run_backtest(feed(), facts(0.9, 0.0), 2.0, CONDITIONS.plan())
    history = account_history(result, feed(), CONDITIONS.capital)
    trade = history.trades.iloc[0]
    amount = trade["amount_btc"]
    assert (trade["side"], trade["exit_reason"]) == (1, "target")
    assert trade["entry_price_jpy"] == pytest.approx(1_000_200, abs=1e-6)
    assert trade["exit_price_jpy"] == pytest.approx(1_019_995, abs=1e-6)
    assert trade["mae_jpy"] == pytest.approx((996_000 - 1_000_200) * amount)
    assert trade["mfe_jpy"] == pytest.approx((1_019_995 - 1_000_200) * amount)
    assert trade["fee_jpy"] == pytest.approx(0.0012 * (1_000_200 + 1_019_995) * amount, abs=1e-4)
    assert trade["gross_jpy"] == pytest.approx((1_019_995 - 1_000_200) * amount)
    assert history.equity["position_btc"].tolist() == [0.0, amount, amount, 0.0, 0.0]
    assert history.equity["equity_jpy"].iloc[0] == 10_000.0
    assert history.equity["equity_jpy"].iloc[-1] == pytest.approx(10_000 + trade["net_jpy"])


def test_a_short_trade_that_reaches_its_stop() -> None:
    # Sold at 1,000,000 less 200; the stop lies 20,000 above and is passed in bar 3, which the trade leaves there.
    result = run_backtest(feed(), facts(0.0, 0.9), 2.0, CONDITIONS.plan())
    trade = account_history(result, feed(), CONDITIONS.capital).trades.iloc[0]
    assert (trade["side"], trade["exit_reason"]) == (-1, "stop")
    assert trade["entry_price_jpy"] == pytest.approx(999_800, abs=1e-6)
    assert trade["mfe_jpy"] == pytest.approx((999_800 - 996_000) * trade["amount_btc"])
    assert trade["mae_jpy"] == pytest.approx(trade["gross_jpy"])
    assert trade["gross_jpy"] < -20_000 * trade["amount_btc"]


def test_a_position_open_at_the_end_is_in_the_equity_and_in_no_trade() -> None:
    known = facts(0.9, 0.0)._replace(atr=np.full(len(ROWS), 25_000.0))
    history = account_history(run_backtest(feed(), known, 2.0, CONDITIONS.plan()), feed(), CONDITIONS.capital)
    assert history.trades.empty
    assert history.equity["position_btc"].iloc[-1] > 0
    assert history.equity["equity_jpy"].iloc[-1] > 10_000
