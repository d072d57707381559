"""Each planted difference between a session and its backtest is reported with its cause, and nothing else is."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from planted_sessions import BAR_MS, PlantedSession, close_of, minute_bars, told, usual_plan, with_minute

from crypto_kedro.errors import LineageError
from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.session.journal import Journal, Writer
from crypto_kedro.session.journal.halt import halt_trading
from crypto_kedro.session.journal.records import Resumed
from crypto_kedro.session.parity import Cause, Kind, Parity, read_period
from crypto_kedro.session.parity.difference import Difference
from crypto_kedro.trading.money import Btc, Jpy, Price, Rate
from crypto_kedro.trading.orders import Fill, OrderRequest, OrderType, PositionSide, Side
from crypto_kedro.trading.rules import RuleSchedule

FIRST_ENTRY = 6


@pytest.fixture
def planted(tmp_path: Path) -> PlantedSession:
    return PlantedSession(tmp_path)


def of_kind(parity: Parity, kind: Kind) -> list[Difference]:
    return [one for one in parity.differences if one.kind is kind]


def assert_the_rest_follows(parity: Parity, kinds: set[str]) -> None:
    """Assert that everything that is only a consequence names what it follows from, and what kinds that touches."""
    consequences = [one for one in parity.differences if one.why.because is not None]
    assert {one.kind.value for one in consequences} <= kinds
    roots = {one.number for one in parity.differences}
    assert all(one.why.because in roots and one.why.because < one.number for one in consequences)
    assert parity.unexplained == ()


def test_given_nothing_planted_when_compared_then_nothing_differs(planted: PlantedSession) -> None:
    planted.trade()
    parity = planted.compared()
    assert parity.differences == ()
    assert parity.compared.orders == (9, 9)
    assert parity.compared.round_trips == (3, 3)


def test_given_a_candle_that_was_corrected_later_when_compared_then_its_bar_and_the_next_have_other_candles(
    planted: PlantedSession,
) -> None:
    planted.trade()
    # The last minute of bar 24, at which no position is open and nothing is decided.
    parity = planted.compared(bars=with_minute(minute_bars(), 24 * 15 + 14, 500.0))
    assert told(parity) == [("signal", "candles")] * len(parity.differences)
    bars = minute_bars()
    assert [one.at_ms for one in parity.differences] == [close_of(bars, 24), close_of(bars, 25)]
    assert parity.differences[0].what == "close, atr, last_return"
    assert parity.differences[1].what == "last_return"


def test_given_bars_that_no_cycle_looked_at_when_compared_then_each_says_so(planted: PlantedSession) -> None:
    planted.stands_still = lambda decision: decision in (14, 15)
    planted.trade()
    parity = planted.compared()
    assert told(parity) == [("bar", "no_cycle")] * 2
    assert len(parity.differences) == 2


def test_given_a_signal_that_nobody_looked_at_when_compared_then_the_missing_trade_follows_from_the_bar(
    planted: PlantedSession,
) -> None:
    planted.stands_still = lambda decision: decision == FIRST_ENTRY
    planted.trade()
    parity = planted.compared()
    assert ("bar", "no_cycle") in told(parity)
    (bar,) = of_kind(parity, Kind.BAR)
    orders = [one for one in of_kind(parity, Kind.ORDER) if one.live is None and one.at_ms < bar.at_ms + BAR_MS]
    assert [one.backtest.split(":")[0] for one in orders if one.backtest] == ["entry", "stop", "target"]
    assert {one.why.because for one in orders} == {bar.number}
    assert told(parity) == [("bar", "no_cycle")]
    assert_the_rest_follows(parity, {"order", "fill", "round_trip", "decision", "equity"})


def test_given_an_exchange_that_did_not_answer_when_compared_then_the_bars_say_so(planted: PlantedSession) -> None:
    def away(session: PlantedSession) -> None:
        session.exchange.is_away = True

    def back(session: PlantedSession) -> None:
        session.exchange.is_away = False

    planted.at_decision = {13: away, 16: back}
    planted.trade()
    parity = planted.compared()
    assert told(parity) == [("bar", "exchange_unreachable")] * 3
    assert "it does not answer" in parity.differences[0].why.evidence
    assert len(parity.differences) == 3


def test_given_a_session_that_ended_and_another_one_later_when_all_are_compared_then_the_bars_between_say_so(
    planted: PlantedSession,
) -> None:
    # Decided at bar 12, ended at bar 13 before it is looked at, begun again at bar 16.
    planted.at_decision = {13: PlantedSession.end, 16: PlantedSession.begin}
    planted.trade()
    parity = planted.compared(session="all")
    assert told(parity) == [("bar", "session_down")] * 3
    assert [one.at_ms for one in parity.differences] == [close_of(minute_bars(), n) for n in (13, 14, 15)]


def test_given_a_halt_when_compared_then_the_entry_that_was_not_sent_names_it(planted: PlantedSession) -> None:
    def halt(session: PlantedSession) -> None:
        halt_trading(session.journal, session.account.now_ms(), by="keeper", reason="a look", flatten=False)

    def resume(session: PlantedSession) -> None:
        session.journal.append(Writer("keeper", None), session.account.now_ms(), Resumed("keeper", "looked"))

    planted.at_decision = {3: halt, 10: resume}
    planted.trade()
    parity = planted.compared()
    (first, *_) = parity.differences
    assert (first.kind, first.why.cause, first.backtest is not None) == (Kind.ORDER, Cause.HALT, True)
    assert "halted by keeper: a look" in first.why.evidence
    assert told(parity) == [("order", "halt")]
    assert_the_rest_follows(parity, {"order", "fill", "round_trip", "decision", "equity"})


def test_given_a_halt_that_flattens_when_compared_then_the_exit_names_it(planted: PlantedSession) -> None:
    def flatten(session: PlantedSession) -> None:
        halt_trading(session.journal, session.account.now_ms(), by="keeper", reason="enough", flatten=True)

    planted.at_decision = {FIRST_ENTRY + 1: flatten}
    planted.trade()
    parity = planted.compared()
    # The first entry has been closed by then or is closed by the halt; later entries are not sent.
    assert set(told(parity)) == {("order", "halt")}
    assert parity.unexplained == ()


def test_given_an_exchange_with_another_fee_than_the_schedule_when_compared_then_its_rules_are_the_cause(
    tmp_path: Path,
) -> None:
    usual = usual_plan()
    dearer = replace(usual.schedule.rules[0], margin_close_taker_fee=Rate(3000))
    session = PlantedSession(tmp_path, plan=replace(usual, schedule=RuleSchedule.constant(dearer)))
    session.trade()
    parity = session.compared()
    fees = of_kind(parity, Kind.FEE)
    assert [one.why.cause for one in fees] == [Cause.RULES] * 3
    assert {cause for _, cause in told(parity)} == {"rules"}
    assert_the_rest_follows(parity, {"round_trip", "equity", "decision", "order", "fill"})


def tampered(change: Callable[[Fill], Fill]) -> Callable[[Fill], Fill]:
    """Change the closing fill of the first trade only."""
    return lambda fill: change(fill) if fill.trade_id == 2 else fill


def test_given_a_fee_that_no_rule_explains_when_compared_then_it_is_against_the_rule(planted: PlantedSession) -> None:
    extra = Jpy.of("7")
    planted.exchange.change_fill = tampered(
        lambda fill: msgspec.structs.replace(
            fill, fee_occurred=fill.fee_occurred + extra, fee_charged=fill.fee_charged + extra
        )
    )
    planted.trade()
    parity = planted.compared()
    assert told(parity) == [("fee", "fee_rule")]
    assert_the_rest_follows(parity, {"round_trip"})


def test_given_an_exchange_that_slips_more_when_compared_then_the_prices_cost_it_and_the_rest_follows(
    tmp_path: Path,
) -> None:
    usual = usual_plan()
    session = PlantedSession(tmp_path, plan=replace(usual, engine=replace(usual.engine, slippage=Rate(280))))
    session.trade()
    parity = session.compared()
    assert set(told(parity)) == {("fill_price", "cost")}
    assert 40 < parity.adverse_ppm < 100
    assert_the_rest_follows(parity, {"order", "fill", "fill_price", "round_trip", "decision", "equity", "bar"})


def test_given_a_price_that_the_market_never_showed_when_compared_then_it_is_unexplained_and_said_aloud(
    planted: PlantedSession,
) -> None:
    planted.exchange.change_fill = tampered(
        lambda fill: msgspec.structs.replace(fill, price=fill.price + Price(30_000))
    )
    planted.trade()
    parity = planted.compared()
    assert ("fill_price", "unexplained") in told(parity)
    assert "UNEXPLAINED" in parity.verdict


def test_given_somebody_elses_position_on_the_account_when_compared_then_it_is_named(planted: PlantedSession) -> None:
    def stranger(session: PlantedSession) -> None:
        request = OrderRequest(side=Side.BUY, type=OrderType.MARKET, amount=Btc(10), position_side=PositionSide.LONG)
        session.account.engine.place(request)

    planted.at_decision = {25: stranger}
    planted.trade()
    parity = planted.compared()
    assert ("fill", "foreign_order") in told(parity)
    assert ("decision", "foreign_order") in told(parity)
    assert {cause for _, cause in told(parity)} == {"foreign_order"}
    assert parity.unexplained == ()


def test_given_other_settings_after_a_restart_when_all_is_compared_then_the_decision_names_them(
    planted: PlantedSession,
) -> None:
    usual = usual_plan().settings
    strict = replace(usual, signal=replace(usual.signal, confidence_threshold=0.99))

    def again(session: PlantedSession) -> None:
        session.end()
        session.begin(strict)

    planted.at_decision = {28: again}
    planted.trade()
    parity = planted.compared(session="all")
    assert ("decision", "settings_changed") in told(parity)
    assert {cause for _, cause in told(parity)} == {"settings_changed"}
    assert_the_rest_follows(parity, {"order", "fill", "round_trip", "decision", "equity"})


def test_given_a_wider_spread_than_assumed_when_a_decision_turns_on_it_then_the_moment_is_the_cause(
    planted: PlantedSession,
) -> None:
    planted.trade()
    usual = usual_plan()
    bars = minute_bars()
    feed_plan = replace(usual, settings=usual.settings)
    parity = planted.compared(plan=feed_plan, bars=bars, spread=0.01)
    assert {cause for _, cause in told(parity)} == {"moment"}
    assert {one.kind for one in parity.differences if one.why.because is None} == {Kind.DECISION}


def test_given_no_such_session_when_read_then_the_error_names_those_there_are(planted: PlantedSession) -> None:
    planted.trade()
    with Journal.open(planted.path, read_only=True) as journal, pytest.raises(LineageError, match="one of session-1"):
        read_period(journal, "session-9")


def test_given_a_session_that_decided_nothing_when_read_then_it_cannot_be_compared(tmp_path: Path) -> None:
    session = PlantedSession(tmp_path, stands_still=lambda _: True)
    session.trade()
    with Journal.open(session.path, read_only=True) as journal, pytest.raises(LineageError, match="decided no bar"):
        read_period(journal)
    assert len(BarFeed(session.bars)) > 0


@pytest.mark.parametrize("word", [*Cause, *Kind])
def test_every_cause_and_kind_is_documented(word: Cause | Kind) -> None:
    document = Path(__file__).parents[2] / "docs" / "parity.md"
    assert f"\n| `{word.value}` | " in document.read_text(encoding="utf-8")
