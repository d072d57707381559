"""The whole decision: enter, hold, close, or stay flat and say why."""

import dataclasses
import json
import math

import pytest
from msgspec import structs
from observations import (
    BARRIERS,
    NOON,
    OPENED,
    SETTINGS,
    account,
    facts,
    fill,
    held,
    jst,
    ledger,
    margin,
    observation,
    position,
    resting,
    short_facts,
)

from crypto_kedro.market.bars import MINUTE_MS
from crypto_kedro.trading.account import MarginState
from crypto_kedro.trading.decide import decide
from crypto_kedro.trading.decision import Action, Reason
from crypto_kedro.trading.gates import ALL_GATES
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.observation import ObservationError
from crypto_kedro.trading.orders import OrderRequest, OrderType, PositionSide, Side
from crypto_kedro.trading.protection import Barriers, Protection

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def test_given_every_gate_passes_when_long_is_likelier_then_it_opens_long_behind_its_barriers() -> None:
    decision = decide(SETTINGS, observation())
    # Risk: 1% of 100,000 = 1,000 JPY. A stopped BTC costs 2 x 10,000 to the stop, plus
    # 1,000,000 x (0.002 fees + 0.0002 spread + 0.0002 slippage) = 2,400: 1,000 / 22,400 = 0.0446 BTC.
    assert decision.action is Action.OPEN
    assert decision.reason == Reason.SIGNAL
    assert decision.limited_by == "risk"
    assert decision.target is not None
    assert decision.target.side is LONG
    assert decision.target.amount == Btc.of("0.0446")
    assert decision.target.barriers == Barriers(Price(20_000), Price(30_000))
    assert decision.target.protection == Protection(Price(980_000), Price(1_030_000), NOON + 16 * 15 * MINUTE_MS)


def test_given_every_gate_passes_when_short_is_likelier_then_it_opens_short_behind_its_barriers() -> None:
    decision = decide(SETTINGS, observation(facts=short_facts()))
    assert decision.action is Action.OPEN
    assert decision.target is not None
    assert decision.target.side is SHORT
    assert decision.target.amount == Btc.of("0.0446")
    assert decision.target.protection == Protection(Price(1_020_000), Price(970_000), NOON + 16 * 15 * MINUTE_MS)


def test_given_the_model_is_silent_when_deciding_then_it_stays_flat_for_lack_of_confidence() -> None:
    decision = decide(SETTINGS, observation(facts=facts(short=math.nan, flat=math.nan, long=math.nan)))
    assert (decision.action, decision.reason, decision.target) == (Action.STAY_FLAT, "confidence", None)


def test_given_both_sides_are_equally_likely_when_deciding_then_it_stays_flat() -> None:
    decision = decide(SETTINGS, observation(facts=facts(short=0.5, flat=0.0, long=0.5)))
    assert (decision.action, decision.reason) == (Action.STAY_FLAT, "confidence")


@pytest.mark.parametrize("unknown", ["atr", "spread", "last_return"])
def test_given_an_unknown_fact_when_deciding_then_it_stays_flat(unknown: str) -> None:
    decision = decide(SETTINGS, observation(facts=facts(**{unknown: math.nan})))
    assert (decision.action, decision.target) == (Action.STAY_FLAT, None)


def test_given_an_entry_order_is_open_when_deciding_then_it_does_not_enter_again() -> None:
    entry = OrderRequest(side=Side.BUY, type=OrderType.LIMIT, amount=Btc(1), price=Price(990_000), position_side=LONG)
    resting_entry = structs.replace(resting(LONG, OrderType.LIMIT, 990_000), request=entry)
    decision = decide(SETTINGS, observation(account=account(open_orders=(resting_entry,))))
    assert decision.reason == "pending_entries"


def test_given_the_account_holds_what_no_fill_explains_when_deciding_then_it_does_not_enter() -> None:
    opened = ledger().after(fill(1, OPENED, Side.BUY, LONG))
    decision = decide(SETTINGS, observation(ledger=opened))
    assert (decision.action, decision.reason) == (Action.STAY_FLAT, "unexplained_lots")
    assert decision.gates["unexplained_lots"].value == 100


