"""What a cycle sets right: stops that are missing, wrong or refused, orders that are left over, a human's trades."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from accounts_in_trouble import Trouble
from msgspec import structs
from told_trades import QUIET

from crypto_kedro.session.cycle import CycleReport
from crypto_kedro.session.journal import Journal, Writer
from crypto_kedro.session.journal.records import Incident, Intended, Record, Trigger
from crypto_kedro.session.ownership import ForeignOrders
from crypto_kedro.session.records import Purpose
from crypto_kedro.session.status import AccountSeen
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.decision import Action
from crypto_kedro.trading.money import Btc, Jpy, Price, Rate
from crypto_kedro.trading.orders import Order, OrderRequest, OrderType, PositionSide, RefusalCode

LONG = PositionSide.LONG
STOP = OrderType.STOP_LOSS
ABOVE_THE_BOUND, MARKET_ORDERS_SUSPENDED, STOPS_SUSPENDED = 60_016, 70_009, 70_023


class KilledError(BaseException):
    """The process is gone."""


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Trouble]]:
    made: list[Trouble] = []

    def make(rule: ForeignOrders = ForeignOrders.RESPECT, **more: object) -> Trouble:
        made.append(Trouble(tmp_path, rule, **more))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for trouble in made:
        trouble.journal.close()


@pytest.fixture
def trouble(make: Callable[..., Trouble]) -> Trouble:
    return make()


def run(trouble: Trouble, trigger: Trigger = Trigger.PROTECTION) -> CycleReport:
    return asyncio.run(trouble.cycle.run(trigger))


def protected(trouble: Trouble, side: PositionSide = LONG) -> Order:
    """Let the session open a position and protect it; return its stop."""
    trouble.word(**{side.value: 0.9})
    assert run(trouble, Trigger.BAR).sent == 1
    trouble.word()
    trouble.account.next_bar()
    assert run(trouble).sent == 2
    return the(trouble, STOP)


def widen_stops(trouble: Trouble) -> None:
    """Set the stops of the next session four times as far away."""
    settings = trouble.plan.settings
    barriers = replace(settings.barriers, stop_loss_atr=4 * settings.barriers.stop_loss_atr)
    trouble.plan = replace(trouble.plan, settings=replace(settings, barriers=barriers))
    trouble.terms = replace(trouble.terms, settings=trouble.plan.settings)


def the(trouble: Trouble, kind: OrderType) -> Order:
    (order,) = [order for order in trouble.state.open_orders if order.request.type is kind]
    return order


def by_hand(
    trouble: Trouble, words: str, *, trigger: int | None = None, price: int | None = None, ours: bool = False
) -> Order:
    """Let a human place an order such as ``"sell long 100 market"``, in lots; ``ours`` makes it the session's own."""
    side, position, lots, kind = words.split()
    request = OrderRequest(
        side=LONG.opening_side if side == "buy" else LONG.closing_side,
        type=next(known for known in OrderType if known == kind),
        amount=None if lots == "all" else Btc(int(lots)),
        price=None if price is None else Price(price),
        trigger_price=None if trigger is None else Price(trigger),
        position_side=next(known for known in PositionSide if known == position),
    )
    order = trouble.account.engine.place(request)
    assert isinstance(order, Order), order
    if ours:
        trouble.cycle._dispatcher._ownership.placed(order, Purpose.STOP, trouble.account.now_ms())
    return order


def kinds(trouble: Trouble) -> list[str]:
    return sorted(str(order.request.type) for order in trouble.state.open_orders)


@pytest.mark.parametrize("side", PositionSide)
def test_given_a_missing_stop_when_a_cycle_runs_then_the_same_rests_again(trouble: Trouble, side: PositionSide) -> None:
    stop = protected(trouble, side)
    trouble.account.engine.cancel(stop.order_id)
    report = run(trouble)
    assert (report.sent, report.repaired) == (1, (side,))
    assert the(trouble, STOP).request == stop.request


