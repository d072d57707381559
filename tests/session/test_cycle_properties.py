"""Whatever state an account is in, cycles bring it to what it should be, and then send nothing more."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paper_sessions import KnownFacts, begin
from replays import BAR_MS, START_MS, bars_of, facts_of
from told_trades import ATR, QUIET, plan_with

from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.session.cycle import Cycle, CycleTerms
from crypto_kedro.session.journal import Journal, Writer
from crypto_kedro.session.journal.halt import halt_trading
from crypto_kedro.session.journal.records import Trigger
from crypto_kedro.session.ownership import ForeignOrders
from crypto_kedro.session.paper import RecordedAccount
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.money import Btc, Price
from crypto_kedro.trading.orders import OrderRequest, OrderType, PositionSide

BARS = 12

sides = st.sampled_from(PositionSide)


@st.composite
def strays(draw: st.DrawFn) -> OrderRequest:
    """An order that somebody left behind: any kind, any side, at any price near the market."""
    side = draw(sides)
    kind = draw(st.sampled_from([t for t in OrderType if t is not OrderType.LOSSCUT]))
    opens = kind in (OrderType.LIMIT, OrderType.MARKET) and draw(st.booleans())
    amount = Btc(draw(st.integers(1, 200)))
    if kind in (OrderType.STOP_LOSS, OrderType.TAKE_PROFIT) and draw(st.booleans()):
        amount = None
    price = Price(1_000_000 + draw(st.integers(-40_000, 40_000)))
    return OrderRequest(
        side=side.opening_side if opens else side.closing_side,
        type=kind,
        amount=amount,
        price=price if kind.has_price else None,
        trigger_price=price if kind.has_trigger else None,
        position_side=side,
    )


class Desk:
    """An account in some state on a quiet market, and the cycles of a session on it."""

    def __init__(self, folder: str, rule: ForeignOrders, long: float = 0.0) -> None:
        self.bars = bars_of([QUIET] * BARS)
        self.plan = plan_with()
        self.account = RecordedAccount(BarFeed(self.bars), self.plan, Price(0))
        self.journal = Journal.open(Path(folder) / "journal.db")
        begin(self.journal, START_MS, self.plan.settings, self.plan.cash, Writer("session-0", 0))
        self.processes = 0
        self.account.next_bar()
        self.word(long)
        self.terms = CycleTerms(settings=self.plan.settings, funding_stage=1, kelly=2.0, foreign_orders=rule)

    def word(self, long: float) -> None:
        """Let the model say the same of every bar."""
        facts = facts_of(self.bars, ATR, np.full(BARS, long), np.zeros(BARS))
        self.facts = KnownFacts(facts, self.account.now_ms, BAR_MS)

    def session(self) -> Cycle:
        """Begin the session of a new process."""
        self.processes += 1
        writer = Writer(f"session-{self.processes}", self.processes)
        begin(self.journal, self.account.now_ms(), self.plan.settings, self.plan.cash, writer)
        return Cycle(self.account.exchange, self.facts, self.journal, writer, self.terms, self.account.now_ms)

    def state(self) -> AccountState:
        return self.account.engine.account()

    def past(self, requests: list[OrderRequest]) -> None:
        """Let others trade on the account."""
        for request in requests:
            self.account.engine.place(request)
        self.account.next_bar()


def is_as_it_should_be(account: AccountState) -> bool:
    """No stray order, and exactly one stop and one target for the one position there may be."""
    if any(order.request.opens for order in account.open_orders):
        return False
    if account.long.amount and account.short.amount:
        return False
    for side in PositionSide:
        kinds = sorted(o.request.type.value for o in account.open_orders if o.request.position_side is side)
        if kinds != (["stop_loss", "take_profit"] if account.position(side).amount else []):
            return False
    return True


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(str(tmp_path), ForeignOrders.RESPECT)
    yield desk
    desk.journal.close()


def openings(*opened: tuple[PositionSide, int]) -> list[OrderRequest]:
    return [
        OrderRequest(side=side.opening_side, type=OrderType.MARKET, amount=Btc(lots), position_side=side)
        for side, lots in opened
    ]


@given(st.lists(st.tuples(sides, st.integers(1, 500)), max_size=3), st.lists(strays(), max_size=6))
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_given_any_state_when_cycles_run_then_three_are_enough_and_the_next_sends_nothing(
    opened: list[tuple[PositionSide, int]], left: list[OrderRequest]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(folder, ForeignOrders.ADOPT)
        desk.past(openings(*opened))
        desk.past(left)
        session = desk.session()
        for _ in range(3):
            assert asyncio.run(session.run(Trigger.BAR)).error is None
            desk.account.next_bar()
        assert is_as_it_should_be(desk.state())
        assert asyncio.run(session.run(Trigger.PROTECTION)).sent == 0
        assert asyncio.run(desk.session().run(Trigger.BAR)).sent == 0
        desk.journal.close()


@given(st.tuples(sides, st.integers(1, 500)), st.lists(strays(), max_size=6))
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_given_foreign_orders_and_a_foreign_position_when_they_are_respected_then_nothing_is_sent_or_opened(
    opened: tuple[PositionSide, int], left: list[OrderRequest]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(folder, ForeignOrders.RESPECT, long=0.9)
        desk.past([*openings(opened), *left])
        session = desk.session()
        while desk.account.next_bar():
            report = asyncio.run(session.run(Trigger.BAR))
            if desk.state().long.amount or desk.state().short.amount:
                assert report.sent == 0
        desk.journal.close()


def test_given_an_entry_that_is_filled_when_the_next_cycle_runs_then_its_stop_and_target_rest(desk: Desk) -> None:
    desk.word(long=0.9)
    session = desk.session()
    assert asyncio.run(session.run(Trigger.BAR)).sent == 1
    assert asyncio.run(session.run(Trigger.PROTECTION)).sent == 0
    desk.account.next_bar()
    assert asyncio.run(session.run(Trigger.PROTECTION)).sent == 2
    assert is_as_it_should_be(desk.state())
    assert asyncio.run(session.run(Trigger.BAR)).sent == 0


def test_given_a_stop_that_somebody_cancelled_when_a_cycle_runs_then_it_rests_again_at_the_same_price(
    desk: Desk,
) -> None:
    desk.word(long=0.9)
    session = desk.session()
    asyncio.run(session.run(Trigger.BAR))
    desk.account.next_bar()
    asyncio.run(session.run(Trigger.BAR))
    (stop,) = [o for o in desk.state().open_orders if o.request.type is OrderType.STOP_LOSS]
    desk.account.engine.cancel(stop.order_id)
    report = asyncio.run(session.run(Trigger.PROTECTION))
    assert (report.sent, report.repaired) == (1, (PositionSide.LONG,))
    (repaired,) = [o for o in desk.state().open_orders if o.request.type is OrderType.STOP_LOSS]
    assert repaired.request == stop.request


def test_given_a_new_process_when_it_finds_a_bare_position_then_the_stop_is_that_of_the_same_bar(desk: Desk) -> None:
    desk.word(long=0.9)
    asyncio.run(desk.session().run(Trigger.BAR))
    desk.account.next_bar()
    report = asyncio.run(desk.session().run(Trigger.PROTECTION))
    assert report.sent == 2
    assert is_as_it_should_be(desk.state())


def test_given_a_bar_that_was_decided_when_a_new_process_looks_then_it_does_not_open_again(desk: Desk) -> None:
    desk.word(long=0.9)
    assert asyncio.run(desk.session().run(Trigger.BAR)).sent == 1
    desk.account.engine.cancel(desk.state().open_orders[0].order_id)
    assert asyncio.run(desk.session().run(Trigger.BAR)).sent == 0


def test_given_a_halt_when_a_signal_comes_then_nothing_is_opened_and_what_is_open_stays_protected(desk: Desk) -> None:
    desk.word(long=0.9)
    session = desk.session()
    asyncio.run(session.run(Trigger.BAR))
    desk.account.next_bar()
    halt_trading(desk.journal, desk.account.now_ms(), by="human", reason="test")
    assert asyncio.run(session.run(Trigger.STOP)).sent == 2
    assert is_as_it_should_be(desk.state())
    assert desk.state().long.amount


def test_given_a_halt_that_flattens_when_cycles_run_then_the_position_and_its_orders_are_gone(desk: Desk) -> None:
    desk.word(long=0.9)
    session = desk.session()
    asyncio.run(session.run(Trigger.BAR))
    desk.account.next_bar()
    asyncio.run(session.run(Trigger.PROTECTION))
    halt_trading(desk.journal, desk.account.now_ms(), by="human", reason="test", flatten=True)
    asyncio.run(session.run(Trigger.STOP))
    desk.account.next_bar()
    asyncio.run(session.run(Trigger.PROTECTION))
    assert not desk.state().long.amount
    assert not desk.state().open_orders
