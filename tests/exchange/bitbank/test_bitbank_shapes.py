"""bitbank's rows as exact values, rounded to the disadvantage of the account."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import (
    NOW_MS,
    asset_row,
    assets,
    margin_positions,
    margin_status,
    order_row,
    pair_row,
    position_row,
    status_row,
    trade_row,
)

from crypto_kedro.exchange.bitbank import BitbankSettings, market_shapes, shapes
from crypto_kedro.exchange.bitbank.checked import reading_private
from crypto_kedro.exchange.port import RefusedError, UnusablePrivateAnswerError
from crypto_kedro.market.bars import DAY_MS, HOUR_MS, MINUTE_MS
from crypto_kedro.market.bitbank_candles import candle_rows
from crypto_kedro.trading.account import MarginState
from crypto_kedro.trading.bitbank_rules import BITBANK_BTC_JPY_RATES, bitbank_btc_jpy_schedule
from crypto_kedro.trading.money import Btc, Jpy, Price, Rate
from crypto_kedro.trading.observation import ExchangeStatus
from crypto_kedro.trading.orders import Liquidity, OrderRequest, OrderStatus, OrderType, PositionSide, Side
from crypto_kedro.trading.quotes import BarRow

SETTINGS = BitbankSettings()
OPEN_MS = NOW_MS - NOW_MS % MINUTE_MS


def test_given_an_order_row_when_read_then_every_field_is_there() -> None:
    order = shapes.order(order_row())

    assert order.request == OrderRequest(
        side=Side.BUY,
        type=OrderType.LIMIT,
        amount=Btc(100),
        price=Price(15_000_000),
        position_side=PositionSide.LONG,
        post_only=True,
    )
    assert (order.order_id, order.status, order.ordered_at_ms) == (60_000_000_001, OrderStatus.UNFILLED, NOW_MS)
    assert (order.start_amount, order.executed_amount, order.executed_product) == (Btc(100), Btc(0), Jpy(0))
    assert (order.triggered_at_ms, order.canceled_at_ms) == (None, None)


def test_given_a_row_without_position_side_when_read_then_it_is_a_spot_order() -> None:
    assert shapes.order(order_row(position_side=...)).request.position_side is None


def test_given_a_sleeping_order_for_the_whole_position_when_read_then_its_amount_is_open() -> None:
    row = order_row(
        type="stop_loss",
        side="sell",
        start_amount=None,
        remaining_amount=None,
        price=...,
        post_only=...,
        trigger_price="14000000",
        status="INACTIVE",
    )

    order = shapes.order(row)

    assert (order.start_amount, order.remaining_amount, order.request.amount) == (None, None, None)
    assert order.request.trigger_price == Price(14_000_000)


def test_given_an_average_price_cut_to_four_decimals_when_read_then_the_product_is_exact() -> None:
    exact = Decimal("15000001") * Decimal("0.0001") + Decimal("15000000") * Decimal("0.0002")
    row = order_row(executed_amount="0.0003", average_price="15000000.3333", status="PARTIALLY_FILLED")

    assert shapes.order(row).executed_product == Jpy.of(exact)


@pytest.mark.parametrize("change", [{"status": "FROZEN"}, {"type": "iceberg"}, {"price": "15000000.5"}, {"side": None}])
def test_given_a_value_that_is_not_documented_when_read_then_the_answer_is_unusable(change: dict[str, Any]) -> None:
    with pytest.raises(UnusablePrivateAnswerError, match="not as documented"), reading_private("order"):
        shapes.order(order_row(**change))


def test_given_the_closing_row_of_a_real_round_trip_when_read_then_costs_round_up_and_the_result_down() -> None:
    row = trade_row(
        side="sell",
        fee_amount_quote="11.3357",
        fee_occurred_amount_quote="5.6678",
        interest="3.756112560000001",
        profit_loss="41.034347439999999",
    )

    fill = shapes.fill(row)

    assert fill.fee_charged == Jpy.of("11.3357")
    assert fill.interest == Jpy.of("3.7561125601")
    assert fill.profit_loss == Jpy.of("41.0343474399")
    assert fill.liquidity is Liquidity.TAKER
    assert not fill.is_opening


@pytest.mark.parametrize("missing", [..., None])
def test_given_a_spot_row_when_read_then_it_has_neither_interest_nor_result(missing: object) -> None:
    fill = shapes.fill(trade_row(position_side=missing, profit_loss=missing, interest=missing))

    assert (fill.position_side, fill.interest, fill.profit_loss) == (None, Jpy(0), Jpy(0))


def test_given_a_rebate_when_read_then_the_fee_is_negative() -> None:
    assert shapes.fill(trade_row(fee_occurred_amount_quote="-30.0000")).fee_occurred == Jpy.of("-30")


def test_given_assets_finer_than_a_lot_when_read_then_what_is_owned_rounds_down_and_what_is_bound_up() -> None:
    balances = shapes.balances(assets())

    assert (balances.cash, balances.cash_locked) == (Jpy.of("100000.1234"), Jpy.of("15.0001"))
    assert (balances.btc, balances.btc_locked) == (Btc.of("0.1234"), Btc.of("0.0002"))


def test_given_resting_and_sleeping_closes_when_positions_are_read_then_only_the_resting_ones_hold_it() -> None:
    answer = margin_positions(positions=[position_row("long", "0.0300", "15000000", "450000.0000")])
    resting = order_row(side="sell", remaining_amount="0.0060", executed_amount="0.0040", average_price="15000000")
    sleeping = order_row(order_id=2, side="sell", type="stop", price=..., post_only=..., status="INACTIVE")
    opening = order_row(order_id=3)
    orders = [shapes.order(row) for row in (resting, sleeping | {"trigger_price": "14000000"}, opening)]

    positions = shapes.positions(answer, "btc_jpy", orders)

    assert positions.long.amount == Btc.of("0.03")
    assert positions.long.product == Jpy.of(450_000)
    assert positions.long.locked_amount == Btc.of("0.006")
    assert positions.short.amount == Btc(0)
    assert positions.call_due_at_ms is None


def test_given_a_margin_call_when_positions_are_read_then_its_due_date_and_the_debt_are_there() -> None:
    notice = {"what": "margin_call", "occurred_at": NOW_MS, "amount": "100.0000", "due_date_at": NOW_MS + DAY_MS}

    positions = shapes.positions(margin_positions(notice=notice, payables={"amount": "12.5"}), "btc_jpy", ())

    assert positions.call_due_at_ms == NOW_MS + DAY_MS
    assert positions.payable == Jpy.of("12.5")


def test_given_a_margin_status_when_read_then_the_smaller_side_is_available() -> None:
    held = margin_status(open_margin_position_product="450000.0000", total_margin_position_product="600000.0000")

    status = shapes.margin_status(held, "btc_jpy", None)

    assert status.state is MarginState.NORMAL
    assert status.position_product == Jpy.of(450_000)
    assert status.available == Jpy.of(190_000)


@pytest.mark.parametrize("sequence", ["40211234567", 40211234567])
def test_given_a_book_whose_sequence_is_text_or_number_when_read_then_it_is_the_same(sequence: object) -> None:
    book = shapes.book(
        {"asks": [["15000100", "0.1200"]], "bids": [["15000000", "0.5"]], "timestamp": 5, "sequenceId": sequence}
    )

    assert book.sequence == 40_211_234_567
    assert book.top is not None
    assert (book.top.bid_ticks, book.top.ask_lots) == (15_000_000, 1_200)


def test_given_an_empty_side_when_the_book_is_read_then_it_has_no_top() -> None:
    assert shapes.book({"asks": [], "bids": [["1", "1"]], "timestamp": 5, "sequenceId": 1}).top is None


def test_given_the_recorded_pair_when_the_rules_are_read_then_they_are_those_of_the_schedule() -> None:
    account = ({"assets": [asset_row("btc", "0", "0")]}, margin_positions())

    rules = market_shapes.rules(pair_row(), status_row(), account, SETTINGS)

    assert rules == bitbank_btc_jpy_schedule(BITBANK_BTC_JPY_RATES).at(NOW_MS + 10 * 365 * DAY_MS)
    assert rules == market_shapes.rules(pair_row(), status_row(), None, SETTINGS)


def test_given_an_account_with_other_ratios_when_the_rules_are_read_then_they_are_its_own() -> None:
    margin = margin_positions(losscut_threshold={"individual": "0.6", "company": "0.5"})
    row = asset_row("btc", "0", "0") | {"collateral_ratio": "0.4"}

    rules = market_shapes.rules(pair_row(), status_row(min_amount="0.0010"), ({"assets": [row]}, margin), SETTINGS)

    assert (rules.losscut, rules.crypto_collateral) == (Rate.of("0.3"), Rate.of("0.4"))
    assert rules.min_amount == Btc.of("0.001")


@pytest.mark.parametrize(
    ("pair", "status", "mode", "expected"),
    [
        ({}, "NORMAL", "NONE", ExchangeStatus.NORMAL),
        ({}, "VERY_BUSY", "NONE", ExchangeStatus.VERY_BUSY),
        ({}, "BUSY", "RESUMPTION", ExchangeStatus.CIRCUIT_BREAK),
        ({}, "HALT", "CIRCUIT_BREAK", ExchangeStatus.HALT),
        ({}, "SLEEPY", "NONE", ExchangeStatus.UNKNOWN),
        ({"stop_order": True}, "NORMAL", "NONE", ExchangeStatus.HALT),
        ({"stop_order_and_cancel": True}, "BUSY", "NONE", ExchangeStatus.HALT),
        ({"is_enabled": False}, "NORMAL", "NONE", ExchangeStatus.HALT),
        ({"stop_market_order": True}, "NORMAL", "NONE", ExchangeStatus.NORMAL),
    ],
)
def test_given_three_sources_of_trouble_when_the_status_is_read_then_the_worst_counts(
    pair: dict[str, bool], status: str, mode: str, expected: ExchangeStatus
) -> None:
    read = market_shapes.market_status(pair_row(**pair), status_row(status=status), {"mode": mode})

    assert read.status is expected
    assert read.suspended == {name for name, value in pair.items() if name != "is_enabled" and value}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((), set()),
        (("stop_stop_limit_order",), set()),
        (("stop_stop_order",), {"long", "short"}),
        (("stop_market_order",), {"long", "short"}),
        (("stop_buy_order",), {"long", "short"}),
        (("stop_sell_order",), {"long", "short"}),
        (("stop_order",), {"long", "short"}),
        (("stop_margin_long_order",), {"long"}),
        (("stop_margin_short_order",), {"short"}),
        (("stop_margin_long_order", "stop_margin_short_order"), {"long", "short"}),
        (("stop_something_new",), {"long", "short"}),
    ],
)
def test_given_suspended_kinds_of_orders_when_the_status_is_read_then_it_tells_on_which_sides_nothing_should_be_opened(
    flags: tuple[str, ...], expected: set[str]
) -> None:
    pair = pair_row(**dict.fromkeys(flags, True))

    read = market_shapes.market_status(pair, status_row(), {"mode": "NONE"})

    assert {side.value for side in read.closed_to} == expected


def test_given_a_span_over_midnight_and_new_year_when_files_are_listed_then_each_is_there_once() -> None:
    new_year = 1_704_067_200_000

    minutes = list(market_shapes.candle_files(15 * MINUTE_MS, new_year - 1, new_year + 1))
    years = list(market_shapes.candle_files(4 * HOUR_MS, new_year - 1, new_year + 1))

    assert minutes == ["15min/20231231", "15min/20240101"]
    assert years == ["4hour/2023", "4hour/2024"]
    assert list(market_shapes.candle_files(MINUTE_MS, new_year, new_year)) == []
    assert list(market_shapes.candle_files(MINUTE_MS, new_year - DAY_MS, new_year)) == ["1min/20231231"]


def test_given_a_length_that_bitbank_has_not_when_files_are_listed_then_the_lengths_it_has_are_named() -> None:
    with pytest.raises(RefusedError, match=r"2 minutes; choose among \[1, 5, 15, 30, 60, 240, 480, 720, 1440\]"):
        list(market_shapes.candle_files(2 * MINUTE_MS, 0, 1))


def test_given_a_candle_row_when_read_then_it_is_a_bar_of_ticks_and_lots() -> None:
    row = ["15000000", "15010000", "14990000", "15005000", "1.2345", OPEN_MS]

    rows = candle_rows({"candlestick": [{"type": "1min", "ohlcv": [row]}]}, "1min")
    (bar,) = market_shapes.bars(rows, MINUTE_MS)

    assert bar == BarRow(OPEN_MS, OPEN_MS + MINUTE_MS, 15_000_000, 15_010_000, 14_990_000, 15_005_000, 12_345)


@given(
    st.sampled_from(Side),
    st.sampled_from(OrderType),
    st.none() | st.builds(Btc, st.integers(1, 10**8)),
    st.none() | st.builds(Price, st.integers(1, 10**9)),
    st.none() | st.builds(Price, st.integers(1, 10**9)),
    st.none() | st.sampled_from(PositionSide),
)
def test_given_any_request_when_sent_and_reported_back_then_it_is_the_same(
    side: Side,
    kind: OrderType,
    amount: Btc | None,
    price: Price | None,
    trigger: Price | None,
    position_side: PositionSide | None,
) -> None:
    limit = (price or Price(1)) if kind.has_price else price
    request = OrderRequest(
        side=side, type=kind, amount=amount, price=limit, trigger_price=trigger, position_side=position_side
    )
    body = json.loads(json.dumps(shapes.request_body(request)))
    reported = {"start_amount": body.pop("amount", None), "executed_amount": "0", "average_price": "0"}

    order = shapes.order(body | reported | {"order_id": 1, "status": "UNFILLED", "ordered_at": 0})

    assert order.request == request
