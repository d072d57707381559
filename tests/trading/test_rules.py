"""The market's rules and their dates."""

import dataclasses
from decimal import Decimal

import pytest

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.trading.bitbank_rules import bitbank_btc_jpy_schedule
from crypto_kedro.trading.money import Btc, Rate, UnitError
from crypto_kedro.trading.orders import Liquidity, PositionSide
from crypto_kedro.trading.rules import RuleSchedule

RULES = dataclasses.replace(
    bitbank_btc_jpy_schedule().at(0),
    spot_maker_fee=Rate(1),
    spot_taker_fee=Rate(2),
    margin_open_maker_fee=Rate(3),
    margin_open_taker_fee=Rate(4),
    margin_close_maker_fee=Rate(5),
    margin_close_taker_fee=Rate(6),
    long_interest_per_day=Rate(7),
    short_interest_per_day=Rate(8),
)


@pytest.mark.parametrize(
    ("position_side", "opening", "liquidity", "ppm"),
    [
        (None, False, Liquidity.MAKER, 1),
        (None, False, Liquidity.TAKER, 2),
        (PositionSide.LONG, True, Liquidity.MAKER, 3),
        (PositionSide.SHORT, True, Liquidity.TAKER, 4),
        (PositionSide.SHORT, False, Liquidity.MAKER, 5),
        (PositionSide.LONG, False, Liquidity.TAKER, 6),
    ],
)
def test_each_kind_of_execution_has_its_own_fee(
    position_side: PositionSide | None, opening: bool, liquidity: Liquidity, ppm: int
) -> None:
    assert RULES.fee(position_side, opening, liquidity) == Rate(ppm)


def test_each_side_has_its_own_interest() -> None:
    assert RULES.interest_per_day(PositionSide.LONG) == Rate(7)
    assert RULES.interest_per_day(PositionSide.SHORT) == Rate(8)


def test_a_half_initial_margin_allows_leverage_two() -> None:
    assert RULES.leverage_cap == Decimal(2)


@pytest.mark.parametrize("change", [{"losscut": Rate.of("0.6")}, {"initial_margin": Rate(0)}, {"min_amount": Btc(0)}])
def test_impossible_rules_are_refused(change: dict[str, Rate | Btc]) -> None:
    with pytest.raises(ConfigurationError, match="market rules"):
        dataclasses.replace(RULES, **change)


def test_a_rule_of_the_wrong_unit_is_refused_by_name() -> None:
    with pytest.raises(UnitError, match="min_amount must be a Btc"):
        dataclasses.replace(RULES, min_amount=1)


def test_rules_hold_from_their_moment_on_and_the_first_before_it() -> None:
    later = dataclasses.replace(RULES, spot_taker_fee=Rate(1000))
    schedule = RuleSchedule((100, 200), (RULES, later))

    assert [schedule.at(moment) for moment in (0, 100, 199, 200, 999)] == [RULES, RULES, RULES, later, later]


def test_the_next_change_is_the_first_later_moment_at_which_rules_differ() -> None:
    schedule = RuleSchedule((100, 200, 300), (RULES, RULES, RULES))

    assert [schedule.next_change_after(moment) for moment in (0, 150, 200, 300)] == [200, 200, 300, None]
    assert RuleSchedule.constant(RULES).next_change_after(0) is None


@pytest.mark.parametrize(("since", "count"), [((), 0), ((0,), 2), ((5, 5), 2), ((6, 5), 2)])
def test_a_schedule_without_order_is_refused(since: tuple[int, ...], count: int) -> None:
    with pytest.raises(ConfigurationError, match="rule schedule"):
        RuleSchedule(since, (RULES,) * count)
