"""Exact units: what they hold, what they refuse, how they combine."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_kedro.trading.money import Btc, Jpy, PrecisionError, Price, Rate, UnitError

INTEGERS = st.integers(-(10**15), 10**15)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Price.of("15000000"), "15000000"),
        (Btc.of("0.015"), "0.0150"),
        (Rate.of("-0.0002"), "-0.000200"),
        (Jpy.of("100000.5"), "100000.5"),
        (Jpy.of(0), "0"),
    ],
)
def test_text_is_read_exactly_and_written_plainly(value: object, text: str) -> None:
    assert str(value) == text


@pytest.mark.parametrize(
    ("read", "too_fine"),
    [(Price.of, "0.5"), (Btc.of, "0.00001"), (Rate.of, "0.0000001"), (Jpy.of, "0.00000000001")],
)
def test_a_number_finer_than_its_unit_is_refused_rather_than_rounded(
    read: Callable[[str], object], too_fine: str
) -> None:
    with pytest.raises(PrecisionError, match="finer"):
        read(too_fine)


@pytest.mark.parametrize("text", ["", "abc", "NaN", "Infinity"])
def test_a_text_that_is_no_finite_number_is_refused(text: str) -> None:
    with pytest.raises(PrecisionError, match="not a finite decimal"):
        Jpy.of(text)


@pytest.mark.parametrize("unit", [Price, Btc, Rate, Jpy])
@pytest.mark.parametrize("wrong", [1.0, "1", True, Decimal(1), None, Btc(1)])
def test_only_a_plain_int_builds_a_value(unit: Callable[[object], object], wrong: object) -> None:
    with pytest.raises(UnitError, match="expected an int"):
        unit(wrong)


def test_a_float_is_refused_even_where_text_is_read() -> None:
    with pytest.raises(UnitError, match="float"):
        Jpy.of(0.1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "mix",
    [
        lambda: Jpy(1) + Btc(1),
        lambda: Btc(1) - Price(1),
        lambda: Price(1) + 1,
        lambda: Jpy(1) * Price(1),
        lambda: Jpy(1) * Jpy(1),
        lambda: Btc(1) * Btc(1),
        lambda: Jpy(1) / Btc(1),
        lambda: Jpy(1) // Btc(1),
        lambda: Jpy(1) < Btc(1),
    ],
)
def test_units_do_not_mix(mix: Callable[[], object]) -> None:
    with pytest.raises(TypeError):
        mix()


def test_equal_integers_of_different_units_are_not_equal() -> None:
    assert Jpy(1) != Btc(1)


def test_price_times_amount_is_the_product_in_jpy() -> None:
    assert Price.of("15000001") * Btc.of("0.0001") == Btc.of("0.0001") * Price.of("15000001") == Jpy.of("1500.0001")


def test_a_sum_divided_by_a_price_is_the_whole_lots_it_pays_for() -> None:
    assert Jpy.of("10000") // Price.of("15000000") == Btc.of("0.0006")


def test_a_fraction_of_a_sum_is_rounded_toward_minus_infinity() -> None:
    assert Jpy(3) * Rate.of("0.5") == Jpy(1)
    assert Jpy(-3) * Rate.of("0.5") == Jpy(-2)
    assert Jpy(3) / Rate.of("0.5") == Jpy(6)


def test_a_sum_over_a_sum_is_a_plain_ratio() -> None:
    assert Jpy.of(25) / Jpy.of(100) == 0.25


def test_balances_are_shown_rounded_down_and_costs_rounded_up() -> None:
    assert Jpy.of("1.00005").floor() == Decimal("1.0000")
    assert Jpy.of("-1.00005").floor() == Decimal("-1.0001")
    assert Jpy.of("1.00005").ceil() == Decimal("1.0001")
    assert Jpy.of("-1.00005").ceil() == Decimal("-1.0000")


def test_an_amount_is_floored_to_the_step() -> None:
    assert Btc.of("0.0159").floor(Btc.of("0.005")) == Btc.of("0.015")


@given(INTEGERS, INTEGERS)
def test_sums_add_and_subtract_without_loss(left: int, right: int) -> None:
    assert Jpy(left) + Jpy(right) - Jpy(right) == Jpy(left)
    assert (Jpy(left) - Jpy(right)).decimal == Jpy(left).decimal - Jpy(right).decimal


@given(INTEGERS)
def test_every_sum_survives_the_way_through_its_decimal(units: int) -> None:
    assert Jpy.of(Jpy(units).decimal) == Jpy(units)
    assert Btc.of(Btc(units).decimal) == Btc(units)
    assert Rate.of(Rate(units).decimal) == Rate(units)


@given(st.integers(1, 10**9), st.integers(0, 10**16))
def test_what_a_sum_buys_never_costs_more_than_the_sum(ticks: int, units: int) -> None:
    price, budget = Price(ticks), Jpy(units)
    amount = budget // price
    assert price * amount <= budget < price * (amount + Btc(1))
