"""Each guard at its threshold, just below and just above; and when time alone ends a refusal."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from observations import (
    CAPITAL,
    LEDGER_START,
    RULES,
    SETTINGS,
    account,
    facts,
    jst,
    margin,
    observation,
    position,
    round_trips,
)

from crypto_kedro.market.bars import DAY_MS, HOUR_MS
from crypto_kedro.trading.account import MarginState
from crypto_kedro.trading.decide import decide
from crypto_kedro.trading.gates import Gate, GateReport
from crypto_kedro.trading.guards import equity_units, next_wake
from crypto_kedro.trading.ledger import DrawdownReset, EquityPoint, LedgerEvent, TradeLedger
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.orders import PositionSide
from crypto_kedro.trading.settings import FundingStage, GuardRule, TradingSettings

GUARDS = GuardRule(max_losses_in_a_row=3, max_trades_a_day=3)
STAGES = (
    FundingStage(capital=Jpy.of(10_000)),
    FundingStage(capital=Jpy.of(100_000), min_trades=2, min_days=2, max_drawdown=0.1),
    FundingStage(capital=Jpy.of(500_000), min_trades=3, min_days=9, max_drawdown=0.1),
)
STAGED = TradingSettings(guards=GUARDS, stages=STAGES)


def history(*events: LedgerEvent) -> TradeLedger:
    return TradeLedger.replay(LEDGER_START, CAPITAL, events)


def traded(*trades: tuple[str, str]) -> dict[str, Any]:
    """Return ledger and account after long trades at JST moments with net results."""
    past = history(*round_trips(*trades))
    return {"ledger": past, "account": account(cash=past.balance)}


def gate(name: str, settings: TradingSettings = SETTINGS, **changes: Any) -> Gate:
    """Return what one gate says, having seen that its verdict rules the decision."""
    decision = decide(settings, observation(**changes))
    said = decision.gates[name]
    assert decision.action == ("stay_flat" if not all(decision.gates.passed) else "open")
    return said


@pytest.mark.parametrize(
    ("name", "fact", "below", "at", "above"),
    [
        ("data_age_ms", "age_ms", 119_999, 120_000, 120_001),
        ("gap_minutes", "gap_minutes", 4, 5, 6),
        ("spread", "spread", 0.0009999, 0.001, 0.0010001),
        ("price_jump", "last_return", 0.0399999, 0.04, 0.0400001),
        ("price_jump", "last_return", -0.0399999, -0.04, -0.0400001),
        ("volatility", "atr", 29_999.0, 30_000.0, 30_001.0),  # of 1,000,000 JPY: 3%
    ],
)
def test_given_a_market_fact_around_its_limit_when_judged_then_it_passes_up_to_the_limit(
    name: str, fact: str, below: float, at: float, above: float
) -> None:
    verdicts = [gate(name, facts=facts(**{fact: value})).passed for value in (below, at, above)]
    assert verdicts == [True, True, False]


@pytest.mark.parametrize(("worst", "passing"), [(0, 1), (1, 2), (4, 5)])
def test_given_each_exchange_status_when_judged_then_it_passes_up_to_the_worst_allowed(
    worst: int, passing: int
) -> None:
    settings = replace(SETTINGS, guards=GuardRule(worst_status=worst))
    verdicts = [gate("exchange_status", settings, facts=facts(status=status)).passed for status in range(6)]
    assert verdicts == [True] * passing + [False] * (6 - passing)


@pytest.mark.parametrize(
    ("net", "loss", "passed"),
    [("-2999", 0.02999, True), ("-3000", 0.03, False), ("-3001", 0.03001, False), ("3000", 0.0, True)],
)
def test_given_a_daily_loss_around_3_percent_of_100000_when_judged_then_it_stops_from_3000_on(
    net: str, loss: float, passed: bool
) -> None:
    said = gate("daily_loss", **traded(("2018-03-07 00:00", net)))
    assert (said.value, said.passed) == (loss, passed)


def test_given_a_daily_loss_of_yesterday_when_judged_then_it_is_no_loss_of_today() -> None:
    assert gate("daily_loss", **traded(("2018-03-06 23:59:59.999", "-6000"))).value == 0.0


def test_given_gains_before_the_day_when_judged_then_the_loss_is_of_the_capital_at_its_start() -> None:
    said = gate("daily_loss", **traded(("2018-03-06 10:00", "20000"), ("2018-03-07 10:00", "-3600")))
    assert (said.value, said.passed) == (0.03, False)  # 3,600 of 120,000


@pytest.mark.parametrize(
    ("net", "loss", "passed"),
    [("-6999", 0.06999, True), ("-7000", 0.07, False), ("-7001", 0.07001, False)],
)
def test_given_a_weekly_loss_around_7_percent_of_100000_when_judged_then_it_stops_from_7000_on(
    net: str, loss: float, passed: bool
) -> None:
    said = gate("weekly_loss", **traded(("2018-03-05 00:00", net)))
    assert (said.value, said.passed) == (loss, passed)


def test_given_all_capital_is_lost_when_judged_then_the_losses_are_beyond_any_limit() -> None:
    seen = traded(("2018-03-06 10:00", "-100000"), ("2018-03-07 10:00", "-1"))
    gates = decide(SETTINGS, observation(**seen | {"account": account(cash=Jpy(0))})).gates
    assert (gates["daily_loss"].value, gates["daily_loss"].passed) == (math.inf, False)


@pytest.mark.parametrize(
    ("net", "fall", "passed"),
    [("-19999", 0.19999, True), ("-20000", 0.2, False), ("-20001", 0.20001, False)],
)
def test_given_a_drawdown_around_20_percent_of_the_peak_when_judged_then_it_halts_from_20_percent_on(
    net: str, fall: float, passed: bool
) -> None:
    said = gate("drawdown", **traded(("2018-03-05 10:00", net)))
    assert (said.value, said.passed) == (fall, passed)


def test_given_a_drawdown_that_was_won_back_when_judged_then_it_stays_halted_until_a_human_resets_it() -> None:
    fallen = history(*round_trips(("2018-03-05 10:00", "-20000"), ("2018-03-05 11:00", "30000")))
    won_back = account(cash=fallen.balance)
    assert not gate("drawdown", ledger=fallen, account=won_back).passed
    reset = fallen.after(DrawdownReset(jst("2018-03-05 12:00")))
    assert gate("drawdown", ledger=reset, account=won_back).passed


@pytest.mark.parametrize(("equity", "passed"), [(80_001, True), (80_000, False), (79_999, False)])
def test_given_an_account_marked_around_80_percent_of_its_peak_when_judged_then_equity_counts_too(
    equity: int, passed: bool
) -> None:
    assert gate("drawdown", account=account(cash=Jpy.of(equity))).passed is passed
    point = EquityPoint(jst("2018-03-06 10:00"), Jpy.of(equity))
    assert gate("drawdown", ledger=history(point)).passed is passed


LOSSES = (("2018-03-07 09:00", "-1"), ("2018-03-07 10:00", "-1"), ("2018-03-07 11:00", "-1"))


@pytest.mark.parametrize(
    ("losses", "now", "left"),
    [
        (2, "2018-03-07 11:00", 0),
        (3, "2018-03-07 11:00", 24 * HOUR_MS),
        (3, "2018-03-08 10:59:59.999", 1),
        (3, "2018-03-08 11:00", 0),
        (3, "2018-03-08 11:00:00.001", 0),
    ],
)
def test_given_a_streak_of_losses_when_judged_then_it_pauses_for_24_hours_since_the_last(
    losses: int, now: str, left: int
) -> None:
    past = history(*round_trips(*LOSSES[:losses]))
    said = gate("loss_pause_ms", STAGED, ledger=past, facts=facts(bar_close_ms=jst(now)))
    assert (said.value, said.passed) == (left, left == 0)


def test_given_one_more_loss_after_the_pause_when_judged_then_it_pauses_again() -> None:
    past = history(*round_trips(*LOSSES, ("2018-03-08 12:00", "-1")))
    later = facts(bar_close_ms=jst("2018-03-08 12:00"))
    assert gate("loss_pause_ms", STAGED, ledger=past, facts=later).value == 24 * HOUR_MS


@pytest.mark.parametrize(("trades", "passed"), [(2, True), (3, False), (4, False)])
def test_given_trades_of_one_day_around_three_when_judged_then_the_fourth_is_refused(trades: int, passed: bool) -> None:
    seen = traded(*[("2018-03-07 10:00", "1")] * trades)
    said = gate("trades_today", STAGED, **seen)
    assert (said.value, said.passed) == (trades, passed)


@pytest.mark.parametrize("state", list(MarginState))
def test_given_each_state_of_the_margin_account_when_judged_then_only_normal_passes(state: MarginState) -> None:
    assert gate("margin_state", account=account(margin=margin(state=state))).passed is (state is MarginState.NORMAL)


@pytest.mark.parametrize(("balance", "passed"), [(60_001, True), (60_000, True), (59_999, False)])
def test_given_100000_already_covered_when_the_balance_is_around_60_percent_then_it_passes_from_there(
    balance: int, passed: bool
) -> None:
    covered = margin(balance=Jpy.of(balance), open_order_product=Jpy.of(100_000))
    assert gate("margin_ratio", account=account(margin=covered)).passed is passed


def test_given_nothing_to_cover_when_judged_then_the_margin_ratio_is_infinite_and_passes() -> None:
    said = gate("margin_ratio", kelly=0.0)
    assert (said.value, said.passed) == (math.inf, True)


@pytest.mark.parametrize(("minimum", "passed"), [(445, True), (446, True), (447, False)])
def test_given_a_size_of_446_lots_when_the_minimum_is_around_it_then_below_it_there_is_no_trade(
    minimum: int, passed: bool
) -> None:
    said = gate("amount_lots", rules=replace(RULES, min_amount=Btc(minimum)))
    assert (said.value, said.threshold, said.passed) == (446, minimum, passed)


@pytest.mark.parametrize(("kelly", "passed"), [(-0.1, False), (0.0, False), (1e-9, True), (math.nan, False)])
def test_given_a_kelly_leverage_around_zero_when_judged_then_only_a_proven_edge_passes(
    kelly: float, passed: bool
) -> None:
    assert gate("kelly", kelly=kelly).passed is passed


WON = (("2018-03-05 10:00", "1"), ("2018-03-05 11:00", "1"))


@pytest.mark.parametrize(
    ("trades", "now", "stage", "earned"),
    [
        (WON, "2018-03-07 00:00", 1, 2),
        (WON, "2018-03-07 00:00", 2, 2),
        (WON, "2018-03-06 23:59:59.999", 2, 1),  # two days are not over
        (WON[:1], "2018-03-07 00:00", 2, 1),  # one trade is not two
        (WON, "2018-03-07 00:00", 3, 2),
        ((*WON, WON[0]), "2018-03-14 00:00", 3, 3),
        ((WON[0], ("2018-03-05 11:00", "-10000.1")), "2018-03-07 00:00", 2, 1),  # 10,000.1 of 100,001
        ((WON[0], ("2018-03-05 11:00", "-10000")), "2018-03-07 00:00", 2, 2),
        (WON, "2018-03-30 00:00", 4, 2),  # a stage that does not exist
    ],
)
def test_given_evidence_for_a_stage_when_judged_then_a_stage_beyond_it_is_refused(
    trades: tuple[tuple[str, str], ...], now: str, stage: int, earned: int
) -> None:
    seen = traded(*sorted(trades)) | {"facts": facts(bar_close_ms=jst(now)), "funding_stage": stage}
    said = gate("funding_stage", STAGED, **seen)
    assert (said.value, said.threshold, said.passed) == (stage, earned, stage <= earned)


@pytest.mark.parametrize("side", list(PositionSide))
def test_given_a_position_with_costs_when_its_equity_is_summed_in_units_then_it_is_the_accounts_own(
    side: PositionSide,
) -> None:
    costly = structs.replace(
        position(side, "0.05", 990_000), unrealized_fee=Jpy.of("49.5"), unrealized_interest=Jpy.of("19.8")
    )
    seen = account(**{side.value: costly}, btc=Btc.of("0.02"), payable=Jpy.of(7), mark=Price(1_010_000))
    assert equity_units(seen) == seen.equity.units
    gain = 1_000 if side is PositionSide.LONG else -1_000
    assert seen.equity == Jpy.of(100_000 - 7 + 20_200 + gain) - Jpy.of("69.3")


@pytest.mark.parametrize(
    ("trades", "now", "wake"),
    [
        ([], "2018-03-07 12:00", None),
        ([("2018-03-07 10:00", "-3000")], "2018-03-07 12:00", "2018-03-08 00:00"),
        ([("2018-03-05 10:00", "-7000")], "2018-03-07 12:00", "2018-03-12 00:00"),
        ([("2018-03-07 10:00", "-7000")], "2018-03-07 12:00", "2018-03-08 00:00"),
        ([("2018-03-05 10:00", "-20000")], "2018-03-12 00:00", None),
        (LOSSES, "2018-03-08 10:00", "2018-03-08 11:00"),
        ([("2018-03-07 10:00", "1")] * 3, "2018-03-07 12:00", "2018-03-08 00:00"),
    ],
)
def test_given_a_refusal_when_asked_for_the_next_wake_then_it_is_when_time_ends_it(
    trades: list[tuple[str, str]], now: str, wake: str | None
) -> None:
    settings = replace(SETTINGS, guards=GUARDS)
    past = history(*round_trips(*trades))
    assert next_wake(settings, past, jst(now), 1) == (None if wake is None else jst(wake))


def test_given_a_stage_that_waits_for_days_when_asked_for_the_next_wake_then_it_is_when_they_are_over() -> None:
    past = history(*round_trips(*WON))
    assert next_wake(STAGED, past, jst("2018-03-06 12:00"), 2) == jst("2018-03-07 00:00")


HISTORY_GATES = ("funding_stage", "drawdown", "weekly_loss", "daily_loss", "loss_pause_ms", "trades_today")


def verdicts(past: TradeLedger, now_ms: int, stage: int) -> list[bool]:
    seen = observation(
        ledger=past, account=account(cash=past.balance), facts=facts(bar_close_ms=now_ms), funding_stage=stage
    )
    gates: GateReport = decide(STAGED, seen).gates
    return [gates[name].passed for name in HISTORY_GATES]


@given(
    results=st.lists(
        st.tuples(st.integers(0, 8 * 24), st.sampled_from((-4000, -2500, -1000, -10, 10, 3000))), max_size=8
    ),
    waited_ms=st.integers(0, 8 * DAY_MS),
    looks=st.lists(st.floats(0, 1, exclude_max=True), max_size=5),
    stage=st.integers(1, 4),
)
def test_given_any_history_when_time_passes_up_to_the_next_wake_then_no_verdict_changes(
    results: list[tuple[int, int]], waited_ms: int, looks: list[float], stage: int
) -> None:
    hours = sorted(hour for hour, _ in results)
    nets = [net for _, net in results]
    fills = []
    for number, (hour, net) in enumerate(zip(hours, nets, strict=True)):
        pair = round_trips(("2018-03-05 00:00", str(net)), first_id=2 * number)
        fills.extend(structs.replace(one, executed_at_ms=one.executed_at_ms + hour * HOUR_MS) for one in pair)
    past = history(*fills)
    now_ms = past.last_event_ms + waited_ms
    before = verdicts(past, now_ms, stage)
    wake = next_wake(STAGED, past, now_ms, stage)
    horizon = wake if wake is not None else now_ms + 60 * DAY_MS
    assert horizon > now_ms
    moments = [now_ms + int((horizon - now_ms) * look) for look in looks]
    assert all(verdicts(past, moment, stage) == before for moment in (*moments, horizon - 1))
    assert wake is not None or verdicts(past, horizon, stage) == before
