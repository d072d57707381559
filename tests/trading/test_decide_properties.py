"""What holds for every decision, whatever is observed."""

import dataclasses
import json
import math

from hypothesis import given
from hypothesis import strategies as st
from observations import (
    BARRIERS,
    CLOSE,
    RULES,
    SETTINGS,
    account,
    facts,
    held,
    jst,
    margin,
    observation,
    position,
    resting,
    short_facts,
)

from crypto_kedro.trading.account import AccountState, MarginState
from crypto_kedro.trading.decide import decide
from crypto_kedro.trading.decision import Action, Reason
from crypto_kedro.trading.gates import ALL_GATES
from crypto_kedro.trading.ledger import TradeLedger
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.observation import Observation
from crypto_kedro.trading.orders import OrderType, PositionSide
from crypto_kedro.trading.settings import FundingStage, SizingRule, TradingSettings

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT

UNKNOWN = st.just(math.nan)
PROBABILITIES = st.tuples(*[st.floats(0, 1)] * 3) | st.tuples(*[UNKNOWN] * 3)


@st.composite
def any_facts(draw: st.DrawFn) -> dict[str, object]:
    short, flat, long = draw(PROBABILITIES)
    return {
        "close": draw(st.floats(1, 1e11)),
        "age_ms": draw(st.integers(0, 10**7)),
        "atr": draw(st.floats(allow_nan=True, allow_infinity=True)),
        "spread": draw(UNKNOWN | st.floats(0, math.inf)),
        "last_return": draw(st.floats(allow_nan=True, allow_infinity=True)),
        "gap_minutes": draw(st.integers(0, 10_000)),
        "status": draw(st.integers(0, 5)),
        "short": short,
        "flat": flat,
        "long": long,
        "models": tuple(draw(st.lists(PROBABILITIES, max_size=3))),
    }


@st.composite
def any_account(draw: st.DrawFn) -> AccountState:
    def lots() -> str:
        return str(Btc(draw(st.integers(0, 20_000))).decimal)

    sums = st.integers(-(10**16), 10**19).map(Jpy)
    return account(
        cash=draw(st.integers(0, 10**17).map(Jpy)),
        long=position(LONG, lots(), draw(st.integers(1, 10**8))),
        short=position(SHORT, lots(), draw(st.integers(1, 10**8))),
        open_orders=tuple(
            resting(draw(st.sampled_from(PositionSide)), kind, draw(st.integers(1, 10**8)))
            for kind in draw(st.lists(st.sampled_from((OrderType.STOP, OrderType.LIMIT)), max_size=3))
        ),
        margin=margin(
            state=draw(st.sampled_from(MarginState)),
            balance=draw(sums),
            position_product=Jpy(draw(st.integers(0, 10**18))),
            available=Jpy(draw(st.integers(0, 10**18))),
        ),
    )


@st.composite
def any_observation(draw: st.DrawFn, accounts: st.SearchStrategy[AccountState]) -> Observation:
    return observation(
        facts=facts(**draw(any_facts())),
        kelly=draw(st.floats(allow_nan=True, allow_infinity=True)),
        account=draw(accounts),
        ledger=TradeLedger.start(jst("2018-03-05 00:00"), Jpy(draw(st.integers(-(10**15), 10**16)))),
        rules=dataclasses.replace(
            RULES, min_amount=Btc(draw(st.integers(1, 50))), amount_step=Btc(draw(st.integers(1, 9)))
        ),
        funding_stage=draw(st.integers(1, 5)),
    )


ORDINARY = st.builds(
    lambda close, atr, cash, kelly, seen, least: observation(
        facts=seen(close=close, atr=atr * close),
        kelly=kelly,
        account=account(cash=Jpy(cash * 10**10), mark=Price(int(close))),
        rules=dataclasses.replace(RULES, min_amount=Btc(least)),
    ),
    st.integers(200_000, 20_000_000).map(float),
    st.floats(0.002, 0.03),
    st.integers(1, 2_000_000),
    st.floats(0.01, 50),
    st.sampled_from((facts, short_facts)),
    st.sampled_from((1, 10)),
)


