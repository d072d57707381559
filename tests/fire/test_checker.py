"""The judge itself, on evidence made by hand: what is counted, what is excused, and what is no excuse."""

from pathlib import Path
from typing import Any

import pytest
from checker import Evidence, Verdict, judge
from exchange_history import ExchangeHistory, Span, Unprotected
from msgspec.structs import replace
from wire_log import Accepted, Asked, Line, Told

from crypto_kedro.session.journal import Journal, Writer
from crypto_kedro.session.journal.records import Answered, FillSeen, Intended, Lineage, Outcome, Record, SessionStarted
from crypto_kedro.session.records import Purpose
from crypto_kedro.trading.account import AccountState, MarginState, MarginStatus, Position
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.orders import Fill, Liquidity, Order, OrderRequest, OrderStatus, OrderType, PositionSide, Side
from crypto_kedro.trading.settings import TradingSettings

START_MS = 1_790_000_000_000
CYCLE_MS = 30_000
CAPITAL = Jpy.of(1_000_000)
NOTHING = Jpy(0)
LINEAGE = Lineage("none", "none", "none", "none", "none", "synthetic", "none", "none")
ENTRY = OrderRequest(side=Side.BUY, type=OrderType.MARKET, amount=Btc.of("0.01"), position_side=PositionSide.LONG)
STOP = OrderRequest(
    side=Side.SELL, type=OrderType.STOP_LOSS, trigger_price=Price(9_900_000), position_side=PositionSide.LONG
)


def order(order_id: int, request: OrderRequest = ENTRY, *, filled: bool = True) -> Order:
    status = OrderStatus.FULLY_FILLED if filled else OrderStatus.CANCELED_UNFILLED
    amount = Btc.of("0.01")
    executed = amount if filled else Btc(0)
    return Order(order_id, request, status, amount, executed, Price(10_000_000) * executed, START_MS)


def fill(trade_id: int, profit_loss: str = "0") -> Fill:
    opens = profit_loss == "0"
    return Fill(
        trade_id=trade_id,
        order_id=1,
        executed_at_ms=START_MS + trade_id,
        side=Side.BUY if opens else Side.SELL,
        position_side=PositionSide.LONG,
        order_type=OrderType.MARKET,
        liquidity=Liquidity.TAKER,
        price=Price(10_000_000),
        amount=Btc.of("0.01"),
        fee_occurred=NOTHING,
        fee_charged=NOTHING,
        interest=NOTHING,
        profit_loss=Jpy.of(profit_loss),
    )


def account(cash: Jpy) -> AccountState:
    long, short = (Position(side, Btc(0), NOTHING, NOTHING, NOTHING, Btc(0)) for side in PositionSide)
    margin = MarginStatus(MarginState.NORMAL, cash, NOTHING, NOTHING, cash)
    return AccountState(START_MS, Price(10_000_000), cash, NOTHING, Btc(0), Btc(0), NOTHING, long, short, (), margin)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal.db"
    write(path, SessionStarted("paper", LINEAGE, TradingSettings(), CAPITAL, 1))
    return path


def write(path: Path, *records: Record) -> None:
    with Journal.open(path) as journal:
        journal.append(Writer("session", 1), START_MS, *records)


def verdict(journal: Path, *, wire: tuple[Line, ...] = (), cash: Jpy = CAPITAL, **history: Any) -> Verdict:
    known = ExchangeHistory(account=account(cash), ends_ms=START_MS + 3_600_000, **history)
    tokens = {"first": 1, "second": 2}
    return judge(Evidence(history=known, wire=wire, journal=journal, tokens=tokens, cycle_ms=CYCLE_MS))


def intended(number: int, request: OrderRequest = ENTRY) -> Intended:
    return Intended(str(number), "1", Purpose.ENTRY, "signal", request)


def test_given_nothing_happened_then_the_trader_survived(journal: Path) -> None:
    assert verdict(journal) == Verdict()
    assert verdict(journal).survived


@pytest.mark.parametrize(
    "answers",
    [
        (Answered("1", Outcome.PLACED, order(1)),),
        (Answered("1", Outcome.UNKNOWN, None, "lost"),),
        (),
    ],
)
def test_given_one_order_for_one_intent_when_it_is_answered_or_not_then_it_is_explained(
    journal: Path, answers: tuple[Answered, ...]
) -> None:
    write(journal, intended(1), *answers)
    assert verdict(journal, orders={1: order(1)}) == Verdict()


def test_given_two_orders_for_one_intent_then_one_was_sent_twice(journal: Path) -> None:
    write(journal, intended(1), Answered("1", Outcome.PLACED, order(2)))
    found = verdict(journal, orders={1: order(1), 2: order(2)})
    assert found.counts == Verdict().counts | {"duplicate_orders": 1}
    assert "sent twice: order 1 " in found.duplicate_orders[0]


def test_given_an_order_without_an_intent_then_it_is_not_in_the_journal(journal: Path) -> None:
    assert verdict(journal, orders={1: order(1, STOP)}).counts == Verdict().counts | {"unannounced_orders": 1}