@pytest.mark.parametrize(("lots", "trigger"), [("all", 970_000), ("100", 970_000)])
def test_given_a_stop_of_the_wrong_size_or_price_when_a_cycle_runs_then_the_right_one_takes_its_place(
    trouble: Trouble, lots: str, trigger: int
) -> None:
    stop = protected(trouble)
    trouble.account.engine.cancel(stop.order_id)
    wrong = by_hand(trouble, f"sell long {lots} stop_loss", trigger=trigger, ours=True)
    assert run(trouble).sent == 2
    assert the(trouble, STOP).request == stop.request
    assert the(trouble, STOP).order_id != wrong.order_id
    assert run(trouble).sent == 0


def test_given_a_stop_nearer_to_profit_when_a_cycle_runs_then_it_stays(trouble: Trouble) -> None:
    stop = protected(trouble)
    better = by_hand(trouble, "sell long all stop_loss", trigger=995_000, ours=True)
    trouble.account.engine.cancel(stop.order_id)

    assert run(trouble).sent == 0
    assert the(trouble, STOP).order_id == better.order_id


@pytest.mark.parametrize("side", PositionSide)
@pytest.mark.parametrize("is_canceled", [False, True])
def test_given_wider_barriers_when_a_new_process_begins_then_the_stop_moves_only_towards_profit(
    trouble: Trouble, side: PositionSide, is_canceled: bool
) -> None:
    stop = protected(trouble, side)
    if is_canceled:
        trouble.account.engine.cancel(stop.order_id)
    widen_stops(trouble)
    trouble.new_process()

    for _ in range(3):
        run(trouble, Trigger.BAR)
        assert the(trouble, STOP).request == stop.request
        trouble.account.next_bar()


def test_given_a_bare_position_when_restarted_with_other_barriers_then_those_of_its_entry_protect_it(
    trouble: Trouble,
) -> None:
    trouble.word(long=0.9)
    assert run(trouble, Trigger.BAR).sent == 1
    trouble.word()
    trouble.account.next_bar()
    widen_stops(trouble)
    trouble.new_process()

    run(trouble)

    assert the(trouble, STOP).request.trigger_price == Price(990_000)


def test_given_stops_of_the_other_side_when_a_cycle_runs_then_none_is_left_that_closes_nothing(
    make: Callable[..., Trouble],
) -> None:
    trouble = make(ForeignOrders.ADOPT)
    protected(trouble)
    by_hand(trouble, "sell short 100 market")
    trouble.account.next_bar()
    by_hand(trouble, "buy short all stop_loss", trigger=1_010_000)
    by_hand(trouble, "buy short 100 market")
    trouble.account.next_bar()
    for _ in range(3):
        run(trouble)
        trouble.account.next_bar()
    for side in PositionSide:
        resting = [o for o in trouble.state.open_orders if o.request.position_side is side]
        assert len(resting) == (2 if trouble.state.position(side).amount else 0)


@pytest.mark.parametrize(("close", "which"), [(1_030_000, "take-profit"), (970_000, "stop")])
@pytest.mark.parametrize("limit_target", [False, True])
def test_given_a_position_that_its_stop_or_target_closed_when_a_cycle_runs_then_the_other_is_gone(
    make: Callable[..., Trouble], close: int, which: str, limit_target: bool
) -> None:
    last = (1_000_000, max(close, 1_000_500), min(close, 999_500), close)
    trouble = make(rows=[QUIET, QUIET, last, *[(close, close, close, close)] * 2], limit_target=limit_target)
    protected(trouble)
    trouble.account.next_bar()
    # A limit order holds what the stop would close; the exchange drops the stop, and the cycle closes in its place.
    assert bool(trouble.state.long.amount) == (limit_target and which == "stop")
    run(trouble)
    trouble.account.next_bar()
    run(trouble)
    assert not trouble.state.long.amount
    assert trouble.state.open_orders == ()
    assert run(trouble).sent == 0


def test_given_a_stop_that_the_price_has_passed_when_it_is_repaired_then_the_position_is_closed_at_the_market(
    make: Callable[..., Trouble],
) -> None:
    low = (985_000, 985_000, 985_000, 985_000)
    trouble = make(rows=[QUIET, QUIET, low, low])
    stop = protected(trouble)
    trouble.account.engine.cancel(stop.order_id)
    trouble.account.next_bar()
    run(trouble)
    trouble.account.next_bar()
    run(trouble)
    assert not trouble.state.long.amount
    assert trouble.state.open_orders == ()


