"""Deciding again: what the core was shown and the settings it had are enough to reproduce every byte it said."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as run_with
from hypothesis import strategies as st
from journals import (
    CAPITAL,
    FIRST,
    NOON_MS,
    RULES,
    STARTED,
    account,
    begun,
    cycle,
    facts,
    fill,
    observation,
    order,
    position,
    stop_request,
)
from msgspec import structs

from crypto_kedro.errors import LineageError
from crypto_kedro.market.bars import HOUR_MS, MINUTE_MS
from crypto_kedro.session.journal import Journal, JournalError, Writer
from crypto_kedro.session.journal.encoding import decode_record, encode_record
from crypto_kedro.session.journal.records import Decided, Observed
from crypto_kedro.session.journal.replay import replay
from crypto_kedro.trading.decide import decide
from crypto_kedro.trading.decision import Action
from crypto_kedro.trading.ledger import TradeLedger
from crypto_kedro.trading.money import Jpy, Price
from crypto_kedro.trading.observation import Observation
from crypto_kedro.trading.orders import OrderStatus, PositionSide, Side
from crypto_kedro.trading.settings import BarrierRule, SignalRule, TradingSettings

NAN = float("nan")


def held(**changes: Any) -> Observation:
    """Return a long position of 0.01 BTC that was opened ten minutes ago, with its stop."""
    history = TradeLedger.start(NOON_MS - HOUR_MS, CAPITAL).after(fill(1, NOON_MS - 10 * MINUTE_MS, Side.BUY))
    rests = order(18, stop_request(), OrderStatus.INACTIVE)
    seen = account(long=position(PositionSide.LONG, "0.01"), open_orders=(rests,))
    return observation(**{"account": seen, "ledger": history} | changes)


SCENES = {
    "enters": observation(),
    "does not know the range": observation(facts=facts(atr=NAN)),
    "does not know the book nor the outcomes": observation(facts=facts(spread=NAN), kelly=NAN),
    "sees a halt": observation(facts=facts(status=4.0, gap_minutes=90.0)),
    "holds": held(),
    "closes at a signal against it": held(facts=facts(short=0.8, flat=0.1, long=0.1, models=((0.8, 0.1, 0.1),) * 3)),
    "closes at its time limit": held(facts=facts(age_ms=float(9 * HOUR_MS))),
    "has both sides open": held(
        account=account(long=position(PositionSide.LONG, "0.01"), short=position(PositionSide.SHORT, "0.02"))
    ),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def test_given_sessions_of_all_kinds_of_decisions_when_replayed_then_every_byte_is_the_same(path: Path) -> None:
    with begun(path) as journal:
        for name, seen in SCENES.items():
            journal.append(FIRST, NOON_MS, *cycle(name, seen))
        second = Writer("second", 2)
        journal.append(second, NOON_MS, structs.replace(STARTED, settings=TradingSettings()), *cycle("1", held()))
    with Journal.open(path, read_only=True) as journal:
        result = replay(journal)
        said = {entry.record.record["action"] for entry in journal.entries(Decided)}
        assert result.head == journal.head
    assert said == {action.value for action in Action}
    assert result.is_same
    assert [(one.session_id, one.decisions, one.undecided) for one in result.sessions] == [
        ("first", len(SCENES), ()),
        ("second", 1, ()),
    ]


def test_given_other_settings_than_those_written_down_when_replayed_then_the_first_difference_is_named(
    path: Path,
) -> None:
    strict = TradingSettings(signal=SignalRule(confidence_threshold=0.9))
    with begun(path) as journal:
        journal.append(FIRST, NOON_MS, *cycle("1", observation()))
        seen = observation()
        journal.append(FIRST, NOON_MS, Observed("2", seen), Decided("2", decide(strict, seen).as_dict()))
        (session,) = replay(journal, "first").sessions
    assert session.decisions == 2
    assert not session.is_same
    (difference,) = session.differences
    assert (difference.seq, difference.cycle_id) == (5, "2")
    assert difference.what == "action was 'stay_flat' and is 'open'"


def test_given_a_number_that_is_written_otherwise_when_replayed_then_it_is_a_difference_though_it_is_equal(
    path: Path,
) -> None:
    seen, said = cycle("1", observation())
    gates = [{**gate, "value": 0} if gate["name"] == "exchange_status" else gate for gate in said.record["gates"]]
    with begun(path) as journal:
        journal.append(FIRST, NOON_MS, seen, Decided("1", {**said.record, "gates": gates}))
        (session,) = replay(journal).sessions
    assert [one.what for one in session.differences] == ["gates[1].value was 0 and is 0.0"]


def test_given_a_decision_without_an_observation_when_replayed_then_it_is_a_difference(path: Path) -> None:
    with begun(path) as journal:
        journal.append(FIRST, NOON_MS, cycle("1", observation())[1])
        (session,) = replay(journal).sessions
    assert [one.what for one in session.differences] == ["there is no observation before it"]


def test_given_a_cycle_that_was_killed_before_it_decided_when_replayed_then_it_is_named_and_no_difference(
    path: Path,
) -> None:
    with begun(path) as journal:
        journal.append(FIRST, NOON_MS, cycle("1", observation())[0])
        journal.append(FIRST, NOON_MS, *cycle("2", observation()))
        (session,) = replay(journal).sessions
    assert session.is_same
    assert session.undecided == ("1",)


def test_given_a_cycle_that_decided_twice_when_replayed_then_each_decision_meets_its_own_observation(
    path: Path,
) -> None:
    with begun(path) as journal:
        journal.append(FIRST, NOON_MS, *cycle("1", observation()), *cycle("1", held()))
        (session,) = replay(journal).sessions
    assert (session.decisions, session.is_same, session.undecided) == (2, True, ())


def test_given_a_session_that_is_not_there_when_replayed_then_those_that_are_there_are_named(path: Path) -> None:
    with begun(path) as journal, pytest.raises(LineageError, match="no session second; there are first"):
        replay(journal, "second")


def test_given_an_empty_journal_when_replayed_then_it_says_that_there_is_nothing(path: Path) -> None:
    with Journal.open(path) as journal, pytest.raises(LineageError, match="nothing to replay"):
        replay(journal)


def test_given_a_journal_in_which_an_observation_was_changed_when_replayed_then_the_chain_is_what_fails(
    path: Path,
) -> None:
    with begun(path) as journal:
        journal.append(FIRST, NOON_MS, *cycle("1", observation()))
    with sqlite3.connect(path) as stranger:
        stranger.execute("DROP TRIGGER entries_stay")
        stranger.execute("UPDATE entries SET body = replace(body, '0.7', '0.8') WHERE seq = 2")
    stranger.close()
    with Journal.open(path) as journal, pytest.raises(JournalError, match="entry 2 was altered"):
        replay(journal)


@st.composite
def any_observation(draw: st.DrawFn) -> Observation:
    probability = st.floats(0, 1) | st.just(NAN)
    model = st.tuples(probability, probability, probability)
    any_float = st.floats(allow_nan=True, allow_infinity=True)
    bar = facts(
        age_ms=draw(st.floats(0, 1e9)),
        close=draw(st.floats(1e-3, 9e11)),
        atr=draw(any_float),
        spread=draw(st.floats(0, 1) | st.just(NAN)),
        last_return=draw(any_float),
        gap_minutes=draw(any_float),
        status=draw(st.sampled_from((0.0, 1.0, 4.0, NAN))),
        short=draw(probability),
        flat=draw(probability),
        long=draw(probability),
        models=tuple(draw(st.lists(model, max_size=3))),
    )
    side = draw(st.sampled_from((None, *PositionSide)))
    sides = {} if side is None else {side.value: position(side, draw(st.sampled_from(("0.0001", "0.01", "3"))))}
    rests = (order(18, stop_request(), OrderStatus.INACTIVE),) if draw(st.booleans()) else ()
    seen = account(
        mark=Price(draw(st.integers(1, 10**9))), cash=Jpy(draw(st.integers(0, 10**20))), open_orders=rests, **sides
    )
    history = TradeLedger.start(NOON_MS - HOUR_MS, Jpy(draw(st.integers(-(10**15), 10**20))))
    return Observation(bar, draw(any_float), seen, history, RULES, draw(st.integers(1, 4)))


@run_with(max_examples=100, deadline=None)
@given(
    seen=any_observation(),
    settings=st.builds(
        lambda threshold, target, trailing: TradingSettings(
            signal=SignalRule(confidence_threshold=threshold),
            barriers=BarrierRule(take_profit_atr=target, trailing_atr=trailing),
        ),
        st.floats(0.01, 1),
        st.floats(0.1, 9),
        st.none() | st.floats(0.1, 9),
    ),
)
def test_given_any_observation_and_settings_when_written_and_read_then_the_core_says_the_same_bytes(
    seen: Observation, settings: TradingSettings
) -> None:
    said = encode_record(Decided("1", decide(settings, seen).as_dict()))
    started = decode_record(encode_record(structs.replace(STARTED, settings=settings)))
    again = decode_record(encode_record(Observed("1", seen)))
    assert isinstance(again, Observed)
    assert repr(again.observation) == repr(seen)
    assert encode_record(Decided("1", decide(started.settings, again.observation).as_dict())) == said  # type: ignore[union-attr]
