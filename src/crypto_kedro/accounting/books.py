"""The books of one account, made of its fills and written as CSV files that a spreadsheet opens."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from crypto_kedro.accounting.calendar import jst_moment, jst_year
from crypto_kedro.accounting.cost_basis import Holding, Method, coin_years, moving_costs
from crypto_kedro.accounting.periods import Period, coin_results, day_label, month_label, periods
from crypto_kedro.accounting.price_check import PriceCheck, check_prices
from crypto_kedro.accounting.tax_table import YearTable, table_rows, year_tables
from crypto_kedro.accounting.trades import AccountingError, CoinTrade, coin_trades, margin_results, unique_fills
from crypto_kedro.trading.orders import Fill

_UTF8_FOR_SPREADSHEETS = "utf-8-sig"
_FILL_COLUMNS = (
    "executed_at_jst", "trade_id", "order_id", "side", "position_side", "type", "maker_taker", "price_jpy",
    "amount_btc", "product_jpy", "fee_charged_jpy", "interest_jpy", "profit_loss_jpy",
)  # fmt: skip
_TABLE_COLUMNS = ("項目", "item", "値 / value")
_PERIOD_COLUMNS = (
    "margin_closings", "margin_gross_jpy", "margin_fees_jpy", "margin_interest_jpy", "margin_net_jpy", "coin_sales",
    "coin_net_moving_average_jpy", "total_jpy", "cumulative_jpy",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Books:
    """Everything that is written.

    Args:
        fills: by time, each once.
        days, months: realised results; coins by the moving average.
        tables: one for each year and method.
        check: whether the exchange's results follow from its prices.
    """

    fills: tuple[Fill, ...]
    days: tuple[Period, ...]
    months: tuple[Period, ...]
    tables: tuple[YearTable, ...]
    check: PriceCheck


def make_books(
    fills: Iterable[Fill],
    methods: Sequence[Method] = tuple(Method),
    opening: Holding | None = None,
    elsewhere: Iterable[CoinTrade] = (),
) -> Books:
    """Make the books of one account.

    Args:
        fills: of the account, from a moment without margin position on.
        methods: by which tables are made.
        opening: coins held before the first trade.
        elsewhere: coins bought and sold at other exchanges.

    Raises:
        AccountingError: there is nothing to account for, or the history is incomplete.
    """
    of_account = unique_fills(fills)
    margin = margin_results(of_account)
    coins = sorted([*coin_trades(of_account), *elsewhere], key=lambda trade: trade.at_ms)
    held = opening or Holding()
    moments = [*(trade.at_ms for trade in coins), *(result.at_ms for result in margin)]
    if not moments:
        raise AccountingError("accounts: nothing was closed or sold yet, so there is nothing to account for")
    costs, _ = moving_costs(coins, held)
    results = coin_results(coins, costs)
    first, last = jst_year(min(moments)), jst_year(max(moments))
    tables = [
        table for method in methods for table in year_tables(coin_years(coins, held, method, first, last), margin)
    ]
    return Books(
        fills=of_account,
        days=periods(margin, results, day_label),
        months=periods(margin, results, month_label),
        tables=tuple(tables),
        check=check_prices(of_account),
    )


def write_books(books: Books, folder: Path, year: int | None = None) -> tuple[Path, ...]:
    """Write the books into a folder, each file whole or not at all, and return the files.

    Args:
        books: to be written.
        folder: made if it is absent.
        year: the only calendar year in Japan to write; None writes all.

    Raises:
        AccountingError: the year has no table, or the folder cannot be written.
    """
    tables = [table for table in books.tables if year is None or table.coins.year == year]
    if not tables:
        known = ", ".join(str(found) for found in sorted({table.coins.year for table in books.tables}))
        raise AccountingError(f"accounts: there are no trades of {year}; the history holds {known}")
    label = "" if year is None else f"{year}-"
    files = {
        f"{label}fills.csv": _fill_rows(fill for fill in books.fills if year in (None, jst_year(fill.executed_at_ms))),
        f"{label}days.csv": _period_rows("day_jst", books.days, year),
        f"{label}months.csv": _period_rows("month_jst", books.months, year),
    }
    for table in tables:
        files[f"tax-{table.coins.year}-{table.coins.method}.csv"] = [_TABLE_COLUMNS, *table_rows(table)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tuple(_write(folder / name, rows) for name, rows in files.items())
    except OSError as error:
        raise AccountingError(f"accounts: {folder} cannot be written ({error}); name another with --out") from error


def _fill_rows(fills: Iterable[Fill]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [_FILL_COLUMNS]
    for fill in fills:
        values = (
            jst_moment(fill.executed_at_ms).isoformat(timespec="milliseconds"), fill.trade_id, fill.order_id,
            fill.side, fill.position_side or "", fill.order_type, fill.liquidity, fill.price, fill.amount,
            fill.product, fill.fee_charged, fill.interest, fill.profit_loss,
        )  # fmt: skip
        rows.append(tuple(str(value) for value in values))
    return rows


def _period_rows(name: str, found: Iterable[Period], year: int | None) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [(name, *_PERIOD_COLUMNS)]
    for period in found:
        if year is None or period.label.startswith(f"{year}-"):
            values = (
                period.label, period.closings, period.gross, period.fees, period.interest, period.net,
                period.coin_sales, period.coin_net, period.total, period.cumulative,
            )  # fmt: skip
            rows.append(tuple(str(value) for value in values))
    return rows


def _write(path: Path, rows: Iterable[Sequence[str]]) -> Path:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    temporary = path.with_name(f".{path.name}.partial")
    temporary.write_bytes(text.getvalue().encode(_UTF8_FOR_SPREADSHEETS))
    temporary.replace(path)
    return path
