"""How much to trade: the smallest of several caps, floored to the exchange's step and never rounded up."""

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from crypto_kedro.trading.account import MarginStatus
from crypto_kedro.trading.money import PPM, PRODUCT_UNITS, Btc
from crypto_kedro.trading.observation import ObservationError
from crypto_kedro.trading.protection import Barriers
from crypto_kedro.trading.rules import MarketRules
from crypto_kedro.trading.settings import LEVERAGE_LIMIT, SizingRule

_LEVERAGE_LIMIT = float(LEVERAGE_LIMIT.decimal)
_CAPS = ("risk", "leverage", "kelly", "margin_floor", "available", "exchange_maximum")
_BISECTIONS = 60
MIN_OUTCOMES = 30
"""Fewer outcomes than these prove nothing about the leverage that they bear."""


class Size(Struct, frozen=True):
    """An amount to enter with, and the cap that set it; zero and None when prices or capital are unknown."""

    amount: Btc
    limited_by: str | None


class EntryPrices(Struct, frozen=True):
    """What one BTC of an entry is reckoned with, in ticks.

    Args:
        entry: the closing price with half the spread and the slippage on top, for either side, rounded up.
        risk: what a stop costs: its distance plus the costs of the round trip, rounded up.
    """

    entry: int
    risk: int


NO_SIZE = Size(Btc(0), None)


def kelly_leverage(outcomes: Sequence[float], min_outcomes: int = MIN_OUTCOMES) -> float:
    """Return the leverage, from 0 to 2, at which capital would have grown fastest.

    Args:
        outcomes: net returns of out-of-sample trades, as fractions of their notional.
        min_outcomes: with fewer the answer is 0, since they prove nothing.

    Raises:
        ObservationError: an outcome is not finite.

    It maximises the mean of ``log(1 + leverage * outcome)``.

    Source: Kelly, A New Interpretation of Information Rate (1956).
    """
    returns = np.asarray(outcomes, dtype=np.float64)
    if not np.all(np.isfinite(returns)):
        raise ObservationError("Kelly leverage: an out-of-sample outcome is not finite; run the evaluation again")
    if returns.size < min_outcomes or np.mean(returns) <= 0:
        return 0.0
    worst = float(np.min(returns))
    low, high = 0.0, _LEVERAGE_LIMIT
    if worst < 0:
        high = min(high, (1.0 - 1e-9) / -worst)
    if np.mean(returns / (1.0 + high * returns)) >= 0:
        return high
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        if np.mean(returns / (1.0 + middle * returns)) > 0:
            low = middle
        else:
            high = middle
    return low


def entry_prices(
    close_jpy: float, spread: float, slippage: float, cost: float, barriers: Barriers
) -> EntryPrices | None:
    """Return what one BTC is reckoned with; None when the spread or the costs are unknown.

    Args:
        close_jpy: closing price.
        spread: as a fraction of the price.
        slippage: on each side, as a fraction of the price.
        cost: of the round trip, as a fraction of the notional.
        barriers: distances of the trade's ends.
    """
    entry, loss = close_jpy * (1.0 + 0.5 * spread + slippage), close_jpy * cost
    if not (close_jpy <= entry < math.inf and -math.inf < loss < math.inf):
        return None
    return EntryPrices(math.ceil(entry), max(barriers.stop.ticks + math.ceil(loss), 1))


def size_entry(
    rule: SizingRule, kelly: float, capital_units: int, prices: EntryPrices, margin: MarginStatus, rules: MarketRules
) -> Size:
    """Return the amount to enter with, floored to the amount step; it may be below the minimum or zero.

    Args:
        rule: shares and caps.
        kelly: leverage of full Kelly; NaN is unknown and sizes to zero.
        capital_units: the smaller of equity and stage capital, in units of 10**-10 JPY.
        prices: see `entry_prices`.
        margin: the margin account as reported.
        rules: amount step and limits of the exchange.
    """
    lot_value = prices.entry * PRODUCT_UNITS
    free_margin = margin.balance.units * PPM // rule.margin_floor.ppm
    caps = (
        capital_units * rule.risk_fraction.ppm // (PPM * prices.risk * PRODUCT_UNITS),
        capital_units * rule.max_leverage.ppm // (PPM * lot_value),
        capital_units * _kelly_ppm(rule, kelly) // (PPM * lot_value),
        (free_margin - margin.position_product.units - margin.open_order_product.units) // lot_value,
        margin.available.units // lot_value,
        rules.max_market_amount.lots,
    )
    lots = min(caps)
    limited_by = _CAPS[caps.index(lots)]
    return Size(Btc(max(lots - lots % rules.amount_step.lots, 0)), limited_by)


def _kelly_ppm(rule: SizingRule, kelly: float) -> int:
    share = rule.kelly_multiplier * kelly
    if not share > 0:
        return 0
    return int(min(share, _LEVERAGE_LIMIT) * PPM)
