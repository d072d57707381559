"""What a journal answers over restarts: intents without an answer, the halt in force, the account's history."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journals import CAPITAL, FIRST, NOON_MS, STARTED, begun, entry_request, fill, intent, order, round_trip

from crypto_kedro.exchange.port import Attempt
from crypto_kedro.market.bars import HOUR_MS, MINUTE_MS
from crypto_kedro.session.journal import Journal, JournalError, Writer
from crypto_kedro.session.journal.account_history import AccountHistory
from crypto_kedro.session.journal.entry import Entry
from crypto_kedro.session.journal.halt import halt_trading, resume_trading
from crypto_kedro.session.journal.records import (
    Answered,
    CycleStarted,
    DrawdownCleared,
    EquityMarked,
    FillSeen,
    Halted,
    Intended,
    MoneyMoved,
    Outcome,
    Record,
    Trigger,
)
from crypto_kedro.session.records import Purpose
from crypto_kedro.trading.ledger import EquityPoint, LedgerError, TradeLedger, Transfer
from crypto_kedro.trading.money import Jpy
from crypto_kedro.trading.orders import Fill, Side

SECOND = Writer("second", 2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def test_given_intents_when_restarted_then_those_without_a_final_answer_await_one(path: Path) -> None:
    with begun(path) as journal:
        journal.append(FIRST, NOON_MS + 1, intent("first/1"), intent("first/2"), intent("first/3"), intent("first/4"))
        journal.append(FIRST, NOON_MS + 2, Answered("first/1", Outcome.PLACED, order(17, entry_request())))
        journal.append(FIRST, NOON_MS + 3, Answered("first/2", Outcome.UNKNOWN, error="no answer"))
        journal.append(FIRST, NOON_MS + 4, Answered("first/3", Outcome.NOT_PLACED, error="refused"))
    with Journal.open(path) as journal:
        lost, never = journal.unanswered()
        assert (lost.intent.intent_id, lost.answer) == (
            "first/2",
            Answered("first/2", Outcome.UNKNOWN, None, "no answer"),
        )
        assert (never.intent.intent_id, never.answer) == ("first/4", None)
        journal.append(
            SECOND, NOON_MS + 9, Answered("first/2", Outcome.NOT_PLACED), Answered("first/4", Outcome.PLACED)
        )
        assert journal.unanswered() == ()


def test_given_an_intent_that_a_killed_process_left_when_asked_about_then_the_question_holds_all_that_is_needed(
    path: Path,
) -> None:
    with begun(path) as journal:
        left = Intended("first/1", "1", Purpose.ENTRY, "signal", request=entry_request(), other_order_ids=(3, 5))
        journal.append(FIRST, NOON_MS + 7, left)
    with Journal.open(path) as journal:
        (one,) = journal.unanswered()
    assert one.session_id == "first"
    assert one.attempt(NOON_MS + 900) == Attempt(entry_request(), NOON_MS + 7, NOON_MS + 900, frozenset((3, 5)))


def test_given_a_cancel_that_a_killed_process_left_when_asked_about_then_it_says_that_it_may_be_repeated(
    path: Path,
) -> None:
    with begun(path) as journal:
        journal.append(FIRST, NOON_MS, Intended("first/1", "1", Purpose.STOP, "position", order_id=17))
        (one,) = journal.unanswered()
        with pytest.raises(JournalError, match="cancel order 17 again"):
            one.attempt(NOON_MS)


@pytest.mark.parametrize(
    ("records", "complaint"),
    [
        ((intent("first/1"), intent("first/1")), "first/1 is written down already"),
        ((Answered("first/1", Outcome.PLACED),), "first/1 awaits no answer"),
        (
            (intent("first/1"), Answered("first/1", Outcome.PLACED), Answered("first/1", Outcome.NOT_PLACED)),
            "first/1 awaits no answer",
        ),
        ((FillSeen(fill(1, NOON_MS, Side.BUY)), FillSeen(fill(1, NOON_MS, Side.BUY))), "fill 1 is written down"),
        ((STARTED,), "session first has begun already"),
    ],
)
def test_given_records_that_contradict_each_other_when_appended_then_they_are_refused(
    path: Path, records: Sequence[Record], complaint: str
) -> None:
    with begun(path) as journal, pytest.raises(JournalError, match=complaint):
        journal.append(FIRST, NOON_MS, *records)


def test_given_a_halt_when_restarted_then_it_is_in_force_until_a_human_resumes(path: Path) -> None:
    with begun(path) as journal:
        assert journal.halt() is None
        journal.append(FIRST, NOON_MS + 1, Halted("trader", "the key was revoked", False))
    with Journal.open(path) as journal:
        journal.append(SECOND, NOON_MS + 2, STARTED, CycleStarted("1", Trigger.BAR))
        halt = journal.halt()
        assert halt is not None
        assert (halt.by, halt.reason, halt.flatten, halt.since_ms) == (
            "trader",
            "the key was revoked",
            False,
            NOON_MS + 1,
        )
        resume_trading(journal, NOON_MS + 3, by="taro", reason="new key")
        assert journal.halt() is None
    with Journal.open(path) as journal:
        assert journal.halt() is None


def test_given_a_halt_that_flattens_when_halted_again_without_then_it_still_flattens_and_dates_from_the_first(
    path: Path,
) -> None:
    with begun(path) as journal:
        halt_trading(journal, NOON_MS + 1, by="taro", reason="crash", flatten=True)
        halt_trading(journal, NOON_MS + 2, by="hanako", reason="me too")
        halt = journal.halt()
        assert halt is not None
        assert (halt.by, halt.flatten, halt.since_ms) == ("hanako", True, NOON_MS + 1)
        resume_trading(journal, NOON_MS + 3, by="taro", reason="calm")
        halt_trading(journal, NOON_MS + 4, by="taro", reason="lunch")
        halt = journal.halt()
        assert halt is not None
        assert not halt.flatten


def test_given_no_reason_or_no_halt_when_resumed_then_it_is_refused(path: Path) -> None:
    with begun(path) as journal:
        with pytest.raises(JournalError, match="not halted"):
            resume_trading(journal, NOON_MS, by="taro", reason="why not")
        halt_trading(journal, NOON_MS, by="taro", reason="lunch")
        with pytest.raises(JournalError, match="who does it and why"):
            resume_trading(journal, NOON_MS, by="taro", reason=" ")
        assert journal.halt() is not None


def test_given_a_history_over_two_sessions_when_folded_then_the_ledger_is_that_of_its_events(path: Path) -> None:
    first, second = round_trip(1, NOON_MS + MINUTE_MS, "-300"), round_trip(3, NOON_MS + HOUR_MS, "500")
    point, moved = EquityPoint(NOON_MS + HOUR_MS // 2, Jpy.of(99_000)), Transfer(NOON_MS + 2 * HOUR_MS, Jpy.of(10_000))
    with Journal.open(path) as journal:
        assert journal.ledger() is None
        journal.append(FIRST, NOON_MS, STARTED)
        assert journal.ledger() == TradeLedger.start(NOON_MS, CAPITAL)
        journal.append(FIRST, NOON_MS + HOUR_MS // 2, *map(FillSeen, first), EquityMarked(point))
    with Journal.open(path) as journal:
        journal.append(SECOND, NOON_MS + 2 * HOUR_MS, STARTED, *map(FillSeen, second), MoneyMoved(moved))
        expected = TradeLedger.replay(NOON_MS, CAPITAL, (*first, point, *second, moved))
        assert journal.ledger() == expected
        assert (expected.balance, expected.closed_trades, expected.loss_streak) == (Jpy.of(110_200), 2, 0)
        assert [journal.has_fill(trade_id) for trade_id in (1, 4, 5)] == [True, True, False]


def test_given_a_drawdown_when_a_human_clears_it_then_the_ledger_measures_from_there(path: Path) -> None:
    with begun(path) as journal:
        journal.append(FIRST, NOON_MS, *map(FillSeen, round_trip(1, NOON_MS, "-20000")))
        deep = journal.ledger()
        journal.append(Writer("human", None), NOON_MS + HOUR_MS, DrawdownCleared("taro", "a bad day"))
        cleared = journal.ledger()
    assert deep is not None
    assert cleared is not None
    assert (deep.deepest_drawdown, cleared.deepest_drawdown, cleared.peak) == (0.2, 0.0, Jpy.of(80_000))


def test_given_fills_that_do_not_add_up_when_written_then_they_are_kept_and_the_ledger_is_an_error(path: Path) -> None:
    with begun(path) as journal:
        journal.append(FIRST, NOON_MS, FillSeen(fill(1, NOON_MS, Side.SELL)))
        for _ in range(2):
            with pytest.raises(LedgerError, match="the fills before it opened only 0"):
                journal.ledger()
        assert journal.has_fill(1)


def test_given_an_opening_fill_found_after_its_closing_one_when_folded_then_the_history_is_mended(path: Path) -> None:
    opening, closing = round_trip(1, NOON_MS, "100")
    with begun(path) as journal:
        journal.append(FIRST, NOON_MS, FillSeen(closing))
        with pytest.raises(LedgerError):
            journal.ledger()
        journal.append(FIRST, NOON_MS, FillSeen(opening))
        assert journal.ledger() == TradeLedger.replay(NOON_MS, CAPITAL, (opening, closing))


def test_given_a_fill_dated_before_the_start_by_a_slower_clock_when_folded_then_the_history_begins_with_it(
    path: Path,
) -> None:
    early = fill(1, NOON_MS - 800, Side.BUY)
    with begun(path) as journal:
        assert journal.ledger() == TradeLedger.start(NOON_MS, CAPITAL)
        journal.append(FIRST, NOON_MS, FillSeen(early))
        assert journal.ledger() == TradeLedger.replay(NOON_MS - 800, CAPITAL, (early,))


def test_given_money_before_any_session_when_written_then_it_is_refused(path: Path) -> None:
    with Journal.open(path) as journal, pytest.raises(JournalError, match="before any session"):
        journal.append(FIRST, NOON_MS, MoneyMoved(Transfer(NOON_MS, Jpy(1))))


@st.composite
def histories(draw: st.DrawFn) -> list[Record]:
    """Return records of some trades and equity points oldest first, several of them at one moment."""
    at_ms, trade_id, records = NOON_MS + draw(st.sampled_from((-MINUTE_MS, -1, 0, 1))), 0, []
    for _ in range(draw(st.integers(1, 12))):
        at_ms += draw(st.sampled_from((0, 0, 1, MINUTE_MS)))
        if draw(st.booleans()):
            records.append(FillSeen(fill(trade_id, at_ms, Side.BUY)))
            net = str(draw(st.integers(-9_000, 9_000)))
            records.append(FillSeen(fill(trade_id + 1, at_ms, Side.SELL, net)))
            trade_id += 2
        else:
            records.append(EquityMarked(EquityPoint(at_ms, Jpy.of(draw(st.integers(50_000, 150_000))))))
    return records


@settings(max_examples=100, deadline=None)
@given(records=histories(), data=st.data())
def test_given_any_order_of_writing_and_asking_when_folded_then_the_ledger_is_always_the_one_of_a_restart(
    records: list[Record], data: st.DataObject
) -> None:
    entries: list[Entry[Record]] = []
    history = AccountHistory()
    history.begin(NOON_MS, CAPITAL)
    for seq, record in enumerate(data.draw(st.permutations(records))):
        entries.append(Entry(seq, NOON_MS, "first", 1, record))
        history.take(entries[-1])
        if data.draw(st.booleans()):
            try:
                history.ledger(lambda: entries)
            except LedgerError:
                assert any(isinstance(record, FillSeen) for record in records)
    restarted = AccountHistory()
    restarted.begin(NOON_MS, CAPITAL)
    for entry in entries:
        restarted.take(entry)
    assert history.ledger(lambda: entries) == restarted.ledger(lambda: entries)
    fills = [entry.record.fill for entry in entries if isinstance(entry.record, FillSeen)]
    assert_all_counted(restarted.ledger(lambda: entries), fills)


def assert_all_counted(ledger: TradeLedger | None, fills: Sequence[Fill]) -> None:
    """Assert that a ledger holds the result of every fill."""
    assert ledger is not None
    assert ledger.closed_trades == len(fills) // 2
    assert ledger.balance == Jpy(CAPITAL.units + sum(one.profit_loss.units for one in fills))
