"""The folded history equals the one computed anew from all its events, and refuses a history that cannot be."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from observations import CAPITAL, LEDGER_START, fill, jst, ledger, round_trips

from crypto_kedro.market.bars import HOUR_MS
from crypto_kedro.trading.ledger import (
    DrawdownReset,
    EquityPoint,
    LedgerError,
    LedgerEvent,
    TradeLedger,
    Transfer,
    jst_day,
    jst_day_start_ms,
    jst_week,
    next_week_start_ms,
)
from crypto_kedro.trading.money import Btc, Jpy
from crypto_kedro.trading.orders import Fill, PositionSide, Side

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def calendar(moment_ms: int) -> datetime:
    """Return a moment on the Japanese calendar, by the standard library."""
    return datetime.fromtimestamp(0, UTC).astimezone(timezone(timedelta(hours=9))) + timedelta(milliseconds=moment_ms)


@given(moment_ms=st.integers(-(2**41), 2**41), later_ms=st.integers(0, 40 * 24 * HOUR_MS))
def test_given_two_moments_when_numbered_then_days_and_weeks_agree_with_the_japanese_calendar(
    moment_ms: int, later_ms: int
) -> None:
    other_ms = moment_ms + later_ms
    first, second = calendar(moment_ms), calendar(other_ms)
    day, other_day = jst_day(moment_ms), jst_day(other_ms)
    assert (day == other_day) == (first.date() == second.date())
    assert (jst_week(day) == jst_week(other_day)) == (first.isocalendar()[:2] == second.isocalendar()[:2])
    assert jst_day_start_ms(day) <= moment_ms < jst_day_start_ms(day + 1)
    assert calendar(next_week_start_ms(day)).weekday() == 0
    assert jst_week(jst_day(next_week_start_ms(day))) == jst_week(day) + 1


def test_given_a_day_of_trades_when_folded_then_every_sum_is_as_computed_by_hand() -> None:
    trades = round_trips(
        ("2018-03-05 10:00", "500"),
        ("2018-03-06 10:00", "-2000"),
        ("2018-03-07 01:00", "-300.5"),
        ("2018-03-07 11:00", "100"),
        ("2018-03-07 11:30", "-250"),
    )
    history = TradeLedger.replay(LEDGER_START, CAPITAL, trades)
    noon = jst("2018-03-07 12:00")
    assert history.balance == Jpy.of("98049.5")  # 100,000 + 500 - 2,000 - 300.5 + 100 - 250
    assert history.peak == Jpy.of(100_500)
    assert history.deepest_drawdown == (100_500 - 98_049.5) / 100_500
    assert history.day_net_at(noon) == Jpy.of("-450.5")
    assert history.week_net_at(noon) == Jpy.of("-1950.5")
    assert history.trades_at(noon) == 3
    assert (history.loss_streak, history.closed_trades) == (1, 5)
    assert history.last_loss_ms == jst("2018-03-07 11:30")


def test_given_the_day_and_the_week_end_when_asked_later_then_their_sums_start_anew() -> None:
    history = TradeLedger.replay(LEDGER_START, CAPITAL, round_trips(("2018-03-07 11:00", "-250")))
    last_moment, midnight, monday = jst("2018-03-07 23:59:59.999"), jst("2018-03-08 00:00"), jst("2018-03-12 00:00")
    assert (history.day_net_at(last_moment), history.trades_at(last_moment)) == (Jpy.of(-250), 1)
    assert (history.day_net_at(midnight), history.trades_at(midnight)) == (Jpy(0), 0)
    assert history.week_net_at(monday - 1) == Jpy.of(-250)
    assert history.week_net_at(monday) == Jpy(0)


def test_given_a_trade_closed_in_parts_when_folded_then_it_is_one_trade_with_one_result() -> None:
    start = jst("2018-03-07 10:00")
    fills = [
        fill(1, start, Side.SELL, SHORT, btc="0.02"),
        fill(2, start + 1, Side.SELL, SHORT, btc="0.01"),
        fill(3, start + 2, Side.BUY, SHORT, "-400", btc="0.01"),
        fill(4, start + 3, Side.BUY, SHORT, "-400", btc="0.01"),
        fill(5, start + 4, Side.BUY, SHORT, "900", btc="0.01"),
    ]
    open_still = TradeLedger.replay(LEDGER_START, CAPITAL, fills[:4])
    assert open_still.short is not None
    assert (open_still.short.amount, open_still.short.opened_at_ms) == (Btc.of("0.01"), start)
    assert (open_still.closed_trades, open_still.loss_streak) == (0, 0)
    closed = open_still.after(fills[4])
    assert closed.short is None
    assert (closed.closed_trades, closed.loss_streak, closed.trades_at(start)) == (1, 0, 1)


@pytest.mark.parametrize(("last", "streak"), [("-0.0000000001", 3), ("0", 0), ("0.0000000001", 0)])
def test_given_two_losses_when_a_third_trade_ends_around_zero_then_only_a_loss_lengthens_the_streak(
    last: str, streak: int
) -> None:
    trades = round_trips(("2018-03-07 09:00", "-1"), ("2018-03-07 10:00", "-1"), ("2018-03-07 11:00", last))
    assert TradeLedger.replay(LEDGER_START, CAPITAL, trades).loss_streak == streak


def test_given_a_withdrawal_when_folded_then_it_is_no_loss() -> None:
    lost = TradeLedger.replay(LEDGER_START, CAPITAL, round_trips(("2018-03-05 10:00", "-10000")))
    halved = lost.after(Transfer(jst("2018-03-05 11:00"), Jpy.of(-45_000)))
    assert (halved.balance, halved.peak) == (Jpy.of(45_000), Jpy.of(50_000))
    assert halved.deepest_drawdown == 0.1
    assert halved.day_net_at(jst("2018-03-05 12:00")) == Jpy.of(-10_000)


def test_given_everything_is_withdrawn_when_money_comes_again_then_the_peak_is_the_new_money() -> None:
    empty = ledger().after(Transfer(LEDGER_START, Jpy.of(-100_000)))
    assert empty.after(Transfer(LEDGER_START, Jpy.of(7_000))).peak == Jpy.of(7_000)


def test_given_an_equity_point_when_folded_then_it_moves_peak_and_drawdown_but_not_the_balance() -> None:
    risen = ledger().after(EquityPoint(LEDGER_START, Jpy.of(120_000)))
    fallen = risen.after(EquityPoint(LEDGER_START, Jpy.of(90_000)))
    assert (fallen.balance, fallen.peak, fallen.deepest_drawdown) == (CAPITAL, Jpy.of(120_000), 0.25)


def test_given_a_human_reset_when_folded_then_the_drawdown_starts_at_the_balance() -> None:
    lost = TradeLedger.replay(LEDGER_START, CAPITAL, round_trips(("2018-03-05 10:00", "-25000")))
    assert lost.deepest_drawdown == 0.25
    reset = lost.after(DrawdownReset(jst("2018-03-05 11:00")))
    assert (reset.peak, reset.deepest_drawdown) == (Jpy.of(75_000), 0.0)
    assert reset.loss_streak == 1


def test_given_a_spot_fill_when_folded_then_it_is_no_trade() -> None:
    spot = structs.replace(fill(1, jst("2018-03-07 10:00"), Side.BUY, LONG), position_side=None)
    history = ledger().after(spot)
    assert (history.long, history.short, history.trades_at(jst("2018-03-07 12:00"))) == (None, None, 0)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([fill(1, LEDGER_START - 1, Side.BUY, LONG)], "sort the history"),
        ([EquityPoint(LEDGER_START + 1, CAPITAL), Transfer(LEDGER_START, CAPITAL)], "sort the history"),
        ([fill(2, LEDGER_START, Side.BUY, LONG), fill(2, LEDGER_START, Side.BUY, LONG)], "each fill once"),
        ([fill(1, LEDGER_START, Side.SELL, LONG)], "opened only 0"),
        ([fill(1, LEDGER_START, Side.BUY, LONG), fill(2, LEDGER_START, Side.BUY, SHORT)], "opened only 0"),
        ([fill(1, LEDGER_START, Side.BUY, LONG), fill(2, LEDGER_START, Side.SELL, LONG, btc="0.0101")], "0.0100"),
    ],
)
def test_given_a_history_that_cannot_be_when_folded_then_the_error_says_what_to_do(
    events: Sequence[LedgerEvent], message: str
) -> None:
    with pytest.raises(LedgerError, match=message):
        TradeLedger.replay(LEDGER_START, CAPITAL, events)


@st.composite
def histories(draw: st.DrawFn) -> list[LedgerEvent]:
    """Return a possible history over some weeks: trades in parts on both sides, equity points and resets."""
    events: list[LedgerEvent] = []
    held = {LONG: 0, SHORT: 0}
    moment = LEDGER_START
    for trade_id in range(draw(st.integers(0, 40))):
        moment += draw(st.integers(0, 30 * HOUR_MS))
        kind = draw(st.sampled_from(("fill", "fill", "fill", "fill", "equity", "reset")))
        if kind == "equity":
            events.append(EquityPoint(moment, Jpy.of(draw(st.integers(50_000, 150_000)))))
        elif kind == "reset":
            events.append(DrawdownReset(moment))
        else:
            side = draw(st.sampled_from((LONG, SHORT)))
            closing = held[side] > 0 and draw(st.booleans())
            lots = draw(st.integers(1, held[side])) if closing else draw(st.integers(1, 3))
            held[side] += -lots if closing else lots
            net = str(draw(st.integers(-3_000, 3_000))) if closing else "0"
            order_side = side.closing_side if closing else side.opening_side
            events.append(fill(trade_id, moment, order_side, side, net, str(Btc(lots).decimal)))
    return events


def closed_trades(fills: Sequence[Fill]) -> list[tuple[int, int]]:
    """Return the end and the net result in JPY of every closed trade, read off the plain list of fills."""
    ended = []
    held, net = {LONG: 0, SHORT: 0}, {LONG: 0, SHORT: 0}
    for one in fills:
        side = PositionSide(str(one.position_side))
        held[side] += one.amount.lots if one.is_opening else -one.amount.lots
        net[side] += int(one.profit_loss.decimal)
        if not held[side]:
            ended.append((one.executed_at_ms, net[side]))
            net[side] = 0
    return ended


@given(events=histories(), later_ms=st.integers(0, 10 * 24 * HOUR_MS))
def test_given_any_history_when_folded_event_by_event_then_it_equals_the_sums_over_the_whole_list(
    events: list[LedgerEvent], later_ms: int
) -> None:
    history = ledger()
    for event in events:
        history = history.after(event)
    now_ms = history.last_event_ms + later_ms
    today, this_week = calendar(now_ms).date(), calendar(now_ms).isocalendar()[:2]
    fills = [event for event in events if isinstance(event, Fill)]
    nets = [(calendar(one.executed_at_ms), int(one.profit_loss.decimal)) for one in fills]
    assert history.balance == CAPITAL + Jpy.of(sum(net for _, net in nets))
    assert history.day_net_at(now_ms) == Jpy.of(sum(net for at, net in nets if at.date() == today))
    assert history.week_net_at(now_ms) == Jpy.of(sum(net for at, net in nets if at.isocalendar()[:2] == this_week))
    ended = closed_trades(fills)
    wins = [index for index, (_, net) in enumerate(ended) if net >= 0]
    assert history.closed_trades == len(ended)
    assert history.loss_streak == len(ended) - 1 - (wins[-1] if wins else -1)
    assert history.last_loss_ms == max([at for at, net in ended if net < 0], default=0)
    assert history.deepest_drawdown == deepest_fall(events)


def deepest_fall(events: Sequence[LedgerEvent]) -> float:
    """Return the largest fall since the last reset over the plain list of what the account was worth."""
    balance = 100_000
    worths = [balance]
    for event in events:
        if isinstance(event, DrawdownReset):
            worths = [balance]
        elif isinstance(event, Fill):
            balance += int(event.profit_loss.decimal)
            worths.append(balance)
        elif isinstance(event, EquityPoint):
            worths.append(int(event.equity.decimal))
    return max((max(worths[: at + 1]) - worth) / max(worths[: at + 1]) for at, worth in enumerate(worths))
