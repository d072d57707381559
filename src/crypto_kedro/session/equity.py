"""The account's equity at every bar, kept as the few straight lines that it consists of."""

import numpy as np

from crypto_kedro.errors import DataError
from crypto_kedro.market.bars import IntArray
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.money import PRODUCT_UNITS

_LARGEST = 2**63


class EquityLines:
    """Equity as a function of the closing price, from each change of the account to the next.

    Between two changes equity is ``base + lots * price``, all integers, so the bars between need no visit.

    Args:
        cash_units: equity before the first bar, in units of 10**-10 JPY.
    """

    __slots__ = ("_bases", "_lots", "_since")

    def __init__(self, cash_units: int) -> None:
        self._since = [0]
        self._bases = [cash_units]
        self._lots = [0]

    def change(self, bar: int, account: AccountState) -> None:
        """Take the account as it stands from the close of a bar on."""
        long, short = account.long, account.short
        self._since.append(bar)
        self._lots.append(long.amount.lots - short.amount.lots)
        self._bases.append(
            account.cash.units
            - account.payable.units
            - long.product.units
            + short.product.units
            - long.unrealized_fee.units
            - short.unrealized_fee.units
            - long.unrealized_interest.units
            - short.unrealized_interest.units
        )

    def at_closes(self, close_ticks: IntArray) -> IntArray:
        """Return equity at each close in units of 10**-10 JPY, int64 of the same shape.

        Raises:
            DataError: the account is worth more than 64 bits hold, about 900,000,000 JPY.
        """
        highest = int(close_ticks.max(initial=0)) * PRODUCT_UNITS
        if max(map(abs, self._bases)) + max(map(abs, self._lots)) * highest >= _LARGEST:
            raise DataError("backtest: equity exceeds 900,000,000 JPY, which its column cannot hold; lower the cash")
        bars_of_line = np.diff(self._since, append=close_ticks.size)
        equity: IntArray = np.repeat(np.array(self._lots, dtype=np.int64) * PRODUCT_UNITS, bars_of_line)
        equity *= close_ticks
        equity += np.repeat(np.array(self._bases, dtype=np.int64), bars_of_line)
        return equity