@given(seen=any_observation(any_account()))
def test_given_anything_when_deciding_then_there_is_a_decision_with_every_gate_twice_the_same(
    seen: Observation,
) -> None:
    decision = decide(SETTINGS, seen)
    assert [gate.name for gate in decision.gates] == [rule.name for rule in ALL_GATES]
    assert repr(decide(SETTINGS, seen)) == repr(decision)
    json.dumps(decision.as_dict(), allow_nan=False)


@given(seen=any_observation(any_account()))
def test_given_anything_when_deciding_then_action_and_target_agree_and_no_order_goes_through_zero(
    seen: Observation,
) -> None:
    decision = decide(SETTINGS, seen)
    before = [side for side in PositionSide if seen.account.position(side).amount]
    assert (decision.target is None) == (decision.action in (Action.STAY_FLAT, Action.CLOSE))
    assert (decision.action is Action.STAY_FLAT or decision.action is Action.OPEN) == (not before)
    if decision.action is Action.HOLD:
        assert decision.target is not None
        assert [decision.target.side] == before
        assert decision.target.amount == seen.account.position(decision.target.side).amount
    if decision.action is Action.OPEN:
        assert all(gate.passed for gate in decision.gates)


@given(seen=ORDINARY, leverage=st.sampled_from(("0.5", "1", "2")))
def test_given_an_ordinary_market_when_it_opens_then_leverage_stage_and_minimum_hold(
    seen: Observation, leverage: str
) -> None:
    rule = SizingRule(max_leverage=SizingRule().max_leverage.of(leverage))
    stage = FundingStage(capital=Jpy.of(100_000))
    decision = decide(TradingSettings(sizing=rule, stages=(stage,)), seen)
    if decision.target is None:
        assert decision.action is Action.STAY_FLAT
        return
    capital = min(seen.account.equity, stage.capital)
    notional = decision.target.amount.decimal * int(seen.facts.close)
    assert notional <= capital.decimal * rule.max_leverage.decimal
    assert decision.target.amount >= seen.rules.min_amount


@given(seen=ORDINARY)
def test_given_an_ordinary_market_when_it_opens_then_a_stopped_trade_costs_no_more_than_the_risk(
    seen: Observation,
) -> None:
    decision = decide(SETTINGS, seen)
    if decision.target is None or decision.target.barriers is None:
        assert decision.action is Action.STAY_FLAT
        return
    costs = seen.facts.close * (0.002 + 0.0002 + 0.0002)
    loss = float(decision.target.amount.decimal) * (decision.target.barriers.stop.ticks + costs)
    assert loss <= float(seen.account.equity) * 0.01 * (1 + 1e-12)


@given(
    closes=st.lists(st.integers(981_000, 1_100_000), min_size=1, max_size=12),
    side=st.sampled_from(PositionSide),
    distance=st.floats(0.1, 4),
)
def test_given_a_trailing_stop_when_prices_move_anyhow_then_it_only_moves_towards_profit(
    closes: list[int], side: PositionSide, distance: float
) -> None:
    settings = dataclasses.replace(SETTINGS, barriers=dataclasses.replace(BARRIERS, trailing_atr=distance))
    mirror = 1 if side is LONG else -1
    stop = int(CLOSE) - mirror * 20_000
    for close in closes:
        price = CLOSE + mirror * (close - CLOSE)
        seen = held(side, stop, None, facts=facts(short=0.3, flat=0.4, long=0.3, close=price))
        decision = decide(settings, seen)
        if decision.target is None:
            assert decision.reason == Reason.STOP_PASSED
            return
        moved = decision.target.protection.stop.ticks
        assert (moved - stop) * mirror >= 0
        stop = moved