def test_given_a_stop_that_is_refused_for_good_when_it_is_repaired_then_the_position_is_closed(
    trouble: Trouble,
) -> None:
    trouble.account.engine.cancel(protected(trouble).order_id)
    trouble.exchange.refuses[STOP] = ABOVE_THE_BOUND
    run(trouble)
    trouble.account.next_bar()
    assert not trouble.state.long.amount


def test_given_stops_that_are_suspended_when_a_position_is_bare_for_too_long_then_it_is_closed(
    trouble: Trouble,
) -> None:
    trouble.account.engine.cancel(protected(trouble).order_id)
    trouble.exchange.refuses[STOP] = STOPS_SUSPENDED
    run(trouble)
    run(trouble)
    assert kinds(trouble) == ["take_profit"]
    trouble.account.next_bar()
    assert trouble.state.long.amount
    run(trouble)
    trouble.account.next_bar()
    assert not trouble.state.long.amount


def test_given_stops_that_were_suspended_for_a_moment_then_the_position_keeps_its_stop(trouble: Trouble) -> None:
    trouble.account.engine.cancel(protected(trouble).order_id)
    trouble.exchange.refuses[STOP] = STOPS_SUSPENDED
    run(trouble)
    trouble.exchange.refuses.clear()
    assert run(trouble).sent == 1
    assert kinds(trouble) == ["stop_loss", "take_profit"]


def test_given_an_order_engine_that_does_not_know_the_position_yet_then_it_is_not_closed_and_gets_its_stop(
    trouble: Trouble,
) -> None:
    trouble.account.engine.cancel(protected(trouble).order_id)
    trouble.exchange.refuses[STOP] = RefusalCode.EXCEEDS_POSITION
    assert not run(trouble).is_settled
    trouble.exchange.refuses.clear()
    assert run(trouble).is_settled
    assert kinds(trouble) == ["stop_loss", "take_profit"]
    assert trouble.state.long.amount


def test_given_a_stop_that_is_too_small_when_the_right_one_is_refused_for_good_then_the_position_is_closed(
    make: Callable[..., Trouble],
) -> None:
    trouble = make(ForeignOrders.ADOPT)
    shrink_stop(trouble)
    trouble.exchange.refuses[STOP] = ABOVE_THE_BOUND
    run(trouble)
    trouble.account.next_bar()
    assert not trouble.state.long.amount


def test_given_a_stop_that_is_too_small_when_the_right_one_is_refused_for_the_moment_then_nothing_is_settled(
    make: Callable[..., Trouble],
) -> None:
    trouble = make(ForeignOrders.ADOPT)
    shrink_stop(trouble)
    trouble.exchange.refuses[STOP] = RefusalCode.EXCEEDS_POSITION
    assert not run(trouble).is_settled
    trouble.exchange.refuses.clear()
    assert run(trouble).is_settled


def shrink_stop(trouble: Trouble) -> None:
    """Replace the stop by one that closes the smallest amount."""
    stop = protected(trouble)
    trouble.account.engine.cancel(stop.order_id)
    assert stop.request.trigger_price is not None
    by_hand(trouble, "sell long 1 stop_loss", trigger=stop.request.trigger_price.ticks)


def test_given_a_stop_whose_outcome_stays_unknown_then_no_second_one_is_sent_and_the_position_is_closed_in_time(
    trouble: Trouble,
) -> None:
    trouble.account.engine.cancel(protected(trouble).order_id)
    trouble.exchange.fates = iter(["unknown"])
    stops = len([e for e in trouble.journal.entries(Intended) if e.record.purpose is Purpose.STOP])
    run(trouble)
    run(trouble)
    sent = [e.record for e in trouble.journal.entries(Intended) if e.record.purpose is Purpose.STOP]
    assert len(sent) == stops + 1
    trouble.account.next_bar()
    run(trouble)
    trouble.account.next_bar()
    assert not trouble.state.long.amount
    trouble.exchange.is_dark = False
    run(trouble)
    assert trouble.state.open_orders == ()
    assert trouble.journal.unanswered() == ()


