"""Margin trading on the wire: positions, status, costs, protection, calls and liquidation."""

from collections.abc import Callable

import pytest
from served import PRICE, START_MS, Served, script, settings_with

from crypto_kedro.trading.money import Btc, Jpy, Rate

BID, ASK = 14_998_500, PRICE
FLAT = settings_with(btc=Btc(0), cash=Jpy.of(100_000))
# The tests start at 2026-05-28T20:27Z, which is 05:27 JST.
SECONDS_TO_MIDNIGHT_JST = 66_780


def test_side_and_position_side_decide_what_an_order_does(quiet: Served) -> None:
    client = quiet.client
    client.order("buy", "market", "0.02", position_side="long")
    client.order("sell", "market", "0.03", position_side="short")
    assert client.position("long") == {
        "pair": "btc_jpy",
        "position_side": "long",
        "open_amount": "0.0200",
        "product": "300000.0000",
        "average_price": str(ASK),
        "unrealized_fee_amount": "300.0000",
        "unrealized_interest_amount": "0.0000",
    }
    assert client.position("short")["open_amount"] == "0.0300"
    client.order("sell", "market", "0.01", position_side="long")
    client.order("buy", "market", "0.01", position_side="short")
    assert client.position("long")["open_amount"] == "0.0100"
    assert client.position("short")["open_amount"] == "0.0200"
    assert client.balance("btc")["onhand_amount"] == "0.50000000"


def test_an_order_without_position_side_is_a_spot_order(quiet: Served) -> None:
    client = quiet.client
    client.order("buy", "market", "0.02", position_side="long")
    forgotten = client.order("sell", "market", "0.02").data
    assert "position_side" not in forgotten
    assert client.position("long")["open_amount"] == "0.0200"
    assert client.balance("btc")["onhand_amount"] == "0.48000000"


def test_empty_positions_of_every_margin_pair_are_listed(quiet: Served) -> None:
    answer = quiet.client.get("/user/margin/positions").data
    assert [(row["open_amount"], row["average_price"]) for row in answer["positions"]] == [("0.0000", "0")] * 10
    assert answer["notice"] == {"what": None, "occurred_at": None, "amount": None, "due_date_at": None}
    assert answer["payables"] == {"amount": "0.0000"}
    assert answer["losscut_threshold"] == {"individual": "0.5", "company": "0.5"}


def test_the_costs_of_a_round_trip_are_charged_at_its_end(serve: Callable[..., Served]) -> None:
    simulator = serve(script((SECONDS_TO_MIDNIGHT_JST + 60, 15_100_000, "1", "sell")), FLAT)
    client = simulator.client
    client.order("buy", "market", "0.01", position_side="long")
    opening = client.trades()[0]
    assert (opening["fee_amount_quote"], opening["fee_occurred_amount_quote"]) == ("0.0000", "150.0000")
    assert (opening["profit_loss"], opening["interest"]) == ("0.0000", "0.0000")
    simulator.pass_seconds(SECONDS_TO_MIDNIGHT_JST + 60)
    assert client.position("long")["unrealized_interest_amount"] == "60.0000"
    client.order("sell", "market", "0.01", position_side="long")
    closing = client.trades()[1]
    assert (closing["fee_amount_quote"], closing["fee_occurred_amount_quote"]) == ("301.0000", "151.0000")
    # (15,100,000 - 15,000,000) x 0.01 - 301 - 60
    assert (closing["profit_loss"], closing["interest"]) == ("639.0000", "60.0000")
    assert client.balance("jpy")["onhand_amount"] == "100639.0000"


