"""The model's word: expected value, agreement, costs; and the same numbers for one bar and for columns of bars."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from observations import NOON, RULES, SETTINGS, account, facts, jst, observation, short_facts

from crypto_kedro.errors import DataError
from crypto_kedro.market.bars import MINUTE_MS, FloatArray
from crypto_kedro.trading.decide import decide
from crypto_kedro.trading.gates import BAR_GATES
from crypto_kedro.trading.money import Rate
from crypto_kedro.trading.rules import RuleSchedule
from crypto_kedro.trading.settings import SignalRule, TradingSettings
from crypto_kedro.trading.signal import (
    SideCosts,
    SignalFacts,
    expected_value,
    read_signal,
    side_cost_columns,
    side_costs,
    signal_columns,
)


@pytest.mark.parametrize(
    ("win", "lose", "flat", "volatility", "cost", "expected"),
    [
        # (0.7 x 3 - 0.1 x 2 - 0.2 x 0.35) ATR = 1.83 ATR of 1% = 1.83%, less 0.24%
        (0.7, 0.1, 0.2, 0.01, 0.0024, 0.0159),
        # (0.5 x 3 - 0.4 x 2 - 0.1 x 0.35) = 0.665 ATR of 0.4% = 0.266%, less 0.266%
        (0.5, 0.4, 0.1, 0.004, 0.00266, 0.0),
        # (0.4 x 3 - 0.6 x 2) = 0: only the cost is left
        (0.4, 0.6, 0.0, 0.01, 0.002, -0.002),
        # A rebate is a gain: (0.4 x 3 - 0.6 x 2) = 0, plus 0.02%
        (0.4, 0.6, 0.0, 0.01, -0.0002, 0.0002),
    ],
)
def test_given_probabilities_when_valued_then_as_computed_by_hand(
    win: float, lose: float, flat: float, volatility: float, cost: float, expected: float
) -> None:
    assert expected_value(win, lose, flat, volatility, cost, SETTINGS) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    ("closed_at", "nights"),
    [
        ("2018-03-07 19:59:59.999", 0),  # 16 bars of 15 minutes end a millisecond before midnight
        ("2018-03-07 20:00", 1),
        ("2018-03-07 23:45", 1),
        ("2018-03-08 00:00", 0),
    ],
)
def test_given_a_trade_to_its_time_limit_when_costed_then_interest_is_a_day_for_each_jst_midnight(
    closed_at: str, nights: int
) -> None:
    costs = side_costs(RULES)
    long = read_signal(facts(bar_close_ms=jst(closed_at)), costs, SETTINGS)
    short = read_signal(short_facts(bar_close_ms=jst(closed_at)), costs, SETTINGS)
    # fees 0.1% in and 0.1% out, spread 0.02%, slippage 0.01% in and out
    assert long.cost == pytest.approx(0.0024 + nights * 0.0004, abs=1e-15)
    assert short.cost == pytest.approx(0.0024 + nights * 0.0005, abs=1e-15)


LONG_VOTE, FLAT_VOTE, SHORT_VOTE = (0.2, 0.3, 0.5), (0.2, 0.5, 0.3), (0.5, 0.3, 0.2)
TIED_VOTE, NO_VOTE = (0.2, 0.4, 0.4), (math.nan, math.nan, math.nan)


@pytest.mark.parametrize(
    ("models", "share"),
    [
        ((LONG_VOTE, LONG_VOTE, LONG_VOTE), 1.0),
        ((LONG_VOTE, FLAT_VOTE, LONG_VOTE), 2 / 3),
        ((LONG_VOTE, SHORT_VOTE, TIED_VOTE), 1 / 3),
        ((NO_VOTE, LONG_VOTE), 1 / 2),
        ((FLAT_VOTE, SHORT_VOTE), 0.0),
        ((), 0.0),
    ],
)
def test_given_votes_when_long_is_favoured_then_agreement_is_the_share_whose_likeliest_class_is_long(
    models: tuple[tuple[float, float, float], ...], share: float
) -> None:
    gates = decide(SETTINGS, observation(facts=facts(models=models))).gates
    assert gates["agreement"].value == share
    assert gates["agreement"].passed == (share >= 0.6)


@pytest.mark.parametrize(("probability", "passed"), [(0.6499999, False), (0.65, True), (0.6500001, True)])
def test_given_a_probability_around_the_threshold_when_judged_then_it_passes_from_the_threshold_on(
    probability: float, passed: bool
) -> None:
    assert decide(SETTINGS, observation(facts=facts(long=probability))).gates["confidence"].passed is passed


@pytest.mark.parametrize(("least", "passed"), [(0.013671874, True), (0.013671875, False), (0.013671876, False)])
def test_given_an_expected_value_around_the_least_when_judged_then_only_more_than_it_passes(
    least: float, passed: bool
) -> None:
    # (0.75 x 3 - 0.25 x 2) ATR = 1.75 ATR of 1/128 of the price = 0.013671875, in a market without any cost
    free = replace(RULES, margin_open_taker_fee=Rate(0), margin_close_taker_fee=Rate(0))
    settings = replace(SETTINGS, signal=SignalRule(slippage=0.0, min_expected_value=least))
    seen = facts(short=0.25, flat=0.0, long=0.75, atr=7812.5, spread=0.0)
    gate = decide(settings, observation(facts=seen, rules=free)).gates["expected_value"]
    assert gate.value == 0.013671875
    assert gate.passed is passed


def test_given_rules_that_change_when_costs_are_columns_then_each_moment_has_its_own() -> None:
    schedule = RuleSchedule((0, NOON), (RULES, replace(RULES, margin_open_taker_fee=Rate(0))))
    columns = side_cost_columns(schedule, np.array([NOON - 1, NOON, NOON + 1]))
    assert columns.fees.tolist() == [0.002, 0.001, 0.001]
    assert columns.long_interest.tolist() == [0.0004] * 3
    assert columns.short_interest.tolist() == [0.0005] * 3


UNKNOWN = st.just(math.nan)


def column(elements: st.SearchStrategy[float], rows: int) -> st.SearchStrategy[FloatArray]:
    return arrays(np.float64, rows, elements=elements)


@st.composite
def fact_columns(draw: st.DrawFn) -> SignalFacts[FloatArray]:
    rows = draw(st.integers(1, 20))
    probability = st.floats(0, 1) | UNKNOWN

    def drawn(elements: st.SearchStrategy[float]) -> FloatArray:
        return draw(column(elements, rows))

    model = [tuple(drawn(probability) for _ in range(3)) for _ in range(draw(st.integers(0, 3)))]
    return SignalFacts(
        bar_close_ms=drawn(st.integers(0, 2**32).map(lambda minute: float(minute * MINUTE_MS))),
        age_ms=drawn(st.integers(0, 200_000).map(float)),
        close=drawn(st.floats(1, 1e8)),
        atr=drawn(st.floats(0, 1e6) | UNKNOWN),
        spread=drawn(st.floats(0, 0.002) | UNKNOWN),
        last_return=drawn(st.floats(-0.08, 0.08) | UNKNOWN),
        gap_minutes=drawn(st.integers(0, 8).map(float)),
        status=drawn(st.sampled_from((0.0, 0.0, 0.0, 1.0, 5.0))),
        short=drawn(probability),
        flat=drawn(probability),
        long=drawn(probability),
        models=tuple(model),  # type: ignore[arg-type]
    )


def row(columns: SignalFacts[FloatArray], at: int) -> SignalFacts[float]:
    """Return one row as a live cycle would observe it: whole numbers as ints."""
    values = {name: float(getattr(columns, name)[at]) for name in columns._fields if name != "models"}
    whole = {name: int(values[name]) for name in ("bar_close_ms", "age_ms", "gap_minutes", "status")}
    models = tuple(tuple(float(side[at]) for side in model) for model in columns.models)
    return SignalFacts(**values | whole, models=models)  # type: ignore[arg-type]


@given(columns=fact_columns())
def test_given_any_bars_when_judged_as_columns_then_every_value_and_reason_is_the_one_of_decide(
    columns: SignalFacts[FloatArray],
) -> None:
    schedule = RuleSchedule.constant(RULES)
    costs = side_cost_columns(schedule, columns.bar_close_ms.astype(np.int64))
    with np.errstate(invalid="ignore", over="ignore"):
        values = read_signal(columns, costs, SETTINGS).values
    judged = signal_columns(columns, costs, SETTINGS)
    flat = account()
    for at in range(columns.close.size):
        decision = decide(SETTINGS, observation(facts=row(columns, at), account=flat))
        for gate, column in zip(list(decision.gates)[: len(BAR_GATES)], values, strict=True):
            in_column = column[at]
            assert np.float64(gate.value).tobytes() == in_column.tobytes() or (
                math.isnan(gate.value) and math.isnan(in_column)
            )
        reason = judged.reasons[at]
        assert bool(judged.passed[at]) is (reason is None) is decision.gates.bar_passed
        assert reason is None or decision.reason == reason


def test_given_more_bars_than_one_chunk_when_judged_then_each_bar_is_judged_as_if_alone() -> None:
    rows = 70_000
    rng = np.random.default_rng(11)
    short, flat, long = np.ascontiguousarray(rng.dirichlet((2, 1, 3), rows).T)
    ones = np.ones(rows)
    columns = SignalFacts(
        bar_close_ms=NOON + 60_000.0 * np.arange(rows),
        age_ms=0 * ones,
        close=1e6 * ones,
        atr=1e6 * rng.uniform(0, 0.04, rows),
        spread=0.0002 * ones,
        last_return=0 * ones,
        gap_minutes=0 * ones,
        status=0 * ones,
        short=short,
        flat=flat,
        long=long,
        models=((short, flat, long),),
    )
    costs = SideCosts(0.002 * ones, 0.0004 * ones, 0.0005 * ones)
    judged = signal_columns(columns, costs, SETTINGS)
    at = rng.choice(rows, 200, replace=False)
    alone = signal_columns(
        SignalFacts(*(value[at] for value in columns[:-1]), models=((short[at], flat[at], long[at]),)),
        SideCosts(*(value[at] for value in costs)),
        SETTINGS,
    )
    assert np.array_equal(judged.first_failed[at], alone.first_failed)
    assert np.array_equal(judged.direction[at], alone.direction)
    assert 0 < judged.passed.sum() < rows


@pytest.mark.parametrize(("name", "value"), [("close", 0.0), ("close", math.nan), ("age_ms", -1.0), ("spread", -1e-6)])
def test_given_a_column_that_cannot_be_when_judged_then_an_error_says_so(name: str, value: float) -> None:
    one = {key: np.array([float(number)]) for key, number in facts()._asdict().items() if key != "models"}
    columns = SignalFacts(**one | {name: np.array([value])}, models=())
    with pytest.raises(DataError, match="signal columns"):
        signal_columns(columns, SideCosts(*(np.zeros(1) for _ in range(3))), TradingSettings())
