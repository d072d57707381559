"""Realised results by day and by month in Japan."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from crypto_kedro.accounting.calendar import jst_moment
from crypto_kedro.accounting.trades import CoinTrade, MarginResult
from crypto_kedro.trading.money import Jpy
from crypto_kedro.trading.orders import Side

_NOTHING = Jpy(0)


@dataclass(frozen=True, slots=True)
class CoinResult:
    """One sale of coins; ``net`` is its proceeds less their moving-average cost and the fee."""

    at_ms: int
    net: Jpy


@dataclass(frozen=True, slots=True)
class Period:
    """What a day or a month brought.

    Args:
        label: ``2026-09-21`` or ``2026-09``.
        closings: executions that closed a margin position.
        gross, fees, interest, net: of these; ``net = gross - fees - interest``.
        coin_sales: sales of coins.
        coin_net: of these, by the moving average.
        total: ``net + coin_net``.
        cumulative: of all periods so far.
    """

    label: str
    closings: int
    gross: Jpy
    fees: Jpy
    interest: Jpy
    net: Jpy
    coin_sales: int
    coin_net: Jpy
    total: Jpy
    cumulative: Jpy


def day_label(at_ms: int) -> str:
    """Return the day in Japan, such as ``2026-09-21``."""
    return f"{jst_moment(at_ms):%Y-%m-%d}"


def month_label(at_ms: int) -> str:
    """Return the month in Japan, such as ``2026-09``."""
    return f"{jst_moment(at_ms):%Y-%m}"


def coin_results(trades: Sequence[CoinTrade], costs: Sequence[Jpy | None]) -> tuple[CoinResult, ...]:
    """Return the result of each sale.

    Args:
        trades: oldest first.
        costs: of `moving_costs`, one for each trade.
    """
    return tuple(
        CoinResult(trade.at_ms, trade.product - cost - trade.fee)
        for trade, cost in zip(trades, costs, strict=True)
        if trade.side is Side.SELL and cost is not None
    )


def periods(
    margin: Iterable[MarginResult], coins: Iterable[CoinResult], label: Callable[[int], str]
) -> tuple[Period, ...]:
    """Return the periods in which something was realised, oldest first.

    Args:
        margin: results of margin trades, in any order.
        coins: results of coin sales, in any order.
        label: names the period of a moment; `day_label` or `month_label`.
    """
    found: list[Period] = []
    cumulative = _NOTHING
    results: list[MarginResult | CoinResult] = [*margin, *coins]
    ordered = sorted(results, key=lambda result: result.at_ms)
    for name, group in groupby(ordered, key=lambda result: label(result.at_ms)):
        of_period = list(group)
        closings = [result for result in of_period if isinstance(result, MarginResult)]
        sales = [result for result in of_period if isinstance(result, CoinResult)]
        net, coin_net = _sum(result.net for result in closings), _sum(result.net for result in sales)
        cumulative = cumulative + net + coin_net
        found.append(
            Period(
                name,
                len(closings),
                _sum(result.gross for result in closings),
                _sum(result.fees for result in closings),
                _sum(result.interest for result in closings),
                net,
                len(sales),
                coin_net,
                net + coin_net,
                cumulative,
            )
        )
    return tuple(found)


def _sum(sums: Iterable[Jpy]) -> Jpy:
    return sum(sums, _NOTHING)
