"""Specifies the file of coins traded at other exchanges."""

from pathlib import Path

import pytest
from written_fills import at

from crypto_kedro.accounting.elsewhere import read_coin_trades
from crypto_kedro.accounting.trades import AccountingError, CoinTrade
from crypto_kedro.trading.money import Jpy
from crypto_kedro.trading.orders import Side

HEAD = "at,side,amount_btc,product_jpy,fee_jpy\n"


def read(path: Path, text: str, encoding: str = "utf-8") -> tuple[CoinTrade, ...]:
    path.write_text(text, encoding=encoding)
    return read_coin_trades(path)


def test_given_a_file_of_a_spreadsheet_then_its_trades_are_read(tmp_path: Path) -> None:
    lines = "2026-01-05,buy,0.12345678,1851851.7,100\r\n2026-01-05T12:00:00Z,Sell,0.1,1600000,\r\n"

    trades = read(tmp_path / "elsewhere.csv", HEAD + lines, "utf-8-sig")

    assert trades == (
        CoinTrade(at("2026-01-05"), Side.BUY, 12_345_678, Jpy.of("1851851.7"), Jpy.of(100)),
        CoinTrade(at("2026-01-05T21:00"), Side.SELL, 10_000_000, Jpy.of(1_600_000), Jpy(0)),
    )


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("yesterday,buy,1,1,0", "yesterday"),
        ("2026-01-05,bought,1,1,0", "bought"),
        ("2026-01-05,buy,one,1,0", "'one' is no amount"),
        ("2026-01-05,buy,Infinity,1,0", "no amount"),
        ("2026-01-05,buy,0.123456789,1,0", "finer than"),
        ("2026-01-05,buy,0,1,0", "must be positive"),
        ("2026-01-05,buy,1,much,0", "much"),
        ("2026-01-05,buy,1", "''"),
    ],
)
def test_given_a_wrong_line_then_it_is_named(tmp_path: Path, line: str, word: str) -> None:
    with pytest.raises(AccountingError, match=word):
        read(tmp_path / "elsewhere.csv", f"{HEAD}2026-01-01,buy,1,3000000,0\n{line}\n")


def test_given_a_wrong_line_then_its_number_is_told(tmp_path: Path) -> None:
    with pytest.raises(AccountingError, match="line 3"):
        read(tmp_path / "elsewhere.csv", f"{HEAD}2026-01-01,buy,1,3000000,0\n2026-01-05,bought,1,1,0\n")


@pytest.mark.parametrize("head", ["", "at,side\n", "side,at,amount_btc,product_jpy,fee_jpy\n"])
def test_given_other_columns_then_the_right_ones_are_named(tmp_path: Path, head: str) -> None:
    with pytest.raises(AccountingError, match="at, side, amount_btc, product_jpy, fee_jpy"):
        read(tmp_path / "elsewhere.csv", head)


def test_given_no_file_or_no_text_then_the_error_says_so(tmp_path: Path) -> None:
    (tmp_path / "picture.csv").write_bytes(b"\xff\xfe\x00")

    for name in ("nowhere.csv", "picture.csv"):
        with pytest.raises(AccountingError, match="cannot be read"):
            read_coin_trades(tmp_path / name)