def test_given_an_intent_that_was_given_up_then_only_an_order_without_a_fill_is_explained_by_it(journal: Path) -> None:
    write(journal, intended(1), Answered("1", Outcome.NOT_PLACED, None, "no trace"))
    assert verdict(journal, orders={1: order(1, filled=False)}) == Verdict()
    assert verdict(journal, orders={1: order(1)}).counts["duplicate_orders"] == 1


def test_given_an_entry_beside_another_when_both_are_in_the_journal_then_it_is_a_duplicate_all_the_same(
    journal: Path,
) -> None:
    write(journal, intended(1), intended(2))
    found = verdict(journal, orders={1: order(1), 2: order(2)}, second_entries=[order(2)])
    assert found.counts == Verdict().counts | {"duplicate_orders": 1}


def test_given_a_loss_cut_by_the_exchange_then_nobody_has_to_explain_it(journal: Path) -> None:
    cut = replace(STOP, type=OrderType.LOSSCUT, trigger_price=None, amount=Btc.of("0.01"))
    assert verdict(journal, orders={1: order(1, cut)}) == Verdict()


def test_given_fills_that_differ_then_each_is_found(journal: Path) -> None:
    write(journal, FillSeen(fill(1)), FillSeen(fill(3, "-200")))
    found = verdict(journal, fills=[fill(1), fill(2), fill(3, "-300")], cash=CAPITAL + Jpy.of(-200))
    assert found.lost_fills == ("fill 2 is not in the journal", "fill 3 stands differently in the journal")
    assert verdict(journal, fills=[fill(1)], cash=CAPITAL + Jpy.of(-200)).lost_fills == ("fill 3 never happened",)


@pytest.mark.parametrize(("cash", "findings"), [("999999.0001", 0), ("1000000.9", 0), ("999999", 2), ("1000001", 2)])
def test_given_a_difference_in_money_then_a_yen_is_too_much(journal: Path, cash: str, findings: int) -> None:
    assert verdict(journal, cash=Jpy.of(cash)).counts["equity"] == findings


def bare(seconds: int) -> list[Unprotected]:
    return [Unprotected(PositionSide.LONG, Span(START_MS, START_MS + seconds * 1000))]


def request(number: int, second: int, *, ok: bool, key: str = "first") -> tuple[Line, Line]:
    at_ms = START_MS + second * 1000
    return Asked(number, at_ms, key, "/v1/user/assets"), Told(number, at_ms, ok)


def test_given_a_position_without_a_stop_then_one_cycle_is_forgiven_and_no_more(journal: Path) -> None:
    assert verdict(journal, unprotected=bare(30)) == Verdict()
    assert verdict(journal, unprotected=bare(31)).counts == Verdict().counts | {"unprotected": 1}


def test_given_an_exchange_that_was_silent_then_the_cycle_begins_when_it_answers_again(journal: Path) -> None:
    silence = (*request(1, 5, ok=False), *request(2, 65, ok=False), *request(3, 95, ok=True))
    assert verdict(journal, wire=silence, unprotected=bare(125)) == Verdict()
    assert verdict(journal, wire=silence, unprotected=bare(126)).counts["unprotected"] == 1


def test_given_an_exchange_that_answers_then_it_is_no_excuse(journal: Path) -> None:
    answers = (*request(1, 5, ok=True), *request(2, 35, ok=True), *request(3, 65, ok=True))
    assert verdict(journal, wire=answers, unprotected=bare(70)).counts["unprotected"] == 1


def test_given_no_trader_that_lives_then_a_position_is_counted_all_the_same(journal: Path) -> None:
    lived = request(1, 5, ok=True)
    succeeded = request(2, 36, ok=True)
    assert verdict(journal, wire=(*lived, *succeeded), unprotected=bare(31)).counts["unprotected"] == 1
    assert verdict(journal, wire=lived, unprotected=bare(3_600)).counts["unprotected"] == 1


def test_given_an_exchange_that_nobody_asks_again_then_its_silence_is_no_excuse_for_ever(journal: Path) -> None:
    asked_in_vain = request(1, 5, ok=False)
    assert verdict(journal, wire=asked_in_vain, unprotected=bare(3_600)).counts["unprotected"] == 1


def accepted(number: int, key: str) -> tuple[Line, ...]:
    asked, told = request(number, number, ok=True, key=key)
    return asked, Accepted(number, asked.at_ms, "place", 60_000_000_000 + number), told


def test_given_a_takeover_then_only_what_the_first_sends_afterwards_is_found(journal: Path) -> None:
    wire = (*accepted(1, "first"), *request(2, 2, ok=True, key="second"), *accepted(3, "second"))
    assert verdict(journal, wire=wire) == Verdict()
    late = verdict(journal, wire=(*wire, *request(4, 4, ok=True), *accepted(5, "first")))
    assert late.fenced_orders == ("place of order 60000000005 with token 1 after token 2",)


def test_given_a_process_that_never_had_the_lease_then_its_orders_are_found(journal: Path) -> None:
    wire = (*accepted(1, "first"), *accepted(2, "stranger"))
    assert len(verdict(journal, wire=wire).fenced_orders) == 1
