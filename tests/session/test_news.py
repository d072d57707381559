"""Specifies what cycles tell: each incident once, who halts and resumes, and positions with and without a stop."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from accounts_in_trouble import Trouble
from paper_sessions import LINEAGE

from crypto_kedro.exchange.port import ExchangeError, RetryLaterError, StopTradingError
from crypto_kedro.market.bars import DAY_MS
from crypto_kedro.session import day_watch
from crypto_kedro.session.clock import SessionClock
from crypto_kedro.session.day_watch import DayWatch
from crypto_kedro.session.journal import JournalError, Writer
from crypto_kedro.session.journal.halt import halt_trading, resume_trading
from crypto_kedro.session.journal.records import SessionEnded, Trigger
from crypto_kedro.session.notice import (
    IncidentOver,
    IncidentSeen,
    News,
    Notice,
    PositionBare,
    PositionOpened,
    ProtectionRepaired,
    Severity,
    TradingHalted,
    TradingResumed,
)
from crypto_kedro.session.telling import Subject, Teller
from crypto_kedro.trading.money import Btc
from crypto_kedro.trading.orders import OrderRequest, OrderType, PositionSide
from crypto_kedro.trading.signal import SignalFacts

LONG, STOP = PositionSide.LONG, OrderType.STOP_LOSS
STOPS_SUSPENDED = 70_023


class Told(Trouble):
    """An account, and all that its traders tell."""

    def __init__(self, folder: Path) -> None:
        self.error: ExchangeError | None = None
        self.notices: list[Notice] = []
        super().__init__(folder)
        self.begin()

    def notify(self, notice: Notice) -> None:
        self.notices.append(notice)

    async def latest(self) -> SignalFacts[float] | None:
        if self.error is not None:
            raise self.error
        return await super().latest()

    def begin(self) -> None:
        """Let the present process tell of its session."""
        subject = Subject(
            environment="live",
            lineage=LINEAGE,
            cycle_terms=self.terms,
            on_tick=False,
            bars=tuple,
            clock=SessionClock(self.account.now_ms),
            lease_held=lambda: True,
        )
        self.teller = Teller(subject, self.journal, self)
        self.writer = Writer(f"session-{self.processes}", self.processes)
        self.teller.begin(self.writer)

    def restart(self) -> None:
        """End the session in good order and begin another in a new process."""
        self.end()
        self.start()

    def end(self) -> None:
        """End the session in good order."""
        self.journal.append(self.writer, self.account.now_ms(), SessionEnded("asked to end"))

    def start(self) -> None:
        """Begin a session in a new process."""
        self.new_process()
        self.begin()

    def by_hand(self, halt: str | None) -> None:
        """Let a human halt for a reason, or resume."""
        at_ms = self.account.now_ms()
        if halt is None:
            resume_trading(self.journal, at_ms, by="maria", reason="looked at it")
        else:
            halt_trading(self.journal, at_ms, by="maria", reason=halt)

    def enter(self) -> None:
        """Let an entry be sent and filled before the next cycle."""
        self.word(long=0.9)
        self.run(Trigger.BAR)
        self.word()
        self.account.next_bar()

    def run(self, trigger: Trigger = Trigger.PROTECTION) -> list[News]:
        """Run a cycle and return what it told."""
        before = len(self.notices)
        report = asyncio.run(self.cycle.run(trigger))
        self.teller.note(report, self.journal.halt())
        return [notice.news for notice in self.notices[before:]]


@pytest.fixture
def trader(tmp_path: Path) -> Iterator[Told]:
    made = Told(tmp_path)
    yield made
    made.journal.close()


def test_given_a_filled_entry_whose_stop_rests_then_it_is_told_with_its_stop(trader: Told) -> None:
    trader.enter()

    (opened,) = trader.run()

    assert isinstance(opened, PositionOpened)
    assert opened.stop is not None


def test_given_a_stop_that_is_refused_then_the_position_is_told_without_and_ever_more_urgently_until_it_rests(
    trader: Told,
) -> None:
    trader.enter()
    trader.exchange.refuses[STOP] = STOPS_SUSPENDED

    opened, bare = trader.run()
    still_bare = trader.run()
    trader.exchange.refuses.clear()
    (repaired,) = trader.run()

    assert isinstance(opened, PositionOpened)
    assert opened.stop is None
    assert bare == PositionBare(Severity.WARNING, LONG, opened.amount)
    assert still_bare == [PositionBare(Severity.CRITICAL, LONG, opened.amount)]
    assert isinstance(repaired, ProtectionRepaired)
    assert trader.run() == []


def test_given_a_bare_position_when_a_process_begins_then_it_is_told(trader: Told) -> None:
    trader.enter()
    trader.exchange.refuses[STOP] = STOPS_SUSPENDED
    trader.run()
    trader.restart()

    (bare,) = trader.run()

    assert isinstance(bare, PositionBare)


def test_given_an_entry_that_is_filled_between_two_processes_then_the_second_tells_it_and_a_third_does_not(
    trader: Told,
) -> None:
    trader.enter()
    trader.restart()
    assert [type(news) for news in trader.run()] == [PositionOpened]
    trader.restart()
    assert trader.run() == []


def test_given_a_position_opened_by_hand_then_its_want_of_a_stop_is_not_this_traders_business(trader: Told) -> None:
    buy(trader)

    assert [type(news) for news in trader.run()] == [IncidentSeen]


def test_given_a_foreign_fill_then_it_is_told_once_although_each_session_finds_it_anew(trader: Told) -> None:
    buy(trader)

    (told,) = trader.run()

    assert isinstance(told, IncidentSeen)
    assert (told.level, told.incident) == (Severity.WARNING, "foreign_fill")
    for _ in range(2):
        trader.restart()
        assert trader.run() == []


def buy(trader: Told) -> None:
    """Let a human buy at the market."""
    side = LONG.opening_side
    trader.account.engine.place(
        OrderRequest(side=side, type=OrderType.MARKET, amount=Btc.of("0.01"), position_side=LONG)
    )
    trader.account.next_bar()


def test_given_an_exchange_that_does_not_answer_then_each_cycle_says_the_same_and_the_first_good_one_that_it_is_over(
    trader: Told,
) -> None:
    trader.error = RetryLaterError("no answer", outcome_known=True)

    told = [trader.run(), trader.run()]
    trader.error = None

    assert told == [[IncidentSeen(Severity.WARNING, "exchange_unreachable", "no answer")]] * 2
    assert trader.run() == [IncidentOver("exchange_unreachable")]


@pytest.mark.parametrize("is_halted", [False, True])
def test_given_an_exchange_that_stops_trading_then_it_is_critical_whether_or_not_trading_was_halted(
    trader: Told, is_halted: bool
) -> None:
    if is_halted:
        trader.by_hand("going on holiday")
        trader.run()
    trader.error = StopTradingError("the account is locked")

    incident, *more = trader.run()

    assert incident == IncidentSeen(Severity.CRITICAL, "exchange_stopped_trading", "the account is locked")
    assert more == ([] if is_halted else [TradingHalted("trader", "the account is locked", False)])


def test_given_a_halt_that_ends_then_it_is_told_who_ended_it_and_why(trader: Told) -> None:
    trader.by_hand("going on holiday")
    assert trader.run() == [TradingHalted("maria", "going on holiday", False)]
    trader.by_hand(None)
    assert trader.run() == [TradingResumed("maria", "looked at it")]


def test_given_a_halt_and_its_end_while_no_trader_ran_then_the_next_one_tells_each_once(trader: Told) -> None:
    trader.run()
    trader.end()
    trader.by_hand("going on holiday")
    trader.start()
    assert trader.run() == [TradingHalted("maria", "going on holiday", False)]
    trader.restart()
    assert trader.run() == []
    trader.end()
    trader.by_hand(None)
    trader.start()
    assert trader.run() == [TradingResumed("maria", "looked at it")]
    trader.restart()
    assert trader.run() == []


def test_given_an_incident_from_outside_the_cycles_then_whoever_noted_it_tells_it(trader: Told) -> None:
    trader.teller.note_incident(IncidentSeen(Severity.WARNING, "messages_undelivered", "nobody took it"))

    assert trader.run() == []


def test_given_a_day_whose_digest_fails_then_that_is_told(trader: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_digest(*_: object) -> None:
        raise JournalError("the disk is gone")

    async def two_days_later() -> None:
        days = DayWatch(trader.journal, trader.teller, SessionClock(lambda: trader.account.now_ms() + 2 * DAY_MS))
        days.look()
        await days.finish()

    monkeypatch.setattr(day_watch, "day_of_journal", no_digest)
    asyncio.run(two_days_later())

    (notice,) = trader.notices
    assert notice.news == IncidentSeen(
        Severity.WARNING, "day_digest_failed", "the day's digest failed: the disk is gone"
    )
    assert trader.run() == []
