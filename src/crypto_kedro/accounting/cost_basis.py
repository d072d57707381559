"""What sold coins had cost: moving average and total average, in whole units, so that nothing is lost in rounding.

Source: Income Tax Act, Article 48-2, and its Enforcement Order, Article 119-2 (the two methods). The fee of a purchase
is part of its cost; that of a sale is an expense of its own.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from crypto_kedro.accounting.calendar import jst_year
from crypto_kedro.accounting.trades import SATOSHI_PER_BTC, AccountingError, CoinTrade
from crypto_kedro.market.moments import utc_text
from crypto_kedro.trading.money import Jpy
from crypto_kedro.trading.orders import Side


class Method(StrEnum):
    """How the cost of sold coins is found; who has told the tax office nothing uses the total average."""

    TOTAL_AVERAGE = "total-average"
    MOVING_AVERAGE = "moving-average"


_NOTHING = Jpy(0)


@dataclass(frozen=True, slots=True)
class Holding:
    """Coins and what they had cost.

    Raises:
        AccountingError: a negative amount or cost, or a cost of no coins.
    """

    satoshi: int = 0
    cost: Jpy = _NOTHING

    def __post_init__(self) -> None:
        if self.satoshi < 0 or self.cost.units < 0 or (self.satoshi == 0 and self.cost):
            raise AccountingError(f"accounts: a holding of {self.satoshi} satoshi cannot have cost {self.cost} JPY")

    @property
    def unit_cost(self) -> Decimal | None:
        """Cost of one BTC in JPY, None without coins."""
        return Decimal(self.cost.units * SATOSHI_PER_BTC // self.satoshi).scaleb(-10) if self.satoshi else None

    def plus(self, satoshi: int, cost: Jpy) -> "Holding":
        """Return the holding with a purchase."""
        return Holding(self.satoshi + satoshi, self.cost + cost)

    def share(self, satoshi: int) -> Jpy:
        """Return what a part of the coins had cost at the average, rounded down to 10**-10 JPY."""
        return Jpy(self.cost.units * satoshi // self.satoshi) if satoshi else _NOTHING


@dataclass(frozen=True, slots=True)
class CoinYear:
    """One calendar year of buying and selling coins.

    Args:
        opening, closing: holdings at its two ends.
        bought_satoshi, bought_cost: purchases, with their fees.
        sold_satoshi, proceeds: sales, before their fees.
        cost_of_sales: what the sold coins had cost.
        sale_fees: fees of the sales; negative is a rebate.
    """

    year: int
    method: Method
    opening: Holding
    bought_satoshi: int
    bought_cost: Jpy
    sold_satoshi: int
    proceeds: Jpy
    cost_of_sales: Jpy
    sale_fees: Jpy
    closing: Holding

    @property
    def averaged(self) -> Holding:
        """The coins whose average is the cost of one: all of the year, or what the last purchase left."""
        if self.method is Method.MOVING_AVERAGE:
            return self.closing
        return self.opening.plus(self.bought_satoshi, self.bought_cost)


def moving_costs(trades: Sequence[CoinTrade], opening: Holding) -> tuple[tuple[Jpy | None, ...], Holding]:
    """Return what the coins of each sale had cost by the moving average, None for a purchase; and what is left.

    Args:
        trades: oldest first.
        opening: coins held before them.

    Raises:
        AccountingError: more is sold than is held.
    """
    costs: list[Jpy | None] = []
    holding = opening
    for trade in trades:
        if trade.side is Side.BUY:
            holding = holding.plus(trade.satoshi, trade.product + trade.fee)
            costs.append(None)
            continue
        _require_coins(trade, holding.satoshi)
        cost = holding.share(trade.satoshi)
        holding = Holding(holding.satoshi - trade.satoshi, holding.cost - cost)
        costs.append(cost)
    return tuple(costs), holding


def coin_years(
    trades: Sequence[CoinTrade], opening: Holding, method: Method, first_year: int, last_year: int
) -> tuple[CoinYear, ...]:
    """Return one entry for each year; what one year leaves begins the next.

    Args:
        trades: oldest first, all of these years.
        opening: coins held before them.
        method: how the cost of sold coins is found.
        first_year: calendar year in Japan.
        last_year: the same or a later one.

    Raises:
        AccountingError: more is sold than is held.
    """
    of_year: dict[int, list[CoinTrade]] = defaultdict(list)
    for trade in trades:
        of_year[jst_year(trade.at_ms)].append(trade)
    years = []
    for year in range(first_year, last_year + 1):
        years.append(_coin_year(year, of_year[year], opening, method))
        opening = years[-1].closing
    return tuple(years)


def _coin_year(year: int, trades: Sequence[CoinTrade], opening: Holding, method: Method) -> CoinYear:
    bought = Holding()
    sold, proceeds, fees = 0, _NOTHING, _NOTHING
    for trade in trades:
        if trade.side is Side.BUY:
            bought = bought.plus(trade.satoshi, trade.product + trade.fee)
        else:
            sold, proceeds, fees = sold + trade.satoshi, proceeds + trade.product, fees + trade.fee
    # The walk through the year also finds the sale of coins that were not there yet, which an average would hide.
    _, closing = moving_costs(trades, opening)
    every = opening.plus(bought.satoshi, bought.cost)
    if method is Method.TOTAL_AVERAGE:
        closing = Holding(closing.satoshi, every.share(closing.satoshi))
    return CoinYear(
        year=year,
        method=method,
        opening=opening,
        bought_satoshi=bought.satoshi,
        bought_cost=bought.cost,
        sold_satoshi=sold,
        proceeds=proceeds,
        cost_of_sales=every.cost - closing.cost,
        sale_fees=fees,
        closing=closing,
    )


def _require_coins(trade: CoinTrade, held: int) -> None:
    if trade.satoshi > held:
        raise AccountingError(
            f"accounts: on {utc_text(trade.at_ms)} {Decimal(trade.satoshi).scaleb(-8):.8f} BTC were sold but only "
            f"{Decimal(held).scaleb(-8):.8f} were held; name the coins held before with --opening, and those bought "
            "elsewhere with --elsewhere"
        )
