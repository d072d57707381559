"""The yearly table of a Japanese tax return, in the order of the National Tax Agency's sheet for crypto-assets.

Results of margin trades are not averaged with coins that are held: they are realised when the position is closed, with
all its fees and interest.

Source: National Tax Agency, answers on the treatment of crypto-assets and its calculation sheets for the total average
and the moving average.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from crypto_kedro.accounting.calendar import jst_year
from crypto_kedro.accounting.cost_basis import CoinYear, Method
from crypto_kedro.accounting.trades import MarginResult
from crypto_kedro.trading.money import UNITS_PER_JPY, Jpy

_NOTHING = Jpy(0)


@dataclass(frozen=True, slots=True)
class YenFigures:
    """The sums of a table in whole yen, which add up among themselves.

    Costs of coins are rounded up, as the tax agency allows; revenue and expenses are rounded down.
    """

    opening: int
    bought: int
    closing: int
    proceeds: int
    margin_gains: int
    margin_losses: int
    sale_fees: int

    @property
    def cost_of_sales(self) -> int:
        """What the sold coins had cost."""
        return self.opening + self.bought - self.closing

    @property
    def revenue(self) -> int:
        """Sales and margin gains."""
        return self.proceeds + self.margin_gains

    @property
    def expenses(self) -> int:
        """Cost of the sold coins, fees of the sales and margin losses."""
        return self.cost_of_sales + self.sale_fees + self.margin_losses

    @property
    def income(self) -> int:
        """What the return asks for; negative is a loss."""
        return self.revenue - self.expenses


@dataclass(frozen=True, slots=True)
class YearTable:
    """One year by one method.

    Args:
        coins: bought and sold outright.
        margin_gains, margin_losses: net results of the closings that gained and, as positive sums, of those that lost.
        margin_fees, margin_interest: within them.
        closings: count.
    """

    coins: CoinYear
    margin_gains: Jpy
    margin_losses: Jpy
    margin_fees: Jpy
    margin_interest: Jpy
    closings: int

    @property
    def income(self) -> Jpy:
        """Exact income of the year; negative is a loss."""
        coins = self.coins
        from_coins = coins.proceeds - coins.cost_of_sales - coins.sale_fees
        return from_coins + self.margin_gains - self.margin_losses

    @property
    def in_yen(self) -> YenFigures:
        """The sums in whole yen."""
        coins = self.coins
        opening = _up(coins.opening.cost)
        return YenFigures(
            opening=opening,
            bought=_up(coins.opening.cost + coins.bought_cost) - opening,
            closing=_up(coins.closing.cost),
            proceeds=_down(coins.proceeds),
            margin_gains=_down(self.margin_gains),
            margin_losses=_down(self.margin_losses),
            sale_fees=_down(coins.sale_fees),
        )


def year_tables(coins: Iterable[CoinYear], margin: Iterable[MarginResult]) -> tuple[YearTable, ...]:
    """Return a table for each year of coins, with the margin results of the same year."""
    results = list(margin)
    return tuple(_table(year, [one for one in results if jst_year(one.at_ms) == year.year]) for year in coins)


def table_rows(table: YearTable) -> tuple[tuple[str, ...], ...]:
    """Return the table as rows of (Japanese name, English name, value); sums are whole yen, amounts BTC."""
    coins, yen = table.coins, table.in_yen
    method = {Method.TOTAL_AVERAGE: "総平均法", Method.MOVING_AVERAGE: "移動平均法"}[coins.method]
    unit_cost = coins.averaged.unit_cost
    return (
        ("年分", "year", str(coins.year)),
        ("評価方法", "method", method),
        ("年始残高 数量", "opening BTC", _btc(coins.opening.satoshi)),
        ("年始残高 金額", "opening cost", str(yen.opening)),
        ("購入等 数量", "bought BTC", _btc(coins.bought_satoshi)),
        ("購入等 金額(手数料込)", "bought, with fees", str(yen.bought)),
        ("売却等 数量", "sold BTC", _btc(coins.sold_satoshi)),
        ("1単位当たりの取得価額", "average cost of 1 BTC", "" if unit_cost is None else f"{unit_cost:.4f}"),
        ("年末残高 数量", "closing BTC", _btc(coins.closing.satoshi)),
        ("年末残高 金額", "closing cost", str(yen.closing)),
        ("売却価額", "proceeds of sales", str(yen.proceeds)),
        ("信用取引 差益", "margin gains, net", str(yen.margin_gains)),
        ("収入金額 計", "revenue", str(yen.revenue)),
        ("売却原価", "cost of sales", str(yen.cost_of_sales)),
        ("売却手数料", "fees of sales", str(yen.sale_fees)),
        ("信用取引 差損", "margin losses, net", str(yen.margin_losses)),
        ("必要経費 計", "expenses", str(yen.expenses)),
        ("所得金額", "income", str(yen.income)),
        ("参考: 信用取引 決済回数", "margin closings", str(table.closings)),
        ("参考: 信用取引 手数料(差損益に含む)", "margin fees, within the results", str(_down(table.margin_fees))),
        ("参考: 信用取引 金利(差損益に含む)", "margin interest, within the results", str(_down(table.margin_interest))),
    )  # fmt: skip


def _table(coins: CoinYear, results: list[MarginResult]) -> YearTable:
    gains = losses = fees = interest = _NOTHING
    for result in results:
        fees, interest = fees + result.fees, interest + result.interest
        if result.net.units >= 0:
            gains = gains + result.net
        else:
            losses = losses - result.net
    return YearTable(coins, gains, losses, fees, interest, len(results))


def _btc(satoshi: int) -> str:
    return f"{Decimal(satoshi).scaleb(-8):.8f}"


def _down(sum_of_money: Jpy) -> int:
    return sum_of_money.units // UNITS_PER_JPY


def _up(sum_of_money: Jpy) -> int:
    return -(-sum_of_money.units // UNITS_PER_JPY)
