"""Do the results that the exchange reports follow from the prices of its own fills?"""

from collections.abc import Iterable
from dataclasses import dataclass

from crypto_kedro.trading.money import Jpy
from crypto_kedro.trading.orders import Fill, PositionSide


@dataclass(frozen=True, slots=True)
class PriceCheck:
    """How the reported results compare with those reckoned from prices.

    Args:
        checked: closing executions that could be reckoned.
        unchecked: those of positions that were opened before the history begins.
        largest: largest difference of a gross result, either way.
        trade_id: of the execution with the largest difference, None without any.
    """

    checked: int
    unchecked: int
    largest: Jpy
    trade_id: int | None


class _Position:
    """An open position: lots and their product in units of 10**-10 JPY."""

    __slots__ = ("lots", "product")

    def __init__(self) -> None:
        self.lots = 0
        self.product = 0


def check_prices(fills: Iterable[Fill]) -> PriceCheck:
    """Reckon the gross result of every closing execution from the average opening price, and compare.

    Args:
        fills: of one account, oldest first.
    """
    positions = {side: _Position() for side in PositionSide}
    checked = unchecked = 0
    largest, trade_id = 0, None
    for fill in fills:
        if fill.position_side is None:
            continue
        position, lots = positions[fill.position_side], fill.amount.lots
        if fill.is_opening:
            position.lots += lots
            position.product += fill.product.units
            continue
        if lots > position.lots:
            unchecked += 1
            position.lots = position.product = 0
            continue
        cost = position.product * lots // position.lots
        position.lots -= lots
        position.product -= cost
        gained = fill.product.units - cost if fill.position_side.is_long else cost - fill.product.units
        reported = (fill.profit_loss + fill.fee_charged + fill.interest).units
        checked += 1
        if abs(reported - gained) > largest:
            largest, trade_id = abs(reported - gained), fill.trade_id
    return PriceCheck(checked, unchecked, Jpy(largest), trade_id)
