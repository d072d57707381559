"""From an order back to the candles: every link is there, or its absence is an error that names it."""

from pathlib import Path

import pytest
from journals import (
    FIRST,
    LINEAGE,
    NOON_MS,
    SETTINGS,
    STARTED,
    begun,
    cycle,
    entry_request,
    fill,
    intent,
    observation,
    order,
    stop_request,
)
from msgspec import structs

from crypto_kedro.errors import LineageError
from crypto_kedro.session.journal import Journal, Writer
from crypto_kedro.session.journal.lineage import trace_order
from crypto_kedro.session.journal.records import (
    Answered,
    CycleStarted,
    FillSeen,
    Intended,
    Outcome,
    SessionStarted,
    Trigger,
)
from crypto_kedro.session.records import Purpose
from crypto_kedro.trading.orders import OrderStatus, Side

SECOND = Writer("second", 2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def traded(path: Path, started: SessionStarted = STARTED) -> Journal:
    """Return the journal of a session that entered with order 17."""
    journal = Journal.open(path)
    journal.append(FIRST, NOON_MS, started)
    journal.append(FIRST, NOON_MS + 250, CycleStarted("1", Trigger.BAR), *cycle("1", observation()), intent("first/1"))
    journal.append(FIRST, NOON_MS + 400, Answered("first/1", Outcome.PLACED, order(17, entry_request())))
    journal.append(FIRST, NOON_MS + 450, FillSeen(fill(5, NOON_MS + 300, Side.BUY, order_id=17)))
    return journal


def test_given_an_order_when_traced_then_each_link_down_to_the_candles_is_told(path: Path) -> None:
    with traded(path) as journal:
        links = [tuple(link) for link in trace_order(journal, 17).links]
    assert links == [
        ("order", "17: market buy 0.0100 BTC, long, FULLY_FILLED"),
        ("fill", "5: 0.0100 BTC at 1000000 JPY, 2018-03-07T03:00:00Z"),
        ("intent", "first/1: entry (signal), 2018-03-07T03:00:00Z"),
        ("decision", "open (signal), 2018-03-07T03:00:00Z, entry 4"),
        ("session", "first: paper, stage 1"),
        ("bundle", "b" * 64),
        ("model", "btc-jpy-ensemble version 3"),
        ("run", "r" * 32),
        ("trained by", "a" * 40),
        ("candles", "bitbank, sha256 " + "d" * 64),
        ("features", "f" * 64),
        ("traded by", "e" * 40),
    ]


def test_given_a_lost_answer_that_was_found_out_after_a_restart_when_traced_then_the_session_that_sent_it_is_told(
    path: Path,
) -> None:
    with begun(path) as journal:
        journal.append(FIRST, NOON_MS, *cycle("1", observation()), intent("first/1"))
        journal.append(SECOND, NOON_MS, STARTED, Answered("first/1", Outcome.PLACED, order(17, entry_request())))
        assert trace_order(journal, 17).session.session_id == "first"


def test_given_a_stop_repaired_by_the_next_session_when_traced_then_the_decision_of_the_session_before_is_told(
    path: Path,
) -> None:
    newer = structs.replace(LINEAGE, model_version="btc-jpy-ensemble version 4")
    with traded(path) as journal:
        journal.append(SECOND, NOON_MS, structs.replace(STARTED, lineage=newer))
        journal.append(SECOND, NOON_MS, intent("second/1", "7", stop_request()))
        rests = order(18, stop_request(), OrderStatus.INACTIVE)
        journal.append(SECOND, NOON_MS, Answered("second/1", Outcome.PLACED, rests))
        traced = trace_order(journal, 18)
    assert (traced.session.session_id, traced.origin.session_id, traced.decision.seq) == ("second", "first", 4)
    assert ("model", "btc-jpy-ensemble version 3") in traced.links
    assert traced.links[0].value == "18: stop_loss sell the whole position trigger 980000 JPY, long, INACTIVE"


def test_given_an_order_that_was_cancelled_later_when_traced_then_it_stands_as_last_reported(path: Path) -> None:
    with traded(path) as journal:
        journal.append(FIRST, NOON_MS, intent("first/2", request=stop_request()))
        rests = order(18, stop_request(), OrderStatus.INACTIVE)
        journal.append(FIRST, NOON_MS, Answered("first/2", Outcome.PLACED, rests))
        journal.append(FIRST, NOON_MS, Intended("first/3", "9", Purpose.STOP, "position", order_id=18))
        gone = structs.replace(rests, status=OrderStatus.CANCELED_UNFILLED)
        journal.append(FIRST, NOON_MS, Answered("first/3", Outcome.CANCELED, gone))
        traced = trace_order(journal, 18)
    assert traced.order == gone
    assert traced.intent.record.intent_id == "first/2"


def test_given_an_order_of_somebody_else_when_traced_then_it_is_said_to_be_unknown(path: Path) -> None:
    with traded(path) as journal:
        journal.append(FIRST, NOON_MS, FillSeen(fill(6, NOON_MS + 500, Side.BUY, order_id=99)))
        with pytest.raises(LineageError, match=r"order 99: .*holds no intent of it"):
            trace_order(journal, 99)


def test_given_a_stranger_order_that_the_trader_only_cancelled_when_traced_then_it_is_said_to_be_unknown(
    path: Path,
) -> None:
    with traded(path) as journal:
        journal.append(FIRST, NOON_MS, Intended("first/2", "1", Purpose.STOP, "foreign", order_id=99))
        journal.append(FIRST, NOON_MS, Answered("first/2", Outcome.CANCELED, order(99, stop_request())))
        with pytest.raises(LineageError, match="order 99"):
            trace_order(journal, 99)


def test_given_an_intent_without_a_decision_when_traced_then_that_link_is_named(path: Path) -> None:
    with begun(path) as journal:
        journal.append(
            FIRST, NOON_MS, intent("first/1"), Answered("first/1", Outcome.PLACED, order(17, entry_request()))
        )
        with pytest.raises(LineageError, match="no decision before its intent"):
            trace_order(journal, 17)


def test_given_a_session_whose_start_is_not_written_down_when_traced_then_that_link_is_named(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.append(FIRST, NOON_MS, *cycle("1", observation()), intent("first/1"))
        journal.append(FIRST, NOON_MS, Answered("first/1", Outcome.PLACED, order(17, entry_request())))
        with pytest.raises(LineageError, match="session first"):
            trace_order(journal, 17)


@pytest.mark.parametrize("link", LINEAGE.__struct_fields__)
@pytest.mark.parametrize("value", ["", "none: not a git commit"])
def test_given_a_blank_link_when_traced_then_it_is_an_error_that_names_the_link(
    path: Path, link: str, value: str
) -> None:
    started = structs.replace(STARTED, lineage=structs.replace(LINEAGE, **{link: value}), settings=SETTINGS)
    with traded(path, started) as journal, pytest.raises(LineageError, match=link):
        trace_order(journal, 17)
