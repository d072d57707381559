"""Appending and reading: order, atomicity, refusal of every change, the fence, the chain."""

import hashlib
import math
import os
import sqlite3
from pathlib import Path

import msgspec
import pytest
from journals import (
    FIRST,
    NOON_MS,
    STARTED,
    begun,
    cycle,
    entry_request,
    facts,
    fill,
    intent,
    observation,
    order,
    stop_request,
)

from crypto_kedro.session.journal import Journal, JournalError, OutdatedFenceError, Writer
from crypto_kedro.session.journal.halt import HUMAN
from crypto_kedro.session.journal.records import (
    Answered,
    CycleEnded,
    CycleStarted,
    DrawdownCleared,
    EquityMarked,
    FillSeen,
    Halted,
    Incident,
    Intended,
    MoneyMoved,
    Observed,
    Outcome,
    Record,
    Resumed,
    SessionEnded,
    Trigger,
)
from crypto_kedro.session.notice import Severity
from crypto_kedro.session.records import Purpose
from crypto_kedro.trading.ledger import EquityPoint, Transfer
from crypto_kedro.trading.money import Jpy
from crypto_kedro.trading.orders import Side

ONE_OF_EACH: tuple[Record, ...] = (
    STARTED,
    CycleStarted("1", Trigger.BAR),
    *cycle("1", observation()),
    intent("first/1"),
    Answered("first/1", Outcome.UNKNOWN, error="no answer"),
    Answered("first/1", Outcome.PLACED, order(17, entry_request())),
    intent("first/2", request=stop_request()),
    Answered("first/2", Outcome.NOT_PLACED, error="refused (60018)"),
    Intended("first/3", "1", Purpose.STOP, "position", order_id=18),
    Answered("first/3", Outcome.CANCELED, order(18, stop_request())),
    FillSeen(fill(1, NOON_MS + 400, Side.BUY)),
    EquityMarked(EquityPoint(NOON_MS + 500, Jpy.of("99999.5"))),
    MoneyMoved(Transfer(NOON_MS + 600, Jpy.of(-500))),
    DrawdownCleared("taro", "looked at it"),
    Incident(Severity.WARNING, "clock", "The clock jumped by 3 s; 時計."),
    Halted("taro", "holiday", True),
    Resumed("taro", "back"),
    CycleEnded("1", 3),
    SessionEnded("SIGTERM"),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def test_given_one_record_of_each_kind_when_the_file_is_opened_again_then_all_are_read_as_they_were(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.append(FIRST, NOON_MS, *ONE_OF_EACH)
    with Journal.open(path, read_only=True) as journal:
        entries = list(journal.entries())
    assert tuple(entry.record for entry in entries) == ONE_OF_EACH
    assert [entry.seq for entry in entries] == list(range(1, len(ONE_OF_EACH) + 1))
    assert {(entry.at_ms, entry.session_id, entry.fence) for entry in entries} == {(NOON_MS, "first", 1)}


def test_given_two_sessions_when_entries_are_asked_for_by_kind_session_and_place_then_only_those_come(
    path: Path,
) -> None:
    with begun(path) as journal:
        journal.append(FIRST, NOON_MS, CycleStarted("1", Trigger.BAR), CycleEnded("1", 0))
        journal.append(Writer("second", 2), NOON_MS, STARTED, CycleStarted("1", Trigger.TICK))
        assert [entry.record.trigger for entry in journal.entries(CycleStarted)] == [Trigger.BAR, Trigger.TICK]
        assert [entry.seq for entry in journal.entries(CycleStarted, CycleEnded, session_id="first")] == [2, 3]
        assert [entry.seq for entry in journal.entries(after=3)] == [4, 5]


def test_given_more_entries_than_a_page_when_read_then_none_is_missing_or_doubled(path: Path) -> None:
    with begun(path) as journal:
        journal.append(FIRST, NOON_MS, *(CycleEnded(str(number), 0) for number in range(1_200)))
        assert [entry.record.cycle_id for entry in journal.entries(CycleEnded)] == [str(n) for n in range(1_200)]


@pytest.mark.parametrize("unknown", [math.nan, math.inf, -math.inf, -0.0, 5e-324, 0.1 + 0.2])
def test_given_a_float_that_json_lacks_or_rounds_when_read_back_then_it_is_the_same_float(
    path: Path, unknown: float
) -> None:
    with begun(path) as journal:
        journal.append(FIRST, NOON_MS, Observed("1", observation(facts=facts(atr=unknown, last_return=unknown))))
        (entry,) = journal.entries(Observed)
    seen = entry.record.observation.facts
    assert [value.hex() for value in (seen.atr, seen.last_return)] == [unknown.hex()] * 2


def test_given_an_int_where_a_float_belongs_when_appended_then_it_is_refused_since_a_replay_would_differ(
    path: Path,
) -> None:
    with begun(path) as journal, pytest.raises(JournalError, match="a float belongs"):
        journal.append(FIRST, NOON_MS, Observed("1", observation(facts=facts(status=0))))


def test_given_an_intent_that_places_and_cancels_when_made_then_it_is_refused() -> None:
    with pytest.raises(JournalError, match="intent first/1"):
        Intended("first/1", "1", Purpose.ENTRY, "signal", request=entry_request(), order_id=3)


def test_given_one_bad_record_among_good_ones_when_appended_then_none_is_written(path: Path) -> None:
    with begun(path) as journal:
        before = journal.head
        with pytest.raises(JournalError, match="awaits no answer"):
            journal.append(FIRST, NOON_MS, intent("first/1"), Answered("first/9", Outcome.NOT_PLACED))
        assert journal.head == before
        assert journal.unanswered() == ()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entries SET at_ms = 0",
        "UPDATE entries SET seq = seq + 10",
        "DELETE FROM entries",
        "DELETE FROM entries WHERE seq = 2",
        "INSERT OR REPLACE INTO entries SELECT 1, 0, session_id, fence, kind, body, hash FROM entries WHERE seq = 2",
        "INSERT INTO entries SELECT 9, at_ms, session_id, fence, kind, body, hash FROM entries WHERE seq = 2",
        "UPDATE OR REPLACE entries SET seq = 1 WHERE seq = 2",
    ],
)
def test_given_a_journal_when_sql_tries_to_change_the_past_then_the_file_refuses(path: Path, change: str) -> None:
    with begun(path) as journal:
        journal.append(FIRST, NOON_MS, CycleStarted("1", Trigger.BAR), CycleEnded("1", 0))
        before = list(journal.entries())
        with sqlite3.connect(path) as stranger, pytest.raises(sqlite3.IntegrityError, match="append-only"):
            stranger.execute(change)
        assert list(journal.entries()) == before


