"""bitbank's rules for BTC/JPY, as published and dated."""

from collections.abc import Sequence

from crypto_kedro.market.costs import FeeRates
from crypto_kedro.trading.money import PPM, Btc, Price, Rate
from crypto_kedro.trading.rules import MarketRules, RuleSchedule

BITBANK_BTC_JPY_RATES = (
    FeeRates(since_ms=0, maker=-0.0002, taker=0.0012, interest_per_day=0.0004),
    FeeRates(since_ms=1_769_990_400_000, maker=0.0, taker=0.001, interest_per_day=0.0004),  # 2026-02-02T00:00:00Z
)
"""Fees and interest by date, the same for spot, for opening and for closing."""


def bitbank_btc_jpy_schedule(
    rates: Sequence[FeeRates] = BITBANK_BTC_JPY_RATES, *, cost_scale: float = 1.0
) -> RuleSchedule:
    """Return the rules for an individual's account by date; only fees and interest change.

    Args:
        rates: ascending by ``since_ms``; the first also holds for everything before it.
        cost_scale: multiplies every fee, rebates too, and the interest; each is rounded to parts per million.

    Raises:
        ConfigurationError: no rates, or out of order.

    Source: bitbank API, ``/spot/pairs`` (steps, limits, fees, interest, initial margin, allowance) and
    ``/user/margin/status`` (loss-cut); bitbank's margin rules (margin call, counted collateral, 30 orders).
    """
    return RuleSchedule(tuple(rate.since_ms for rate in rates), tuple(_rules_of(rate, cost_scale) for rate in rates))


def _rules_of(rates: FeeRates, cost_scale: float) -> MarketRules:
    maker, taker, interest = (
        Rate(round(fraction * cost_scale * PPM)) for fraction in (rates.maker, rates.taker, rates.interest_per_day)
    )
    return MarketRules(
        price_step=Price.of(1),
        amount_step=Btc.of("0.0001"),
        min_amount=Btc.of("0.0001"),
        max_limit_amount=Btc.of(1000),
        max_market_amount=Btc.of(10),
        spot_maker_fee=maker,
        spot_taker_fee=taker,
        margin_open_maker_fee=maker,
        margin_open_taker_fee=taker,
        margin_close_maker_fee=maker,
        margin_close_taker_fee=taker,
        long_interest_per_day=interest,
        short_interest_per_day=interest,
        initial_margin=Rate.of("0.5"),
        margin_call=Rate.of("0.5"),
        losscut=Rate.of("0.25"),
        crypto_collateral=Rate.of("0.5"),
        market_buy_allowance=Rate.of("0.2"),
        max_open_orders=30,
    )
