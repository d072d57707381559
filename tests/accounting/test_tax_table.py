"""Specifies the yearly table in whole yen, against years reckoned by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from written_fills import BUY, CLOSE_LONG, LONG, ROUND_TRIPS, SELL, bought, fill, sold

from crypto_kedro.accounting.cost_basis import Holding, Method, coin_years
from crypto_kedro.accounting.tax_table import YearTable, table_rows, year_tables
from crypto_kedro.accounting.trades import CoinTrade, margin_results
from crypto_kedro.trading.money import Jpy


def table(*trades: CoinTrade, method: Method = Method.TOTAL_AVERAGE) -> YearTable:
    coins = coin_years(trades, Holding(), method, 2026, 2026)
    (found,) = year_tables(coins, margin_results(ROUND_TRIPS))
    return found


def test_given_margin_trades_alone_then_gains_and_losses_are_net_of_fees_and_interest() -> None:
    # long: 1,000 - 301 - 60 = 639; short: -4,000 - 604 - 120 = -4,724
    found = table()

    assert (found.margin_gains, found.margin_losses) == (Jpy.of(639), Jpy.of(4_724))
    assert (found.margin_fees, found.margin_interest, found.closings) == (Jpy.of(905), Jpy.of(180), 2)
    assert found.income == Jpy.of(-4_085)
    assert found.in_yen.income == -4_085


def test_given_coins_and_margin_trades_then_the_table_reads_like_this() -> None:
    found = table(
        bought("2026-01-10", "1", "3000000", "3000"),
        sold("2026-03-01", "0.5", "2000000", "2000"),
        bought("2026-06-01", "1.5", "6000000"),
        sold("2026-09-01", "1", "5000000", "5000"),
    )

    assert [(row[0], row[2]) for row in table_rows(found)] == [
        ("年分", "2026"),
        ("評価方法", "総平均法"),
        ("年始残高 数量", "0.00000000"),
        ("年始残高 金額", "0"),
        ("購入等 数量", "2.50000000"),
        ("購入等 金額(手数料込)", "9003000"),
        ("売却等 数量", "1.50000000"),
        ("1単位当たりの取得価額", "3601200.0000"),
        ("年末残高 数量", "1.00000000"),
        ("年末残高 金額", "3601200"),
        ("売却価額", "7000000"),
        ("信用取引 差益", "639"),
        ("収入金額 計", "7000639"),
        ("売却原価", "5401800"),
        ("売却手数料", "7000"),
        ("信用取引 差損", "4724"),
        ("必要経費 計", "5413524"),
        ("所得金額", "1587115"),
        ("参考: 信用取引 決済回数", "2"),
        ("参考: 信用取引 手数料(差損益に含む)", "905"),
        ("参考: 信用取引 金利(差損益に含む)", "180"),
    ]


def test_given_fractions_of_a_yen_then_costs_of_coins_are_rounded_up_and_the_rest_down() -> None:
    # 1,000,000 / 0.3 BTC: 0.2 BTC are left at 666,666.66... = 666,667 yen, so 333,333 were sold
    found = table(bought("2026-01-01", "0.3", "1000000"), sold("2026-02-01", "0.1", "400000.5"))

    assert (found.in_yen.closing, found.in_yen.cost_of_sales) == (666_667, 333_333)
    assert found.in_yen.proceeds == 400_000
    assert found.in_yen.income == 400_000 + 639 - 333_333 - 4_724


def test_given_coins_from_before_with_a_fraction_of_a_yen_then_nothing_was_bought() -> None:
    opening = Holding(10**8, Jpy.of("1000000.5"))
    coins = coin_years((sold("2026-02-01", "1", "2000000"),), opening, Method.TOTAL_AVERAGE, 2026, 2026)

    (yen,) = [found.in_yen for found in year_tables(coins, ())]

    assert (yen.opening, yen.bought, yen.cost_of_sales, yen.income) == (1_000_001, 0, 1_000_001, 999_999)


def test_given_a_gain_that_its_costs_eat_up_then_it_is_a_loss() -> None:
    # gross 100, fees 300, interest 60
    close = fill(2, "2026-09-21T12:00", SELL, LONG, "0.01", 15_010_000, charged="300", interest="60", net="-260")

    (found,) = year_tables(coin_years((), Holding(), Method.TOTAL_AVERAGE, 2026, 2026), margin_results((close,)))

    assert (found.margin_gains, found.margin_losses) == (Jpy(0), Jpy.of(260))


def test_given_purchases_alone_then_rounding_sells_nothing() -> None:
    found = table(bought("2026-01-01", "0.3", "0.4"), bought("2026-01-02", "0.3", "0.4"))

    assert (found.in_yen.bought, found.in_yen.closing, found.in_yen.cost_of_sales) == (1, 1, 0)


@pytest.mark.parametrize(
    ("method", "words"), [(Method.TOTAL_AVERAGE, "総平均法"), (Method.MOVING_AVERAGE, "移動平均法")]
)
def test_given_a_method_then_the_table_names_it(method: Method, words: str) -> None:
    assert ("評価方法", "method", words) in table_rows(table(method=method))


def test_given_a_position_closed_in_the_new_year_then_all_its_costs_fall_into_the_new_year() -> None:
    fills = (
        fill(1, "2026-12-30T10:00", BUY, LONG, "0.01", 15_000_000, occurred="150"),
        fill(2, "2027-01-01T00:00", SELL, LONG, "0.01", 15_100_000, charged="301", interest="60", net="639"),
    )

    old, new = year_tables(coin_years((), Holding(), Method.TOTAL_AVERAGE, 2026, 2027), margin_results(fills))

    assert (old.closings, old.income) == (0, Jpy(0))
    assert (new.closings, new.income) == (1, Jpy.of(639))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(0, 10**16), st.booleans()), max_size=12))
def test_given_any_year_then_the_yen_add_up_and_stay_within_yen_of_the_exact_income(
    trades: list[tuple[int, int, bool]],
) -> None:
    held, made = 0, []
    for satoshi, product, sells in trades:
        sells = sells and held >= satoshi
        held += -satoshi if sells else satoshi
        trade = sold("2026-05-01", "1", "0") if sells else bought("2026-05-01", "1", "0")
        made.append(CoinTrade(trade.at_ms, trade.side, satoshi, Jpy(product), Jpy(0)))

    found = table(*made)
    yen = found.in_yen

    assert yen.income == yen.revenue - yen.expenses
    assert abs(yen.income - found.income.decimal) < 4
    assert found.margin_gains == CLOSE_LONG.profit_loss
