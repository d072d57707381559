"""Answers and requests that are lost within a cycle, over the wire: nothing is sent twice, and all ends protected."""

from pathlib import Path
from typing import Never

import pytest
from simulated_account import ACTIVE_ORDERS, NEW_ORDER, SimulatedAccount, order, play

from crypto_kedro.exchange.bitbank import shapes
from crypto_kedro.exchange.bitbank.checked import Row
from crypto_kedro.exchange.bitbank.errors import error_for
from crypto_kedro.exchange.retry import GrowingPauses
from crypto_kedro.exchange.simulator.faults import FaultKind
from crypto_kedro.session.journal import Writer
from crypto_kedro.session.journal.records import Intended, Trigger
from crypto_kedro.session.patience import once_it_answers
from crypto_kedro.session.reconcile import LEFT_OVER
from crypto_kedro.session.records import Purpose
from crypto_kedro.trading.orders import Order, OrderType

PROTECTED = ["stop_loss", "take_profit"]
TARGET = order("sell long all take_profit", trigger=2_000_000)


def test_given_answers_that_are_lost_when_the_orders_are_found_then_the_cycle_goes_on_as_if_nothing_had_been(
    tmp_path: Path,
) -> None:
    async def story(account: SimulatedAccount) -> None:
        account.bad(FaultKind.ANSWER_LOST, NEW_ORDER, times=3, ms=1)
        account.facts.long = 0.9

        report = await account.run(Trigger.BAR)

        assert (report.sent, report.error) == (3, None)
        assert account.answers() == ["placed"] * 3
        assert account.intents() == ["entry market", "stop stop_loss", "target take_profit"]
        assert await account.resting() == PROTECTED
        assert len(await account.human.fills_since(0)) == 1

    play(tmp_path, story)


def test_given_an_entry_that_never_arrived_then_it_is_not_sent_again_and_the_account_stays_flat(tmp_path: Path) -> None:
    async def story(account: SimulatedAccount) -> None:
        account.bad(FaultKind.SERVER_ERROR, NEW_ORDER, times=1)
        account.facts.long = 0.9
        await account.run(Trigger.BAR)

        assert account.answers() == ["not_placed"]
        assert (await account.run()).sent == 0
        assert await account.human.fills_since(0) == ()

    play(tmp_path, story)


def test_given_a_stop_that_never_arrived_then_it_rests_at_the_next_cycle_at_the_latest(tmp_path: Path) -> None:
    async def story(account: SimulatedAccount) -> None:
        await account.entered()
        await account.human.cancel((await account.the(OrderType.STOP_LOSS)).order_id)
        # The order that is not listed any more is looked up at an address that begins the same.
        account.bad(FaultKind.SERVER_ERROR, NEW_ORDER, times=2)
        await account.run()
        await account.run()

        assert await account.resting() == PROTECTED
        assert account.answers().count("not_placed") == 1

    play(tmp_path, story)


@pytest.mark.parametrize("restarts", [False, True])
def test_given_a_stop_of_which_nothing_can_be_found_out_then_no_second_one_is_sent_until_it_is_found(
    tmp_path: Path, restarts: bool
) -> None:
    async def story(account: SimulatedAccount) -> None:
        await account.entered()
        await account.human.cancel((await account.the(OrderType.STOP_LOSS)).order_id)
        before = account.intents()
        account.lights_out.set()
        await account.run()
        assert account.answers()[-1] == "unknown"
        assert (await account.run()).error is not None

        account.well()
        if restarts:
            account.new_process()
        assert (await account.run()).sent == 0

        assert account.intents() == [*before, "stop stop_loss"]
        assert account.answers()[-1] == "placed"
        assert await account.resting() == PROTECTED
        assert account.journal.unanswered() == ()

    play(tmp_path, story)


