"""How much: every cap by hand, floored and never rounded up; and Kelly's leverage."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from observations import CAPITAL, RULES, account, facts, margin, observation

from crypto_kedro.trading.decide import decide
from crypto_kedro.trading.money import Btc, Jpy, Price, Rate
from crypto_kedro.trading.observation import ObservationError
from crypto_kedro.trading.protection import Barriers
from crypto_kedro.trading.settings import FundingStage, SizingRule, TradingSettings
from crypto_kedro.trading.sizing import EntryPrices, Size, entry_prices, kelly_leverage, size_entry

# One lot at 1,000,200 JPY is 100.02 JPY; a stop costs 22,400 JPY a BTC, 2.24 JPY a lot.
PRICES = EntryPrices(entry=1_000_200, risk=22_400)
LOOSE = SizingRule(risk_fraction=Rate.of(1), kelly_multiplier=1.0, max_leverage=Rate.of(2), margin_floor=Rate.of("0.1"))


@pytest.mark.parametrize(
    ("rule", "kelly", "capital", "lots", "limited_by"),
    [
        # 100,000 x 1% / 2.24 = 446.4
        (replace(LOOSE, risk_fraction=Rate.of("0.01")), 9.0, "100000", 446, "risk"),
        # 100,000 x 1 / 100.02 = 999.8
        (replace(LOOSE, max_leverage=Rate.of(1)), 9.0, "100000", 999, "leverage"),
        # 100,000 x 0.25 x 2 / 100.02 = 499.9
        (replace(LOOSE, kelly_multiplier=0.25), 2.0, "100000", 499, "kelly"),
        # the stage of 10,000: 10,000 x 1 / 100.02 = 99.98
        (replace(LOOSE, max_leverage=Rate.of(1)), 9.0, "10000", 99, "leverage"),
        # 99.9 JPY do not pay for a lot of 100.02
        (replace(LOOSE, max_leverage=Rate.of(1)), 9.0, "99.9", 0, "leverage"),
        (replace(LOOSE, max_leverage=Rate.of(1)), 9.0, "100.02", 1, "leverage"),
        (LOOSE, 0.0, "100000", 0, "kelly"),
        (LOOSE, -1.0, "100000", 0, "kelly"),
        (LOOSE, math.nan, "100000", 0, "kelly"),
        (replace(LOOSE, max_leverage=Rate.of(1)), math.inf, "100000", 999, "leverage"),
        (LOOSE, 9.0, "-5", 0, "risk"),
    ],
)
def test_given_one_tight_cap_when_sized_then_it_sets_the_amount_as_computed_by_hand(
    rule: SizingRule, kelly: float, capital: str, lots: int, limited_by: str
) -> None:
    size = size_entry(rule, kelly, Jpy.of(capital).units, PRICES, margin(), RULES)
    assert (size.amount.lots, size.limited_by) == (lots, limited_by)


@pytest.mark.parametrize(
    ("changes", "lots", "limited_by"),
    [
        # 60,000 / 0.6 = 100,000 may be covered, 40,000 already are: 60,000 / 100.02 = 599.9
        ({"balance": Jpy.of(60_000), "position_product": Jpy.of(30_000), "open_order_product": Jpy.of(10_000)}, 599,
         "margin_floor"),
        ({"balance": Jpy.of(60_000), "position_product": Jpy.of(100_001)}, 0, "margin_floor"),
        # 12,345 / 100.02 = 123.4
        ({"available": Jpy.of(12_345)}, 123, "available"),
    ],
)  # fmt: skip
def test_given_a_tight_margin_when_sized_then_it_sets_the_amount(
    changes: dict[str, Any], lots: int, limited_by: str
) -> None:
    rule = replace(LOOSE, margin_floor=Rate.of("0.6"))
    size = size_entry(rule, 9.0, CAPITAL.units, PRICES, margin(**changes), RULES)
    assert (size.amount.lots, size.limited_by) == (lots, limited_by)


def test_given_more_than_the_exchange_takes_when_sized_then_its_maximum_is_the_amount() -> None:
    rules = replace(RULES, max_market_amount=Btc(700))
    assert size_entry(LOOSE, 9.0, CAPITAL.units, PRICES, margin(), rules) == Size(Btc(700), "exchange_maximum")


def test_given_a_coarse_amount_step_when_sized_then_the_amount_is_floored_to_it() -> None:
    rule = replace(LOOSE, risk_fraction=Rate.of("0.01"))
    rules = replace(RULES, amount_step=Btc(50), min_amount=Btc(50))
    assert size_entry(rule, 9.0, CAPITAL.units, PRICES, margin(), rules).amount == Btc(400)


def test_given_more_equity_than_the_stage_when_deciding_then_only_the_stage_is_traded() -> None:
    settings = TradingSettings(stages=(FundingStage(capital=Jpy.of(10_000)),))
    target = decide(settings, observation()).target
    assert target is not None
    assert target.amount == Btc.of("0.0044")  # 10,000 x 1% / 2.24 = 44.6 lots


def test_given_the_first_stage_at_a_high_price_when_deciding_then_below_the_minimum_there_is_no_trade() -> None:
    # 10,000 x 1% = 100 JPY at risk; at 30,000,000 JPY and a stop of 2 x 300,000 a lot risks 67.2 JPY: one lot.
    # A minimum of two lots makes that no trade at all.
    settings = TradingSettings(stages=(FundingStage(capital=Jpy.of(10_000)),))
    seen = facts(close=30_000_000.0, atr=300_000.0)
    flat = account(mark=Price(30_000_000))
    one_lot = decide(settings, observation(facts=seen, account=flat))
    assert one_lot.target is not None
    assert one_lot.target.amount == Btc(1)
    refused = decide(settings, observation(facts=seen, account=flat, rules=replace(RULES, min_amount=Btc(2))))
    assert (refused.target, refused.reason) == (None, "amount_lots")


def test_given_costs_when_one_btc_is_reckoned_then_entry_and_risk_round_up() -> None:
    barriers = Barriers(Price(20_000), Price(30_000))
    # 1,000,001 x 1.0002 = 1,000,201.0002; 20,000 + 1,000,001 x 0.0024 = 22,400.0024
    assert entry_prices(1_000_001.0, 0.0002, 0.0001, 0.0024, barriers) == EntryPrices(1_000_202, 22_401)


@pytest.mark.parametrize(("spread", "cost"), [(math.nan, 0.001), (math.inf, 0.001), (0.0, math.nan), (0.0, math.inf)])
def test_given_unknown_costs_when_one_btc_is_reckoned_then_there_is_no_price(spread: float, cost: float) -> None:
    assert entry_prices(1e6, spread, 0.0, cost, Barriers(Price(1), Price(1))) is None


def test_given_rebates_beyond_the_stop_when_one_btc_is_reckoned_then_it_still_risks_a_tick() -> None:
    prices = entry_prices(1e6, 0.0, 0.0, -0.1, Barriers(Price(1), Price(1)))
    assert prices is not None
    assert prices.risk == 1


def test_given_coin_flips_when_kelly_is_computed_then_it_is_the_textbook_fraction() -> None:
    # 60 gains of 50% and 40 losses of 50%: edge over odds, (0.6 - 0.4) / 0.5 = 0.4
    assert kelly_leverage([0.5] * 60 + [-0.5] * 40) == pytest.approx(0.4, abs=1e-9)


@pytest.mark.parametrize(
    ("outcomes", "leverage"),
    [
        ([0.01] * 29, 0.0),
        ([0.01] * 30, 2.0),
        ([0.01, -0.01] * 20, 0.0),
        ([-0.01] * 40, 0.0),
        ([0.011, -0.01] * 20, 2.0),  # 0.0005 / 0.00011 = 4.5, beyond what any setting allows
        ([], 0.0),
    ],
)
def test_given_outcomes_when_kelly_is_computed_then_it_lies_between_none_and_two(
    outcomes: list[float], leverage: float
) -> None:
    assert kelly_leverage(outcomes) == leverage


def test_given_an_outcome_that_is_no_number_when_kelly_is_computed_then_it_is_refused() -> None:
    with pytest.raises(ObservationError, match="not finite"):
        kelly_leverage([0.01, math.nan])


@given(outcomes=st.lists(st.floats(-0.9, 2.0), min_size=30, max_size=80))
def test_given_any_outcomes_when_kelly_is_computed_then_no_other_leverage_grows_faster(outcomes: list[float]) -> None:
    best = kelly_leverage(outcomes)
    returns = np.array(outcomes)

    def growth(leverage: float) -> float:
        return float(np.mean(np.log1p(leverage * returns)))

    ruin = 1 / -min(outcomes) if min(outcomes) < 0 else math.inf
    others = [leverage for leverage in np.linspace(0, 2, 41) if leverage < ruin]
    assert all(growth(leverage) <= growth(best) + 1e-9 for leverage in others)
