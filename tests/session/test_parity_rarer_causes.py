"""The rarer causes of a difference between a session and its backtest, each planted by itself."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from paper_sessions import LINEAGE
from planted_sessions import BAR_MS, ENTRIES, PlantedSession, facts_on, minute_bars, told, usual_plan
from replays import CASH

from crypto_kedro.exchange.port import Attempt, NotPlaced, Placement, RefusedError, Unknown
from crypto_kedro.market.bars import MINUTE_MS, Bars, FloatArray
from crypto_kedro.session.journal.records import MoneyMoved
from crypto_kedro.session.parity import Cause, Kind, Parity
from crypto_kedro.session.parity.fills import rule_fee
from crypto_kedro.trading.ledger import Transfer
from crypto_kedro.trading.money import Jpy
from crypto_kedro.trading.orders import Fill, Liquidity, OrderRequest
from crypto_kedro.trading.signal import SignalFacts

SECOND_ENTRY = 18


@pytest.fixture
def planted(tmp_path: Path) -> PlantedSession:
    return PlantedSession(tmp_path)


def assert_only(parity: Parity, cause: Cause) -> None:
    """Assert that everything follows from differences of one cause."""
    assert {word for _, word in told(parity)} == {cause.value}
    assert parity.unexplained == ()


def answering(session: PlantedSession, answer: Callable[[OrderRequest], Placement]) -> None:
    """Let the exchange give an answer of its own to the first entry, and place every other order."""
    place, asked = session.account.exchange.place, [0]

    async def placed(request: OrderRequest) -> Placement:
        asked[0] += request.opens
        return answer(request) if request.opens and asked[0] == 1 else await place(request)

    session.exchange.place = placed


def test_given_an_entry_that_the_exchange_refused_when_compared_then_it_says_so(planted: PlantedSession) -> None:
    answering(planted, lambda _: NotPlaced(RefusedError("exchange: no entries today")))
    planted.trade()
    parity = planted.compared()
    assert told(parity) == [("order", "refused")]
    assert "no entries today" in parity.differences[0].why.evidence
    assert_only(parity, Cause.REFUSED)


def test_given_an_order_whose_outcome_stays_unknown_when_compared_then_all_that_was_not_opened_names_it(
    planted: PlantedSession,
) -> None:
    def lose(request: OrderRequest) -> Placement:
        now_ms = planted.account.now_ms()
        return Unknown(Attempt(request, now_ms, now_ms, frozenset()), "the answer was lost")

    async def still_unknown(attempt: Attempt) -> Placement:
        return Unknown(attempt, "the answer was lost")

    answering(planted, lose)
    planted.exchange.outcome_of = still_unknown
    planted.trade()
    assert_only(planted.compared(), Cause.UNKNOWN_OUTCOME)


def test_given_another_model_after_a_restart_when_all_is_compared_then_the_signals_name_it(
    planted: PlantedSession,
) -> None:
    def again(session: PlantedSession) -> None:
        session.end()
        session.begin(lineage=msgspec.structs.replace(LINEAGE, bundle_digest="c" * 64), facts=doubtful(session))

    planted.at_decision = {28: again}
    planted.trade()
    parity = planted.compared(session="all")
    signals = [one for one in parity.differences if one.kind is Kind.SIGNAL]
    assert len(signals) == 44 - 28
    assert {one.why.cause for one in signals} == {Cause.MODEL_CHANGED}
    decisions = [one for one in parity.differences if one.kind is Kind.DECISION]
    assert decisions[0].why.cause is Cause.MODEL_CHANGED
    assert decisions[0].why.because in {one.number for one in signals}
    assert parity.unexplained == ()


def doubtful(session: PlantedSession) -> SignalFacts[FloatArray]:
    """The word of a model that is half as sure."""
    facts = facts_on(session.bars)
    return facts._replace(long=facts.long * 0.5, short=facts.short * 0.5)


@pytest.mark.parametrize(("code", "cause"), [("sha", Cause.CANDLES), ("another", Cause.UNEXPLAINED)])
def test_given_another_word_of_the_same_model_on_the_same_bar_when_compared_then_only_the_same_code_proves_candles(
    planted: PlantedSession, code: str, cause: Cause
) -> None:
    def again(session: PlantedSession) -> None:
        session.end()
        session.begin(facts=doubtful(session))

    planted.at_decision = {40: again}
    planted.trade()
    parity = planted.compared(session="all", code=code)
    assert told(parity) == [("signal", cause.value)] * 4


def test_given_a_position_that_a_session_took_over_when_it_alone_is_compared_then_it_is_carried_over(
    planted: PlantedSession,
) -> None:
    def again(session: PlantedSession) -> None:
        session.end()
        session.begin()

    planted.at_decision = {7: again}
    planted.trade()
    parity = planted.compared(from_decision=7)
    assert ("decision", "carried_over") in told(parity)
    assert_only(parity, Cause.CARRIED_OVER)


def test_given_a_minute_that_reaches_stop_and_target_when_compared_then_their_order_inside_the_bar_is_the_cause(
    planted: PlantedSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On this market a short position reaches its target in the midst of a minute.
    monkeypatch.setitem(ENTRIES, 6, -1)
    planted.trade()
    usual = planted.compared()
    assert usual.differences == ()
    target = next(fill for fill in planted.account.engine.fills if fill.order_type.value == "take_profit")
    assert target.executed_at_ms % MINUTE_MS > 0
    both = deeper(minute_bars(), target, 0.01)
    parity = planted.compared(bars=both)
    assert set(told(parity)) == {("fill", "inside_bar")}
    assert_only(parity, Cause.INSIDE_BAR)


def deeper(bars: Bars, fill: Fill, reach: float) -> Bars:
    """Return the bars with one minute that also reaches far to the side on which the position loses."""
    row = (fill.executed_at_ms - int(bars.open_time[0])) // MINUTE_MS
    assert fill.position_side is not None
    name = "low" if fill.position_side.is_long else "high"
    column = getattr(bars, name).copy()
    column[row] *= 1.0 - reach if name == "low" else 1.0 + reach
    return replace(bars, **{name: np.rint(column)})


def test_given_a_bar_that_ends_in_a_halt_when_nobody_decided_it_then_the_market_is_the_cause(
    planted: PlantedSession,
) -> None:
    planted.stands_still = lambda decision: decision == 14
    planted.trade()
    bars = minute_bars()
    volume, gaps = bars.volume.copy(), bars.gap_minutes.copy()
    volume[14 * 15 + 14], gaps[14 * 15 + 14] = 0.0, 1
    parity = planted.compared(bars=replace(bars, volume=volume, gap_minutes=gaps))
    assert told(parity) == [("bar", "market_halted")]


def test_given_money_that_came_in_when_compared_then_sizes_and_equity_name_it(tmp_path: Path) -> None:
    usual = usual_plan()
    session = PlantedSession(tmp_path, plan=replace(usual, cash=CASH + Jpy.of(10_000)))

    def note(planted: PlantedSession) -> None:
        transfer = Transfer(planted.account.now_ms(), Jpy.of(10_000))
        planted.journal.append(planted.writer, planted.account.now_ms(), MoneyMoved(transfer))

    session.at_decision = {1: note}
    session.trade()
    parity = session.compared()
    assert told(parity)[0] == ("decision", "money_moved")
    assert_only(parity, Cause.MONEY_MOVED)


def test_given_an_order_that_waited_in_the_book_when_compared_then_its_liquidity_is_the_cause(
    planted: PlantedSession,
) -> None:
    rules = usual_plan().schedule.rules[0]

    def waited(fill: Fill) -> Fill:
        if fill.trade_id != 2:
            return fill
        maker = msgspec.structs.replace(fill, liquidity=Liquidity.MAKER)
        return msgspec.structs.replace(maker, fee_occurred=rule_fee(maker, rules))

    planted.exchange.change_fill = waited
    planted.trade()
    parity = planted.compared()
    assert told(parity) == [("fee", "liquidity")]


def test_given_a_session_that_was_killed_when_all_is_compared_then_the_bars_after_it_say_so(
    planted: PlantedSession,
) -> None:
    def killed(session: PlantedSession) -> None:
        session.cycle = None

    planted.at_decision = {20: killed, 23: PlantedSession.begin}
    planted.trade()
    parity = planted.compared(session="all")
    bars = [one for one in parity.differences if one.kind is Kind.BAR]
    assert [one.why.cause for one in bars] == [Cause.SESSION_DOWN] * 3
    assert {one.at_ms % BAR_MS for one in bars} == {0}
