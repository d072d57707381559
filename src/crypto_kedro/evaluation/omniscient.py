"""What the planted signal of a synthetic market is worth to one who knows it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from crypto_kedro.evaluation.conditions import Conditions
from crypto_kedro.evaluation.model_trader import account_of, steady_trader, with_entries
from crypto_kedro.evaluation.span import Span
from crypto_kedro.learning.opportunities import LONG, SHORT
from crypto_kedro.learning.performance import measure_account
from crypto_kedro.market.bars import FloatArray
from crypto_kedro.market.frame import open_times


def omniscient_sharpe(
    span: Span, expected_return: pd.DataFrame, conditions: Conditions, shares: Sequence[float]
) -> dict[float, float | None]:
    """Return the annual Sharpe ratio after costs of a trader who knows the mean of the next bar's return.

    It trades through the same core and engine as a model, under the same barriers, costs and guards. It is certain of
    the planted side at the bars where the expected move is largest, and silent at all others.

    Args:
        span: the history that is traded.
        expected_return: truth of a `crypto_kedro.market.synthetic.SyntheticMarket`.
        conditions: settings, costs and capital; the leverage of full Kelly is ``unproven_kelly`` throughout.
        shares: of the bars at which to ask for a trade, one trader each, from 0 to 1.
    """
    ahead = _next_expected(span, expected_return)
    trader = steady_trader(span, conditions)
    size = np.abs(ahead)
    sharpe: dict[float, float | None] = {}
    for share in shares:
        row = np.flatnonzero((size > 0.0) & (size >= np.quantile(size, 1.0 - share)))
        side = np.where(ahead[row] > 0.0, LONG, SHORT)
        sharpe[share] = measure_account(account_of(span, with_entries(trader, row, side), conditions)).sharpe
    return sharpe


def _next_expected(span: Span, expected_return: pd.DataFrame) -> FloatArray:
    """Return the mean return of the bar after each decision bar of the span, shape (m,); 0 where there is none."""
    by_time = pd.Series(expected_return["expected_return"].to_numpy(), index=open_times(expected_return))
    return by_time.reindex(span.decision_bars.close_time[-span.window.size :]).fillna(0.0).to_numpy()