@pytest.mark.parametrize(("question", "code"), [("order", 50009), ("open_orders", 20001), ("open_orders", 50005)])
def test_given_a_filled_entry_whose_answer_is_lost_when_the_search_is_refused_then_it_is_known_later_and_protected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, question: str, code: int
) -> None:
    async def story(account: SimulatedAccount) -> None:
        account.bad(FaultKind.ANSWER_LOST, NEW_ORDER, times=1, ms=1)
        answer = getattr(account.exchange, question)
        refusals = [error_for(code, question)]

        async def refused_once(*about: int) -> object:
            if refusals and account.intents():
                raise refusals.pop()
            return await answer(*about)

        monkeypatch.setattr(account.exchange, question, refused_once)
        account.facts.long = 0.9
        await account.run(Trigger.BAR)
        account.facts.long = 0.0
        await account.run()

        assert not refusals
        assert account.intents() == ["entry market", "stop stop_loss", "target take_profit"]
        assert await account.resting() == PROTECTED
        assert account.journal.unanswered() == ()
        assert "foreign_fill" not in account.incidents()

    play(tmp_path, story)


@pytest.mark.parametrize("question", ["order", "outcome_of"])
def test_given_something_sent_of_which_asking_is_refused_when_a_cycle_begins_then_a_missing_stop_is_sent_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    async def story(account: SimulatedAccount) -> None:
        await account.entered()
        sent = Intended("other/1", "other", Purpose.TARGET, LEFT_OVER, order_id=1)
        if question == "outcome_of":
            sent = Intended("other/1", "other", Purpose.TARGET, LEFT_OVER, TARGET)
        account.journal.append(Writer("session-1", 1), account.clock(), sent)
        await account.human.cancel((await account.the(OrderType.STOP_LOSS)).order_id)

        async def refused(_: object) -> Never:
            raise error_for(20001, question)

        monkeypatch.setattr(account.exchange, question, refused)
        await account.run()

        assert await account.resting() == PROTECTED

    play(tmp_path, story)


def test_given_an_exchange_that_answers_and_then_fails_when_a_session_begins_then_it_is_waited_out(
    tmp_path: Path,
) -> None:
    async def story(account: SimulatedAccount) -> None:
        await account.exchange.account()
        account.bad(FaultKind.SERVER_ERROR, ACTIVE_ORDERS, times=3)

        await once_it_answers(account.cycle.take_over, pauses=GrowingPauses(0.01))

        assert (await account.run(Trigger.BAR)).error is None
        assert [fault["struck"] for fault in account.faults.report()] == [3]

    play(tmp_path, story)


@pytest.mark.parametrize("amount", ["0.0000", "0.0999"])
def test_given_an_exchange_that_tells_an_amount_for_whole_position_orders_then_none_is_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, amount: str
) -> None:
    read = shapes.order

    def with_amount(row: Row) -> Order:
        return read(row if row["start_amount"] is not None else {**row, "start_amount": amount})

    monkeypatch.setattr(shapes, "order", with_amount)

    async def story(account: SimulatedAccount) -> None:
        await account.entered()

        assert (await account.run()).sent == 0
        assert await account.resting() == PROTECTED

    play(tmp_path, story)


def test_given_a_humans_orders_and_fills_when_they_are_respected_then_they_stay_and_the_money_adds_up(
    tmp_path: Path,
) -> None:
    async def story(account: SimulatedAccount) -> None:
        await account.entered()
        await account.human.place(order("buy long 0.01 limit", price=900_000))
        await account.human.place(order("buy long 0.01 market"))
        await account.run()
        own = (await account.the(OrderType.STOP_LOSS)).request.amount
        assert own is not None
        await account.human.place(order("sell long 0.01 market"))
        await account.run()
        await account.run()

        assert await account.resting() == ["limit", *PROTECTED]
        assert (await account.the(OrderType.STOP_LOSS)).request.amount == own
        assert (await account.human.account()).long.amount == own
        assert "foreign_fill" in account.incidents()
        ledger = account.journal.ledger()
        assert ledger is not None
        assert ledger.balance == (await account.human.balances()).cash

    play(tmp_path, story)
