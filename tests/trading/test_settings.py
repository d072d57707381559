"""Settings that cannot be meant are refused when they are built, by their full name."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.trading.money import Jpy, Rate, UnitError
from crypto_kedro.trading.settings import (
    BarrierRule,
    FundingStage,
    GuardRule,
    SignalRule,
    SizingRule,
    TradingSettings,
)

TEN, HUNDRED = Jpy.of(10_000), Jpy.of(100_000)


@pytest.mark.parametrize(
    ("build", "changes", "named"),
    [
        (BarrierRule, {"stop_loss_atr": 0.0}, "barriers.stop_loss_atr is 0.0"),
        (BarrierRule, {"take_profit_atr": math.nan}, "barriers.take_profit_atr"),
        (BarrierRule, {"trailing_atr": -1.0}, "barriers.trailing_atr"),
        (BarrierRule, {"max_bars": 0}, "barriers.max_bars"),
        (SignalRule, {"confidence_threshold": 0.0}, "signal.confidence_threshold"),
        (SignalRule, {"confidence_threshold": 1.01}, "signal.confidence_threshold"),
        (SignalRule, {"min_agreement": -0.1}, "signal.min_agreement"),
        (SignalRule, {"slippage": 0.06}, "signal.slippage"),
        (SignalRule, {"flat_outcome_atr": math.inf}, "signal.flat_outcome_atr"),
        (SizingRule, {"max_leverage": Rate.of("2.000001")}, "sizing.max_leverage is 2.000001; .* at most 2"),
        (SizingRule, {"max_leverage": Rate(0)}, "sizing.max_leverage"),
        (SizingRule, {"risk_fraction": Rate(0)}, "sizing.risk_fraction"),
        (SizingRule, {"kelly_multiplier": 1.5}, "sizing.kelly_multiplier"),
        (SizingRule, {"margin_floor": Rate(0)}, "sizing.margin_floor"),
        (GuardRule, {"max_drawdown": 0.0}, "guards.max_drawdown"),
        (GuardRule, {"max_daily_loss": 1.1}, "guards.max_daily_loss"),
        (GuardRule, {"max_spread": math.nan}, "guards.max_spread"),
        (GuardRule, {"max_data_age_ms": -1}, "guards.max_data_age_ms"),
        (GuardRule, {"max_losses_in_a_row": 0}, "guards.max_losses_in_a_row"),
        (FundingStage, {"capital": Jpy(0)}, "stages.capital"),
        (FundingStage, {"capital": TEN, "min_days": -1}, "stages.min_days"),
        (TradingSettings, {"stages": ()}, "first stage"),
        (TradingSettings, {"stages": (FundingStage(capital=TEN, min_trades=1),)}, "ask for no evidence"),
        (
            TradingSettings,
            {"stages": (FundingStage(capital=HUNDRED), FundingStage(capital=TEN, min_days=9))},
            "stage of 10000 JPY",
        ),
        (
            TradingSettings,
            {"barriers": BarrierRule(stop_loss_atr=40.0), "guards": GuardRule(max_volatility=0.025)},
            "stop_loss_atr times guards.max_volatility is 1",
        ),
    ],
)
def test_given_a_value_out_of_range_when_built_then_the_error_names_it(
    build: Callable[..., object], changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        build(**changes)


@pytest.mark.parametrize(
    ("build", "changes"),
    [
        (SizingRule, {"max_leverage": 1.0}),
        (SizingRule, {"risk_fraction": 0.01}),
        (FundingStage, {"capital": 10_000}),
    ],
)
def test_given_a_bare_number_where_a_unit_belongs_when_built_then_it_is_refused(
    build: Callable[..., object], changes: dict[str, Any]
) -> None:
    with pytest.raises(UnitError):
        build(**changes)


def test_given_the_leverage_limit_itself_when_built_then_it_is_allowed() -> None:
    assert SizingRule(max_leverage=Rate.of(2)).max_leverage == Rate.of(2)


def test_given_a_stage_when_its_capital_is_asked_then_one_that_does_not_exist_has_none() -> None:
    capitals = [TradingSettings().stage_capital(number) for number in (1, 2, 3, 4)]
    assert capitals == [Jpy.of(10_000), Jpy.of(100_000), Jpy.of(500_000), Jpy(0)]
