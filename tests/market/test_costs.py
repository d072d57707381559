"""Costs by date, side and holding period, against sums done by hand."""

from datetime import UTC, datetime

import numpy as np
import pytest

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.market.costs import CostSchedule, FeeRates


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


OLD = FeeRates(since_ms=_ms("2017-01-01"), maker=-0.0002, taker=0.0012, interest_per_day=0.0004)
NEW = FeeRates(since_ms=_ms("2026-02-02"), maker=0.0, taker=0.001, interest_per_day=0.0005)
COSTS = CostSchedule((OLD, NEW), half_spread=0.0001, slippage=0.0002)


def test_given_a_fee_change_then_each_execution_pays_the_rate_of_its_moment() -> None:
    moments = np.array([_ms("2016-12-31"), _ms("2026-02-01T23:59:59"), _ms("2026-02-02")])

    np.testing.assert_allclose(COSTS.taker_side(moments), [0.0015, 0.0015, 0.0013], rtol=1e-12)


@pytest.mark.parametrize(
    ("opened", "closed", "midnights"),
    [
        ("2018-07-01T00:00", "2018-07-01T14:59:59", 0),
        ("2018-07-01T00:00", "2018-07-01T15:00", 1),
        ("2018-07-01T15:00", "2018-07-02T14:59", 0),
        ("2018-07-01T14:59", "2018-07-03T15:00", 3),
    ],
)
def test_given_a_holding_period_then_interest_is_paid_at_each_midnight_in_japan(
    opened: str, closed: str, midnights: int
) -> None:
    interest = COSTS.interest(np.array([_ms(opened)]), np.array([_ms(closed)]))

    np.testing.assert_allclose(interest, [0.0004 * midnights], rtol=1e-12)


def test_given_a_round_trip_over_one_night_then_both_sides_and_one_day_of_interest_are_paid() -> None:
    cost = COSTS.round_trip(np.array([_ms("2018-07-01T10:00")]), np.array([_ms("2018-07-01T16:00")]))

    np.testing.assert_allclose(cost, [0.0015 + 0.0015 + 0.0004], rtol=1e-12)


def test_given_a_scale_then_every_cost_is_multiplied() -> None:
    scaled = CostSchedule((OLD, NEW), half_spread=0.0001, slippage=0.0002, scale=1.5)
    opened, closed = np.array([_ms("2018-07-01T10:00")]), np.array([_ms("2018-07-01T16:00")])

    np.testing.assert_allclose(scaled.round_trip(opened, closed), 1.5 * COSTS.round_trip(opened, closed), rtol=1e-12)


@pytest.mark.parametrize("rates", [(), (NEW, OLD), (OLD, OLD)])
def test_given_rates_without_order_then_they_are_refused(rates: tuple[FeeRates, ...]) -> None:
    with pytest.raises(ConfigurationError, match="ordered by date"):
        CostSchedule(rates, half_spread=0.0, slippage=0.0)