def tamper(path: Path, sql: str) -> None:
    """Change the file as somebody would who takes its guards away first."""
    with sqlite3.connect(path) as stranger:
        names = [name for (name,) in stranger.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        for name in names:
            stranger.execute(f"DROP TRIGGER {name}")
        stranger.execute(sql)
    stranger.close()


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        ("UPDATE entries SET at_ms = at_ms + 1 WHERE seq = 2", "entry 2 was altered"),
        ("UPDATE entries SET session_id = 'x' WHERE seq = 2", "entry 2 was altered"),
        ("UPDATE entries SET fence = 0 WHERE seq = 2", "entry 2 was altered"),
        ("UPDATE entries SET kind = 'cycle_ended' WHERE seq = 2", "entry 2 was altered"),
        ("UPDATE entries SET body = replace(body, 'bar', 'tick') WHERE seq = 2", "entry 2 was altered"),
        ("UPDATE entries SET hash = replace(hash, 'a', 'b') WHERE seq = 2", "entry 2 was altered"),
        ("DELETE FROM entries WHERE seq = 2", "entry 2 is missing"),
        ("DELETE FROM entries WHERE seq = 1", "entry 1 is missing"),
    ],
)
def test_given_an_altered_file_when_verified_then_the_first_wrong_entry_is_named(
    path: Path, sql: str, complaint: str
) -> None:
    with begun(path) as journal:
        journal.append(FIRST, NOON_MS, CycleStarted("a", Trigger.BAR), CycleEnded("a", 0))
        head = journal.head
        assert journal.verify(head) == head
    tamper(path, sql)
    with Journal.open(path) as journal, pytest.raises(JournalError, match=complaint):
        journal.verify()


