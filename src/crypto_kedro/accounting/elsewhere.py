"""Coins bought and sold at other exchanges: the averages of a tax return are over all coins that one holds."""

import csv
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from crypto_kedro.accounting.calendar import JST
from crypto_kedro.accounting.trades import SATOSHI_PER_BTC, AccountingError, CoinTrade
from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.trading.money import Jpy
from crypto_kedro.trading.orders import Side

COLUMNS = ("at", "side", "amount_btc", "product_jpy", "fee_jpy")


def read_coin_trades(path: Path) -> tuple[CoinTrade, ...]:
    """Read a CSV file with the columns of `COLUMNS`.

    ``at`` is a date or a moment, in Japan unless it has an offset; ``side`` is buy or sell; ``product_jpy`` is price
    times amount; a positive ``fee_jpy`` was paid.

    Raises:
        AccountingError: the file cannot be read, or a line is wrong; the message names it.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise AccountingError(f"accounts: {path} must have the columns {', '.join(COLUMNS)}, in this order")
            return tuple(_trade(row, f"{path}, line {reader.line_num}") for row in reader)
    except (OSError, UnicodeDecodeError) as error:
        raise AccountingError(f"accounts: {path} cannot be read ({error}); save it as CSV in UTF-8") from error


def satoshi_of(btc: str, where: str) -> int:
    """Return an amount in BTC as whole satoshi.

    Raises:
        AccountingError: no number, or finer than a satoshi.
    """
    try:
        satoshi = Decimal(btc) * SATOSHI_PER_BTC
        whole = int(satoshi)
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise AccountingError(f"accounts: {where}: {btc!r} is no amount of BTC") from error
    if whole != satoshi:
        raise AccountingError(f"accounts: {where}: {btc} BTC is finer than 0.00000001 BTC")
    return whole


def _trade(row: Mapping[str, str | None], where: str) -> CoinTrade:
    text = {name: (row.get(name) or "").strip() for name in COLUMNS}
    try:
        moment = datetime.fromisoformat(text["at"])
        side = Side(text["side"].lower())
        sums = Jpy.of(text["product_jpy"]), Jpy.of(text["fee_jpy"] or "0")
        at_ms = int((moment if moment.tzinfo else moment.replace(tzinfo=JST)).timestamp() * 1000)
        return CoinTrade(at_ms, side, satoshi_of(text["amount_btc"], where), *sums)
    except AccountingError:
        raise
    except (ValueError, CryptoKedroError) as error:
        raise AccountingError(f"accounts: {where}: {error}; see the columns {', '.join(COLUMNS)}") from error