def test_given_a_target_that_fills_in_parts_when_cycles_run_then_the_stop_covers_what_is_left_to_the_end(
    make: Callable[..., Trouble],
) -> None:
    rows = [
        QUIET,
        QUIET,
        (1_000_000, 1_022_000, 999_500, 1_021_000),
        *[(1_021_000, 1_022_000, 1_020_500, 1_021_000)] * 3,
    ]
    trouble = make(rows=rows, volumes=[10.0, 10.0, 2.0, 2.0, 2.0, 2.0], volume_share=Rate.of("0.02"), limit_target=True)
    stop = protected(trouble)
    left = [trouble.state.long.amount]
    while trouble.state.long.amount:
        trouble.account.next_bar()
        run(trouble)
        left.append(trouble.state.long.amount)
        assert trouble.own_share(LONG) == left[-1]
        assert kinds(trouble) == (["limit", "stop_loss"] if left[-1] else [])
        assert not left[-1] or the(trouble, STOP).order_id == stop.order_id
    assert left == [Btc(999), Btc(599), Btc(199), Btc(0)]


def test_given_a_human_who_closes_the_position_by_hand_then_it_is_the_traders_result_and_it_trades_again(
    trouble: Trouble,
) -> None:
    protected(trouble)
    by_hand(trouble, f"sell long {trouble.state.long.amount.lots} market")
    trouble.account.next_bar()
    run(trouble)
    assert trouble.ledger.open_trade(LONG) is None
    assert trouble.ledger.closed_trades == 1
    assert trouble.ledger.balance == trouble.state.cash
    assert trouble.state.open_orders == ()
    trouble.word(long=0.9)
    trouble.account.next_bar()
    assert run(trouble, Trigger.BAR).sent == 1


def test_given_a_human_who_closes_more_than_is_his_then_the_result_is_shared_and_nothing_is_lost(
    trouble: Trouble,
) -> None:
    protected(trouble)
    own = trouble.state.long.amount
    by_hand(trouble, "buy long 100 market")
    trouble.account.next_bar()
    run(trouble)
    assert the(trouble, STOP).request.amount == own
    by_hand(trouble, "sell long 150 market")
    trouble.account.next_bar()
    run(trouble)
    assert trouble.own_share(LONG) == trouble.state.long.amount == own - Btc(50)
    assert the(trouble, STOP).request.amount is None
    by_hand(trouble, f"sell long {trouble.state.long.amount.lots} market")
    trouble.account.next_bar()
    run(trouble)
    assert trouble.ledger.balance == trouble.state.cash


def a_human_joins(trouble: Trouble) -> None:
    """Let a human open a position of his own beside the session's, and set a stop and a target that lie nearer."""
    by_hand(trouble, "buy long 50 market")
    trouble.account.next_bar()
    by_hand(trouble, "sell long 50 limit", price=1_001_000)
    by_hand(trouble, "sell long 50 stop_loss", trigger=999_000)


def shown_orders(report: CycleReport) -> list[tuple[str, Price | None]]:
    """Kinds and triggers of the closing orders that the session was shown."""
    assert report.account is not None
    return [(str(order.request.type), order.request.trigger_price) for order in report.account.open_orders]


def test_given_a_humans_stop_and_target_when_a_bar_closes_then_they_do_not_become_those_of_the_session(
    trouble: Trouble,
) -> None:
    protected(trouble)
    a_human_joins(trouble)
    report = run(trouble, Trigger.BAR)
    assert report.decision is not None
    assert report.decision.target is not None
    protection = report.decision.target.protection
    assert (protection.stop, protection.take_profit) == (Price(990_000), Price(1_020_000))


def test_given_a_bare_position_beside_a_humans_stop_when_it_is_shown_then_it_has_none(trouble: Trouble) -> None:
    stop = protected(trouble)
    a_human_joins(trouble)
    trouble.account.engine.cancel(stop.order_id)
    trouble.exchange.refuses[STOP] = STOPS_SUSPENDED
    report = run(trouble)
    assert report.account is not None
    assert report.ledger is not None
    (held,) = AccountSeen.of(report.account, report.ledger).positions
    assert (held.stop, held.take_profit) == (None, Price(1_020_000))