def test_given_a_journal_cut_short_when_verified_with_a_head_kept_elsewhere_then_it_shows(path: Path) -> None:
    with begun(path) as journal:
        journal.append(FIRST, NOON_MS, CycleStarted("1", Trigger.BAR), CycleEnded("1", 0))
        known = journal.head
    tamper(path, "DELETE FROM entries WHERE seq = 3")
    with Journal.open(path) as journal:
        assert journal.verify().seq == 2
        with pytest.raises(JournalError, match="its end was cut off"):
            journal.verify(known)
        journal.append(FIRST, NOON_MS, CycleEnded("1", 5))
        with pytest.raises(JournalError, match="was rewritten"):
            journal.verify(known)


def test_given_two_entries_when_hashed_by_hand_then_the_chain_is_sha256_over_the_hash_before_and_the_columns(
    path: Path,
) -> None:
    with begun(path) as journal:
        journal.append(FIRST, NOON_MS + 5, CycleEnded("1", 0))
    with sqlite3.connect(path) as reader:
        rows = reader.execute("SELECT * FROM entries ORDER BY seq").fetchall()
    previous = "0" * 64
    for *columns, stored in rows:
        previous = hashlib.sha256(msgspec.json.encode([previous, *columns])).hexdigest()
        assert previous == stored
    assert rows[1][5] == '{"cycle_id":"1","error":null,"kind":"cycle_ended","sent":0}'


def test_given_a_later_lease_when_the_former_holder_appends_then_it_is_refused_and_told_why(path: Path) -> None:
    with begun(path) as journal, Journal.open(path) as successor:
        successor.append(Writer("second", 2), NOON_MS, STARTED)
        with pytest.raises(OutdatedFenceError, match=r"session first holds token 1.*token 2"):
            journal.append(FIRST, NOON_MS, CycleStarted("1", Trigger.BAR))
        assert [entry.session_id for entry in journal.entries()] == ["first", "second"]
        assert journal.highest_fence == 2


def test_given_a_humans_hand_when_it_writes_then_the_fence_of_the_trader_stays_valid(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.append(Writer("first", 7), NOON_MS, STARTED)
        journal.append(HUMAN, NOON_MS, Halted("taro", "lunch", False))
        journal.append(Writer("first", 7), NOON_MS, CycleStarted("1", Trigger.BAR))
        assert [entry.fence for entry in journal.entries()] == [7, 7, 7]


def test_given_no_file_when_opened_for_reading_then_one_sentence_says_so(path: Path) -> None:
    with pytest.raises(JournalError, match="there is no such file"):
        Journal.open(path, read_only=True)
    assert not path.exists()


def test_given_another_file_when_opened_then_it_is_not_taken_for_a_journal_and_stays_as_it_was(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE models (name TEXT)")
    other.close()
    content = path.read_bytes()
    with pytest.raises(JournalError, match="is no journal"):
        Journal.open(path)
    assert path.read_bytes() == content
    path.write_text("candles\n" * 1_000)
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal.open(path)


def test_given_a_folder_that_does_not_exist_when_opened_then_the_sentence_says_what_to_do(path: Path) -> None:
    with pytest.raises(JournalError, match="make its folder"):
        Journal.open(path.parent / "absent" / "journal.db")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write what is read-only")
def test_given_a_read_only_folder_when_opened_for_writing_then_the_sentence_says_what_to_do(path: Path) -> None:
    path.parent.chmod(0o500)
    try:
        with pytest.raises(JournalError, match=r"writable"):
            Journal.open(path)
    finally:
        path.parent.chmod(0o700)
