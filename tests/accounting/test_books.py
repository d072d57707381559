"""Specifies the books as a whole: what they are made of, what they refuse, and the files they leave."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as changed
from written_fills import BUY, CLOSE_LONG, CLOSE_SHORT, LONG, OPEN_LONG, ROUND_TRIPS, SELL, bought, fill

from crypto_kedro.accounting.books import make_books, write_books
from crypto_kedro.accounting.cost_basis import Method
from crypto_kedro.accounting.price_check import PriceCheck, check_prices
from crypto_kedro.accounting.trades import AccountingError, CoinTrade
from crypto_kedro.trading.money import Jpy


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_given_fills_when_written_then_these_files_are_left(tmp_path: Path) -> None:
    files = write_books(make_books(ROUND_TRIPS), tmp_path / "books")

    assert [file.name for file in files] == [
        "fills.csv",
        "days.csv",
        "months.csv",
        "tax-2026-total-average.csv",
        "tax-2026-moving-average.csv",
    ]
    assert sorted(path.name for path in (tmp_path / "books").iterdir()) == sorted(file.name for file in files)


def test_given_fills_when_written_then_days_and_fills_read_like_this(tmp_path: Path) -> None:
    write_books(make_books(ROUND_TRIPS), tmp_path)

    assert rows(tmp_path / "days.csv")[1:] == [
        ["2026-09-21", "1", "1000", "301", "60", "639", "0", "0", "639", "639"],
        ["2026-10-02", "1", "-4000", "604", "120", "-4724", "0", "0", "-4724", "-4085"],
    ]
    assert rows(tmp_path / "fills.csv")[2] == [
        "2026-09-21T23:59:59.999+09:00", "2", "1002", "sell", "long", "market", "taker", "15100000", "0.0100",
        "151000", "301", "60", "639",
    ]  # fmt: skip


def test_given_a_year_when_written_then_nothing_of_other_years_is(tmp_path: Path) -> None:
    next_year = (
        fill(5, "2027-03-01T10:00", BUY, LONG, "0.01", 15_000_000, occurred="150"),
        fill(6, "2027-03-02T10:00", SELL, LONG, "0.01", 15_000_000, charged="300", net="-300"),
    )
    books = make_books((*ROUND_TRIPS, *next_year), (Method.TOTAL_AVERAGE,))

    files = write_books(books, tmp_path, 2027)

    assert [file.name for file in files] == [
        "2027-fills.csv",
        "2027-days.csv",
        "2027-months.csv",
        "tax-2027-total-average.csv",
    ]
    assert rows(tmp_path / "2027-months.csv")[1][0] == "2027-03"
    assert len(rows(tmp_path / "2027-months.csv")) == 2
    assert len(rows(tmp_path / "2027-fills.csv")) == 3
    assert ["所得金額", "income", "-300"] in rows(tmp_path / "tax-2027-total-average.csv")


def test_given_fills_in_any_order_and_twice_then_the_books_are_the_same() -> None:
    assert make_books([*reversed(ROUND_TRIPS), *ROUND_TRIPS]) == make_books(ROUND_TRIPS)


def test_given_two_fills_of_one_id_then_they_are_refused() -> None:
    other = changed(CLOSE_LONG, profit_loss=Jpy.of(640))

    with pytest.raises(AccountingError, match="two different fills have the id 2"):
        make_books([*ROUND_TRIPS, other])


def test_given_an_opening_with_a_result_then_it_is_refused() -> None:
    with pytest.raises(AccountingError, match="trade 1 opens a position"):
        make_books([changed(OPEN_LONG, profit_loss=Jpy.of(5))])


def test_given_nothing_realised_then_there_is_nothing_to_account_for() -> None:
    with pytest.raises(AccountingError, match="nothing was closed or sold"):
        make_books([OPEN_LONG])


def test_given_a_year_without_trades_then_the_known_years_are_named(tmp_path: Path) -> None:
    with pytest.raises(AccountingError, match=r"no trades of 2020; the history holds 2026"):
        write_books(make_books(ROUND_TRIPS), tmp_path, 2020)


def test_given_a_folder_that_cannot_be_then_the_error_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(AccountingError, match="--out"):
        write_books(make_books(ROUND_TRIPS), tmp_path / "file")


def test_given_coins_from_elsewhere_then_they_are_averaged_with_those_of_the_account() -> None:
    here = fill(9, "2026-09-25T10:00", SELL, None, "0.5", 4_000_000, occurred="2000", charged="2000")
    elsewhere = bought("2026-01-01", "1", "3000000")

    books = make_books([*ROUND_TRIPS, here], (Method.TOTAL_AVERAGE,), elsewhere=[elsewhere])

    # 2,000,000 - 1,500,000 - 2,000, and -4,085 of the margin trades
    assert books.tables[0].income == Jpy.of(493_915)


def test_given_true_results_when_checked_against_prices_then_nothing_is_found() -> None:
    assert check_prices(ROUND_TRIPS) == PriceCheck(2, 0, Jpy(0), None)


def test_given_partial_closes_when_checked_then_each_takes_its_share_of_the_average() -> None:
    fills = (
        fill(1, "2026-09-20T10:00", BUY, LONG, "0.01", 15_000_000),
        fill(2, "2026-09-20T11:00", BUY, LONG, "0.03", 15_400_000),
        fill(3, "2026-09-20T12:00", SELL, LONG, "0.02", 15_300_000, net="0"),
        fill(4, "2026-09-20T13:00", SELL, LONG, "0.02", 15_500_000, net="4000"),
    )

    assert check_prices(fills) == PriceCheck(2, 0, Jpy(0), None)


def test_given_a_result_that_is_off_when_checked_then_its_trade_is_named() -> None:
    gross_as_net = changed(CLOSE_SHORT, profit_loss=Jpy.of(-4_000))

    assert check_prices([*ROUND_TRIPS[:3], gross_as_net]) == PriceCheck(2, 0, Jpy.of(724), 4)


def test_given_a_position_from_before_the_history_when_checked_then_it_is_counted_as_unchecked() -> None:
    assert check_prices(ROUND_TRIPS[1:]) == PriceCheck(1, 1, Jpy(0), None)


def test_given_a_coin_trade_of_nothing_then_it_is_refused() -> None:
    trade = bought("2026-01-01", "1", "3000000")

    for change in ({"satoshi": 0}, {"product": Jpy.of(-1)}):
        with pytest.raises(AccountingError, match="positive"):
            replace(trade, **change)  # type: ignore[arg-type]
    assert isinstance(trade, CoinTrade)