def test_the_status_tells_ratio_thresholds_and_room(serve: Callable[..., Served]) -> None:
    client = serve(script(), FLAT).client
    idle = client.get("/user/margin/status").data
    assert (idle["status"], idle["available_balances"][0]) == (
        "NORMAL",
        {"pair": "btc_jpy", "long": "200000.0000", "short": "200000.0000"},
    )
    assert (idle["total_margin_balance_percentage"], idle["margin_call_percentage"], idle["losscut_percentage"]) == (
        None,
        None,
        None,
    )
    client.order("buy", "market", "0.01", position_side="long")
    client.order("buy", "limit", "0.002", position_side="long", price="14000000")
    held = client.get("/user/margin/status").data
    assert held["total_margin_balance"] == "99850.0000"
    assert held["total_margin_balance_percentage"] == "66.56"
    assert (held["margin_call_percentage"], held["losscut_percentage"]) == ("50", "25")
    assert held["open_margin_order_product"] == "28000.0000"
    assert held["total_long_position_maintenance_margin"] == "75000.0000"
    assert held["total_long_open_order_maintenance_margin"] == "14000.0000"
    assert held["total_short_open_order_maintenance_margin"] == "0.0000"
    assert held["available_balances"][0]["long"] == "21700.0000"


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (("buy", "market", "0.02", {"position_side": "long"}), 50061),
        (("sell", "market", "0.01", {"position_side": "long"}), 50062),
        (("buy", "stop", "0.01", {"position_side": "long", "trigger_price": "15100000"}), 40200),
        (("buy", "take_profit", "0.01", {"position_side": "long", "trigger_price": "14000000"}), 60019),
    ],
)
def test_margin_orders_are_refused_with_the_code_of_their_fault(
    serve: Callable[..., Served], order: tuple[str, str, str, dict[str, str]], code: int
) -> None:
    side, kind, amount, more = order
    assert serve(script(), FLAT).client.order(side, kind, amount, **more).code == code


def test_a_stop_loss_without_amount_closes_the_whole_position(serve: Callable[..., Served]) -> None:
    simulator = serve(script((5, 14_800_000, "1", "sell")), FLAT)
    client = simulator.client
    client.order("buy", "market", "0.01", position_side="long")
    stop = client.order("sell", "stop_loss", None, position_side="long", trigger_price="14900000").data
    assert (stop["start_amount"], stop["remaining_amount"]) == (None, None)
    simulator.pass_seconds(5)
    woken = client.look_up(stop["order_id"])
    assert (woken["status"], woken["executed_amount"]) == ("FULLY_FILLED", "0.0100")
    assert client.position("long")["open_amount"] == "0.0000"


def test_a_stop_whose_position_a_resting_close_holds_ends_cancelled(serve: Callable[..., Served]) -> None:
    simulator = serve(script((5, 14_800_000, "1", "sell")), FLAT)
    client = simulator.client
    client.order("buy", "market", "0.01", position_side="long")
    client.order("sell", "limit", "0.01", position_side="long", price="16000000")
    stop = client.order("sell", "stop", "0.01", position_side="long", trigger_price="14900000").data
    simulator.pass_seconds(5)
    assert client.look_up(stop["order_id"])["status"] == "CANCELED_UNFILLED"
    assert client.position("long")["open_amount"] == "0.0100"


def test_below_the_losscut_the_exchange_closes_the_position_itself(serve: Callable[..., Served]) -> None:
    wide = settings_with(btc=Btc(0), cash=Jpy.of(100_000), breaker_range=Rate.of("0.4"))
    simulator = serve(script((5, 11_000_000, "1", "sell")), wide)
    client = simulator.client
    client.order("buy", "market", "0.013", position_side="long")
    simulator.pass_seconds(5)
    closing = client.trades()[-1]
    assert closing["type"] == "losscut"
    order = client.look_up(closing["order_id"])
    assert (order["status"], order["user_cancelable"]) == ("FULLY_FILLED", False)
    assert client.position("long")["open_amount"] == "0.0000"


def test_a_margin_call_is_judged_at_15_jst_and_announced(serve: Callable[..., Served]) -> None:
    seconds_to_15_jst = SECONDS_TO_MIDNIGHT_JST - 9 * 3_600
    simulator = serve(script((5, 13_500_000, "1", "sell")), FLAT)
    client = simulator.client
    client.order("buy", "market", "0.012", position_side="long")
    simulator.pass_seconds(seconds_to_15_jst)
    judged_ms = START_MS + seconds_to_15_jst * 1_000
    answer = client.get("/user/margin/positions").data
    assert client.get("/user/margin/status").data["status"] == "CALL"
    # 180,000 x 0.5 - (100,000 - 18,000 - 180)
    assert answer["notice"] == {
        "what": "margin_call",
        "occurred_at": judged_ms,
        "amount": "8180.0000",
        "due_date_at": judged_ms + 86_400_000,
    }
    assert client.order("buy", "limit", "0.0001", position_side="long", price="13000000").code == 50059
