"""bitbank's rules for BTC/JPY by date."""

from datetime import UTC, datetime
from pathlib import Path

import yaml

from crypto_kedro.market.costs import FeeRates
from crypto_kedro.parameters import CostParameters
from crypto_kedro.trading.bitbank_rules import BITBANK_BTC_JPY_RATES, bitbank_btc_jpy_schedule
from crypto_kedro.trading.money import Rate

COSTS = Path(__file__).parents[2] / "conf" / "base" / "parameters_costs.yml"


def test_fees_change_with_the_first_moment_of_the_second_of_february_2026() -> None:
    schedule = bitbank_btc_jpy_schedule()
    change_ms = int(datetime(2026, 2, 2, tzinfo=UTC).timestamp() * 1000)

    before, after = schedule.at(change_ms - 1), schedule.at(change_ms)

    assert (before.spot_maker_fee, before.spot_taker_fee) == (Rate.of("-0.0002"), Rate.of("0.0012"))
    assert (after.margin_open_maker_fee, after.margin_close_taker_fee) == (Rate(0), Rate.of("0.001"))
    assert before.long_interest_per_day == after.short_interest_per_day == Rate.of("0.0004")


def test_given_a_cost_scale_then_fees_rebates_and_interest_are_multiplied() -> None:
    rules = bitbank_btc_jpy_schedule(cost_scale=1.5).at(0)

    assert (rules.spot_maker_fee, rules.margin_open_taker_fee) == (Rate.of("-0.0003"), Rate.of("0.0018"))
    assert rules.short_interest_per_day == Rate.of("0.0006")


def test_given_rates_of_ones_own_then_they_are_taken_for_every_kind_of_order() -> None:
    rules = bitbank_btc_jpy_schedule((FeeRates(0, 0.0001, 0.0005, 0.0),)).at(0)

    assert rules.spot_maker_fee == rules.margin_open_maker_fee == rules.margin_close_maker_fee == Rate(100)
    assert rules.spot_taker_fee == rules.margin_open_taker_fee == rules.margin_close_taker_fee == Rate(500)
    assert rules.long_interest_per_day == rules.short_interest_per_day == Rate(0)


def test_the_shipped_costs_begin_with_the_published_ones() -> None:
    shipped = CostParameters(**yaml.safe_load(COSTS.read_text(encoding="utf-8"))["costs"]).schedule()

    as_figures = [(rate.maker, rate.taker, rate.interest_per_day) for rate in shipped.rates]
    assert as_figures == [(rate.maker, rate.taker, rate.interest_per_day) for rate in BITBANK_BTC_JPY_RATES]
    assert shipped.rates[1].since_ms == BITBANK_BTC_JPY_RATES[1].since_ms
