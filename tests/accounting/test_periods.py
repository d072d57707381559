"""Specifies realised results by day and month in Japan."""

from written_fills import CLOSE_LONG, LONG, OPEN_LONG, ROUND_TRIPS, SELL, at, bought, fill, sold

from crypto_kedro.accounting.calendar import jst_year, year_start_ms
from crypto_kedro.accounting.cost_basis import Holding, moving_costs
from crypto_kedro.accounting.periods import Period, coin_results, day_label, month_label, periods
from crypto_kedro.accounting.trades import margin_results
from crypto_kedro.trading.money import Jpy

NONE = Jpy(0)


def test_given_round_trips_when_told_by_day_then_only_days_with_a_closing_appear() -> None:
    days = periods(margin_results(ROUND_TRIPS), (), day_label)

    assert days == (
        Period(
            "2026-09-21", 1, Jpy.of(1_000), Jpy.of(301), Jpy.of(60), Jpy.of(639), 0, NONE, Jpy.of(639), Jpy.of(639)
        ),
        Period(
            "2026-10-02", 1, Jpy.of(-4_000), Jpy.of(604), Jpy.of(120), Jpy.of(-4_724), 0, NONE, Jpy.of(-4_724),
            Jpy.of(-4_085),
        ),
    )  # fmt: skip


def test_given_a_year_then_it_begins_at_midnight_in_japan() -> None:
    assert year_start_ms(2026) == at("2026-01-01")
    assert jst_year(year_start_ms(2026)) == 2026
    assert jst_year(year_start_ms(2026) - 1) == 2025


def test_given_midnight_in_japan_then_it_begins_the_new_day() -> None:
    late = fill(5, "2026-09-22T00:00", SELL, LONG, "0.01", 15_100_000, net="1")

    days = periods(margin_results((OPEN_LONG, CLOSE_LONG, late)), (), day_label)

    assert [day.label for day in days] == ["2026-09-21", "2026-09-22"]


def test_given_coins_and_margin_in_one_month_then_the_month_holds_both() -> None:
    trades = (
        bought("2026-09-01", "1", "3000000", "3000"),
        sold("2026-09-15", "0.5", "2000000", "2000"),
    )
    costs, _ = moving_costs(trades, Holding())

    september, october = periods(margin_results(ROUND_TRIPS), coin_results(trades, costs), month_label)

    # 2,000,000 - 1,501,500 - 2,000
    assert (september.label, september.coin_sales, september.coin_net) == ("2026-09", 1, Jpy.of(496_500))
    assert (september.net, september.total) == (Jpy.of(639), Jpy.of(497_139))
    assert (october.label, october.cumulative) == ("2026-10", Jpy.of(492_415))
