"""Specifies what sold coins had cost, against years reckoned by hand.

2026: 1 BTC is bought for 3,000,000 + 3,000 fee, 0.5 sold for 2,000,000 (fee 2,000), 1.5 bought for 6,000,000, 1 sold
for 5,000,000 (fee 5,000). 2027: the last BTC is sold for 4,000,000.

Moving average: 0.5 x 3,003,000 = 1,501,500; then (1,501,500 + 6,000,000) / 2 = 3,750,750 a BTC.
Total average: 9,003,000 / 2.5 = 3,601,200 a BTC, times 1.5 = 5,401,800.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from written_fills import at, bought, sold

from crypto_kedro.accounting.cost_basis import CoinYear, Holding, Method, coin_years, moving_costs
from crypto_kedro.accounting.trades import AccountingError, CoinTrade
from crypto_kedro.trading.money import Jpy
from crypto_kedro.trading.orders import Side

BTC = 10**8
TRADES = (
    bought("2026-01-10", "1", "3000000", "3000"),
    sold("2026-03-01", "0.5", "2000000", "2000"),
    bought("2026-06-01", "1.5", "6000000"),
    sold("2026-09-01", "1", "5000000", "5000"),
    sold("2027-02-01", "1", "4000000"),
)


def years(method: Method, opening: Holding | None = None) -> tuple[CoinYear, ...]:
    return coin_years(TRADES, opening or Holding(), method, 2026, 2027)


def income(year: CoinYear) -> Jpy:
    return year.proceeds - year.cost_of_sales - year.sale_fees


def test_given_two_years_when_averaged_as_they_move_then_the_hand_computed_costs_come_out() -> None:
    first, second = years(Method.MOVING_AVERAGE)

    assert first.bought_cost == Jpy.of(9_003_000)
    assert first.cost_of_sales == Jpy.of(5_252_250)
    assert first.closing == Holding(BTC, Jpy.of(3_750_750))
    assert income(first) == Jpy.of(1_740_750)
    assert income(second) == Jpy.of(249_250)
    assert second.closing == Holding()


def test_given_two_years_when_averaged_in_total_then_the_hand_computed_costs_come_out() -> None:
    first, second = years(Method.TOTAL_AVERAGE)

    assert first.cost_of_sales == Jpy.of(5_401_800)
    assert first.closing == Holding(BTC, Jpy.of(3_601_200))
    assert income(first) == Jpy.of(1_591_200)
    assert second.opening == first.closing
    assert income(second) == Jpy.of(398_800)


def test_given_coins_from_before_when_averaged_then_their_cost_counts() -> None:
    first, _ = years(Method.TOTAL_AVERAGE, Holding(BTC // 2, Jpy.of(600_000)))

    # (600,000 + 9,003,000) / 3 = 3,201,000 a BTC
    assert first.cost_of_sales == Jpy.of(4_801_500)
    assert first.closing == Holding(3 * BTC // 2, Jpy.of(4_801_500))


def test_given_each_sale_when_its_cost_is_asked_then_purchases_have_none() -> None:
    costs, left = moving_costs(TRADES, Holding())

    assert costs == (None, Jpy.of(1_501_500), None, Jpy.of(3_750_750), Jpy.of(3_750_750))
    assert left == Holding()


@pytest.mark.parametrize("method", Method)
def test_given_coins_sold_before_they_are_bought_then_the_missing_ones_are_named(method: Method) -> None:
    trades = (sold("2026-03-01", "0.5", "2000000"), bought("2026-06-01", "1", "3000000"))

    with pytest.raises(AccountingError, match=r"2026-02-28 15:00 UTC 0\.50000000 BTC were sold but only 0\.00000000"):
        coin_years(trades, Holding(), method, 2026, 2026)


def test_given_a_rebate_on_a_purchase_then_the_coins_cost_less() -> None:
    (year,) = coin_years((bought("2026-01-01", "1", "3000000", "-600"),), Holding(), Method.TOTAL_AVERAGE, 2026, 2026)

    assert year.closing == Holding(BTC, Jpy.of(2_999_400))


def test_given_the_last_and_the_first_moment_of_a_year_in_japan_then_each_falls_into_its_own() -> None:
    trades = (
        bought("2026-12-31T23:59:59.999", "1", "3000000"),
        bought("2027-01-01T00:00", "2", "8000000"),
    )

    first, second = coin_years(trades, Holding(), Method.TOTAL_AVERAGE, 2026, 2027)

    assert (first.bought_satoshi, second.bought_satoshi) == (BTC, 2 * BTC)


@pytest.mark.parametrize(("satoshi", "cost"), [(-1, 0), (1, -1), (0, 1)])
def test_given_a_holding_that_cannot_be_then_it_is_refused(satoshi: int, cost: int) -> None:
    with pytest.raises(AccountingError, match="holding"):
        Holding(satoshi, Jpy.of(cost))


@st.composite
def histories(draw: st.DrawFn) -> tuple[CoinTrade, ...]:
    """Three years of trades that never sell what is not held and end without coins."""
    held, moment, trades = 0, at("2025-01-01"), []
    for _ in range(draw(st.integers(1, 25))):
        moment += draw(st.integers(1, 40 * 86_400_000))
        if held and draw(st.booleans()):
            satoshi, side = draw(st.integers(1, held)), Side.SELL
        else:
            satoshi, side = draw(st.integers(1, 10**10)), Side.BUY
        held += satoshi if side is Side.BUY else -satoshi
        product, fee = draw(st.integers(0, 10**18)), draw(st.integers(0, 10**14))
        trades.append(CoinTrade(moment, side, satoshi, Jpy(product), Jpy(fee)))
    if held:
        trades.append(CoinTrade(moment + 1, Side.SELL, held, Jpy(draw(st.integers(0, 10**18))), Jpy(0)))
    return tuple(trades)


@settings(max_examples=100, deadline=None)
@given(histories(), st.sampled_from(Method))
def test_given_all_coins_sold_in_the_end_then_every_method_adds_up_to_the_money_that_moved(
    trades: tuple[CoinTrade, ...], method: Method
) -> None:
    found = coin_years(trades, Holding(), method, 2025, 2028)

    moved = sum(
        (trade.product.units if trade.side is Side.SELL else -trade.product.units) - trade.fee.units for trade in trades
    )
    assert sum(income(year).units for year in found) == moved
    assert found[-1].closing == Holding()
    assert all(year.cost_of_sales.units >= 0 for year in found)