def test_given_a_position_within_its_barriers_when_deciding_then_it_keeps_what_rests_at_the_exchange() -> None:
    decision = decide(SETTINGS, held(LONG, 985_000, 1_040_000))
    assert (decision.action, decision.reason) == (Action.HOLD, Reason.WITHIN_BARRIERS)
    assert decision.target is not None
    assert decision.target.amount == Btc.of("0.01")
    # Opened in the bar of 10:15, which is the first of 16 bars: 14:15.
    assert decision.target.protection == Protection(Price(985_000), Price(1_040_000), jst("2018-03-07 14:15"))


def test_given_a_position_whose_stop_vanished_when_deciding_then_the_target_holds_a_new_stop() -> None:
    decision = decide(SETTINGS, held(LONG, None, 1_040_000))
    assert decision.target is not None
    assert decision.target.protection.stop == Price(980_000)
    assert decision.target.protection.take_profit == Price(1_040_000)


def test_given_no_stop_and_no_atr_to_make_one_when_deciding_then_it_closes() -> None:
    decision = decide(SETTINGS, held(LONG, None, None, facts=facts(atr=math.nan)))
    assert (decision.action, decision.reason, decision.target) == (Action.CLOSE, Reason.NO_PROTECTION, None)


def test_given_a_signal_for_the_same_side_when_deciding_then_it_holds_and_does_not_add() -> None:
    decision = decide(SETTINGS, held(LONG, 980_000, 1_030_000, facts=facts()))
    assert decision.action is Action.HOLD
    assert decision.target is not None
    assert decision.target.amount == Btc.of("0.01")
    assert decision.gates.first_failed == "position_lots"


def test_given_guards_that_refuse_entries_when_a_position_is_open_then_it_is_held() -> None:
    seen = held(LONG, 980_000, 1_030_000, facts=facts(status=4, spread=0.5))
    assert decide(SETTINGS, seen).action is Action.HOLD


def test_given_fills_not_seen_yet_when_deciding_then_the_time_limit_counts_from_now() -> None:
    seen = held(LONG, 980_000, 1_030_000, ledger=ledger())
    target = decide(SETTINGS, seen).target
    assert target is not None
    assert target.protection.expires_at_ms == NOON + 16 * 15 * MINUTE_MS


def test_given_a_trailing_stop_when_the_price_rose_then_the_stop_follows() -> None:
    settings = dataclasses.replace(SETTINGS, barriers=dataclasses.replace(BARRIERS, trailing_atr=2.0))
    seen = held(LONG, 980_000, 1_040_000, facts=facts(short=0.3, flat=0.4, long=0.3, close=1_015_000.0))
    target = decide(settings, seen).target
    assert target is not None
    assert target.protection.stop == Price(995_000)


def test_given_the_last_bar_has_closed_when_deciding_then_it_closes_for_time() -> None:
    at_limit = facts(short=0.3, flat=0.4, long=0.3, bar_close_ms=jst("2018-03-07 14:15"))
    decision = decide(SETTINGS, held(LONG, 980_000, 1_030_000, facts=at_limit))
    assert (decision.action, decision.reason, decision.target) == (Action.CLOSE, Reason.TIME_LIMIT, None)


def test_given_a_millisecond_before_the_time_limit_when_deciding_then_it_holds() -> None:
    before = facts(short=0.3, flat=0.4, long=0.3, bar_close_ms=jst("2018-03-07 14:15") - 1)
    assert decide(SETTINGS, held(LONG, 980_000, 1_030_000, facts=before)).action is Action.HOLD


@pytest.mark.parametrize(
    ("side", "stop", "target", "against"),
    [(LONG, 980_000, 1_030_000, short_facts()), (SHORT, 1_020_000, 970_000, facts())],
)
def test_given_a_full_signal_against_the_position_when_deciding_then_it_closes_and_does_not_reverse(
    side: PositionSide, stop: int, target: int, against: object
) -> None:
    decision = decide(SETTINGS, held(side, stop, target, facts=against))
    assert (decision.action, decision.reason, decision.target) == (Action.CLOSE, Reason.OPPOSITE_SIGNAL, None)


