"""Traders without a model: hand-computed, and no better than noise should be."""

from dataclasses import replace

import numpy as np
import pytest
from judged import CONDITIONS, market, opportunities, span
from known_predictions import START_MS

from crypto_kedro.evaluation.baselines import RandomTraders, buy_and_hold, daily_closes, stay_flat, trade_at_random
from crypto_kedro.evaluation.model_trader import model_trader
from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.learning.opportunities import Trades
from crypto_kedro.market.bars import MINUTE_MS, Bars


def flat_market(prices: list[float]) -> BarFeed:
    """Bars that stand at one price each."""
    price = np.array(prices)
    n = price.size
    return BarFeed(
        Bars(
            MINUTE_MS,
            START_MS + MINUTE_MS * np.arange(n),
            price,
            price,
            price,
            price,
            np.full(n, 10.0),
            np.zeros(n, np.int64),
        )
    )


def test_buy_and_hold_buys_in_steps_that_leave_the_exchanges_head_room_and_then_moves_with_the_price() -> None:
    # 10,000 JPY at 1,000,000 JPY: a market buy locks price x (1 + 0.12% fee) x (1 + 20% allowance), so the first one
    # is floor(10000 / 1201441.2) = 0.0083 BTC. It fills at 1,000,200 (2 parts in 10,000 of impact) for 8301.66 JPY and
    # 9.961992 JPY of fee, charged to 0.0001 JPY. What is left buys 0.0014, then 0.0002 BTC; the rest is below the
    # smallest order.
    equity = buy_and_hold(flat_market([1_000_000.0] * 8 + [1_500_000.0]), CONDITIONS.plan())
    bought = 0.0083 + 0.0014 + 0.0002
    paid = 1_000_200 * bought * 1.0012
    assert equity[0] == 10_000.0
    assert equity[1] == pytest.approx(10_000 - 1_000_200 * 0.0083 * 1.0012 + 1_000_000 * 0.0083, abs=3e-4)
    assert equity[7] == pytest.approx(10_000 - paid + 1_000_000 * bought, abs=3e-4)
    assert equity[8] == pytest.approx(10_000 - paid + 1_500_000 * bought, abs=3e-4)


def test_given_too_little_cash_for_the_smallest_order_then_buy_and_hold_keeps_it() -> None:
    equity = buy_and_hold(flat_market([200_000_000.0, 300_000_000.0]), CONDITIONS.plan())
    assert equity.tolist() == [10_000.0, 10_000.0]


def test_a_trader_that_hears_nothing_keeps_its_capital() -> None:
    trader = model_trader(span(0.75), opportunities(0.75), CONDITIONS)
    assert np.all(stay_flat(span(0.75), trader, CONDITIONS) == 10_000.0)


def test_daily_closes_are_the_last_bars_of_the_utc_days() -> None:
    closes = daily_closes(BarFeed(market()[0]))
    assert np.all((market()[0].close_time[closes] % 86_400_000) == 0)
    assert closes.size == 40


def test_ties_are_not_beaten() -> None:
    traders = RandomTraders(np.array([[100.0], [110.0], [120.0]]), np.array([1, 1, 1]), 100.0)
    assert traders.net_profit == pytest.approx([0.0, 0.1, 0.2])
    assert traders.share_beaten(0.1) == pytest.approx(1 / 3)


def test_random_traders_repeat_themselves_with_the_same_seed_only() -> None:
    trader = model_trader(span(0.75), opportunities(0.75), CONDITIONS)
    first, again, other = (
        trade_at_random(span(0.75), trader, CONDITIONS, opportunities(0.75), traders=3, seed=seed) for seed in (1, 1, 2)
    )
    assert np.array_equal(first.daily_equity, again.daily_equity)
    assert not np.array_equal(first.daily_equity, other.daily_equity)


@pytest.mark.slow
def test_where_trading_is_free_random_traders_of_both_sides_alike_earn_nothing_on_average() -> None:
    free = CONDITIONS.at_cost_scale(0.0)
    trader = model_trader(span(0.75), opportunities(0.75).at_cost_scale(0.0), free)
    # The sides of a model that knows the future lean, window by window, to where its market goes.
    alternating = Trades(trader.wishes.row, np.arange(len(trader.wishes)) % 2)
    uninformed = replace(trader, wishes=alternating)
    traders = trade_at_random(span(0.75), uninformed, free, opportunities(0.75), traders=400, seed=5)
    standard_error = np.std(traders.net_profit) / np.sqrt(400)
    assert abs(np.mean(traders.net_profit)) < 4 * standard_error