def test_given_nothing_to_recall_when_a_new_process_finds_its_stop_gone_then_it_does_not_take_a_humans_price(
    trouble: Trouble,
) -> None:
    stop = protected(trouble)
    a_human_joins(trouble)
    trouble.word(short=0.9)
    trouble.exchange.refuses[OrderType.MARKET] = MARKET_ORDERS_SUSPENDED
    report = run(trouble, Trigger.BAR)
    assert report.decision is not None
    assert report.decision.action is Action.CLOSE
    trouble.word()
    trouble.account.engine.cancel(stop.order_id)
    trouble.new_process()
    report = run(trouble)
    assert ("stop_loss", stop.request.trigger_price) in shown_orders(report)


def test_given_a_human_who_is_about_to_open_a_position_then_the_session_stays_flat(trouble: Trouble) -> None:
    by_hand(trouble, "buy long 50 limit", price=900_000)
    trouble.word(long=0.9)
    report = run(trouble, Trigger.BAR)
    assert report.decision is not None
    assert (report.decision.reason, report.sent) == ("pending_entries", 0)


def test_given_a_stop_of_which_nobody_knows_whether_it_rests_when_it_does_then_the_session_goes_on_from_its_price(
    trouble: Trouble,
) -> None:
    stop = protected(trouble)
    trouble.account.engine.cancel(stop.order_id)
    trouble.exchange.fates = iter(["unknown"])
    run(trouble)
    assert ("stop_loss", stop.request.trigger_price) in shown_orders(run(trouble))


def test_given_an_adopted_position_when_cycles_run_then_it_has_a_stop_and_a_target_of_its_own(
    make: Callable[..., Trouble],
) -> None:
    trouble = make(ForeignOrders.ADOPT)
    by_hand(trouble, "buy long 100 market")
    trouble.account.next_bar()
    run(trouble, Trigger.BAR)
    assert kinds(trouble) == ["stop_loss", "take_profit"]
    assert trouble.own_share(LONG) == Btc(100)


def dies_before_its_entry(trouble: Trouble) -> None:
    """Let the process die once its decision is written down and before it intends anything."""
    write = Journal.append

    def append(journal: Journal, writer: Writer, at_ms: int, *records: Record) -> None:
        if any(isinstance(record, Intended) for record in records):
            raise KilledError
        write(journal, writer, at_ms, *records)

    trouble.word(long=0.9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "append", append)
        with pytest.raises(KilledError):
            run(trouble, Trigger.BAR)
    trouble.new_process()


def test_given_an_entry_that_was_decided_and_not_intended_when_a_new_process_looks_in_time_then_it_enters_once(
    trouble: Trouble,
) -> None:
    dies_before_its_entry(trouble)
    assert run(trouble, Trigger.BAR).sent == 1
    trouble.new_process()
    assert run(trouble, Trigger.BAR).sent == 0
    assert [e.record.purpose for e in trouble.journal.entries(Intended)] == [Purpose.ENTRY]


def test_given_an_entry_that_was_decided_and_not_intended_when_a_new_process_looks_too_late_then_it_stays_flat(
    trouble: Trouble,
) -> None:
    dies_before_its_entry(trouble)
    facts = trouble.facts.latest

    async def stale() -> object:
        known = await facts()
        return known and known._replace(age_ms=trouble.terms.settings.guards.max_data_age_ms + 1.0)

    trouble.facts.latest = stale  # type: ignore[method-assign, assignment]
    report = run(trouble, Trigger.BAR)
    assert report.sent == 0
    assert report.decision is not None
    assert report.decision.reason == "data_age_ms"


def test_given_a_position_that_is_gone_without_a_fill_then_that_is_an_incident_until_it_is_back(
    trouble: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    protected(trouble)
    whole = trouble.exchange.account

    async def without_position() -> AccountState:
        account = await whole()
        return structs.replace(account, long=structs.replace(account.long, amount=Btc(0), product=Jpy(0)))

    monkeypatch.setattr(trouble.exchange, "account", without_position)
    first = run(trouble)
    assert (first.contradiction, first.is_settled) == (None, False)
    trouble.account.next_bar()
    again, once_more = run(trouble), run(trouble)
    assert again.contradiction is not None
    assert "long position" in again.contradiction
    assert once_more.contradiction == again.contradiction
    incidents = [entry.record.code for entry in trouble.journal.entries(Incident)]
    assert incidents.count("exchange_contradicts") == 1

    monkeypatch.undo()
    assert run(trouble).contradiction is None