def test_given_a_weak_signal_against_the_position_when_deciding_then_it_holds() -> None:
    seen = held(LONG, 980_000, 1_030_000, facts=short_facts(short=0.6, flat=0.3))
    assert decide(SETTINGS, seen).action is Action.HOLD


@pytest.mark.parametrize(("side", "stop"), [(LONG, 1_000_000), (SHORT, 1_000_000)])
def test_given_the_price_stands_at_the_stop_when_deciding_then_it_closes_at_once(side: PositionSide, stop: int) -> None:
    assert decide(SETTINGS, held(side, stop, None)).reason == Reason.STOP_PASSED


@pytest.mark.parametrize(("side", "stop"), [(LONG, 999_999), (SHORT, 1_000_001)])
def test_given_the_price_stands_one_tick_before_the_stop_when_deciding_then_it_holds(
    side: PositionSide, stop: int
) -> None:
    assert decide(SETTINGS, held(side, stop, None)).action is Action.HOLD


def test_given_a_margin_call_when_deciding_then_it_closes() -> None:
    called = margin(state=MarginState.CALL, position_product=Jpy.of(10_000))
    seen = account(long=position(LONG, "0.01", 1_000_000), margin=called)
    decision = decide(SETTINGS, held(LONG, None, None, account=seen))
    assert (decision.action, decision.reason) == (Action.CLOSE, Reason.MARGIN_CALL)


def test_given_both_sides_are_open_when_deciding_then_it_closes_both() -> None:
    both = account(long=position(LONG, "0.01", 1_000_000), short=position(SHORT, "0.01", 1_000_000))
    decision = decide(SETTINGS, held(LONG, None, None, account=both))
    assert (decision.action, decision.reason, decision.target) == (Action.CLOSE, Reason.BOTH_SIDES_OPEN, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"close": 0.0},
        {"close": math.nan},
        {"close": 1e12},
        {"age_ms": -1},
        {"spread": -0.0001},
        {"long": 1.1},
        {"short": -0.1},
    ],
)
def test_given_a_fact_that_cannot_be_when_observing_then_it_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ObservationError):
        observation(facts=facts(**changes))


def test_given_a_stage_below_one_when_observing_then_it_is_refused() -> None:
    with pytest.raises(ObservationError, match="stages count from 1"):
        observation(funding_stage=0)


def test_given_an_entry_when_recorded_then_the_record_is_plain_json_with_every_gate_in_order() -> None:
    record = json.loads(json.dumps(decide(SETTINGS, observation()).as_dict(), allow_nan=False))
    assert [gate["name"] for gate in record["gates"]] == [rule.name for rule in ALL_GATES]
    assert record["at"] == "2018-03-07T03:00:00Z"
    assert record["target"] == {
        "side": "long",
        "amount_btc": "0.0446",
        "stop_jpy": "980000",
        "take_profit_jpy": "1030000",
        "expires_at_ms": NOON + 16 * 15 * MINUTE_MS,
    }
    assert record["gates"][3] == {
        "name": "confidence", "value": 0.7, "rule": ">=", "threshold": 0.65, "passed": True,
    }  # fmt: skip
    assert record["probabilities"] == {"short": 0.1, "flat": 0.2, "long": 0.7}


def test_given_unknown_facts_when_recorded_then_they_are_null_and_their_gates_failed() -> None:
    record = decide(SETTINGS, observation(facts=facts(atr=math.nan))).as_dict()
    json.dumps(record, allow_nan=False)
    volatility = next(gate for gate in record["gates"] if gate["name"] == "volatility")
    assert (volatility["value"], volatility["passed"]) == (None, False)


def test_given_any_two_outcomes_when_recorded_then_the_keys_are_the_same() -> None:
    records = [decide(SETTINGS, seen).as_dict() for seen in (observation(), held(LONG, None, None))]
    assert list(records[0]) == list(records[1])
