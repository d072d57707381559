"""The life of spot orders on the wire, and what is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from served import PRICE, START_MS, Served, script, settings_with

from crypto_kedro.exchange.settings import EngineSettings

BID, ASK = 14_998_500, PRICE


def test_a_new_limit_order_is_answered_with_every_documented_field(quiet: Served) -> None:
    assert quiet.client.order("buy", "limit", "0.01", price="14000000", post_only=True).data == {
        "order_id": 60_000_000_001,
        "pair": "btc_jpy",
        "side": "buy",
        "type": "limit",
        "start_amount": "0.0100",
        "remaining_amount": "0.0100",
        "executed_amount": "0.0000",
        "price": "14000000",
        "post_only": True,
        "user_cancelable": True,
        "average_price": "0",
        "ordered_at": START_MS,
        "expire_at": START_MS + 15_552_000_000,
        "status": "UNFILLED",
    }


def test_a_market_order_is_acknowledged_unfilled_and_fills_at_the_touch(quiet: Served) -> None:
    client = quiet.client
    order = client.order("buy", "market", "0.02").data
    assert (order["status"], order["expire_at"], "price" in order) == ("UNFILLED", None, False)
    filled = client.look_up(order["order_id"])
    assert (filled["status"], filled["average_price"], filled["remaining_amount"]) == (
        "FULLY_FILLED",
        str(ASK),
        "0.0000",
    )
    assert client.trades() == [
        {
            "trade_id": 1_500_000_001,
            "pair": "btc_jpy",
            "order_id": order["order_id"],
            "side": "buy",
            "type": "market",
            "amount": "0.0200",
            "price": str(ASK),
            "maker_taker": "taker",
            "fee_amount_base": "0.00000000",
            "fee_amount_quote": "300.0000",
            "fee_occurred_amount_quote": "300.0000",
            "executed_at": START_MS,
        }
    ]
    assert client.balance("jpy")["onhand_amount"] == "699700.0000"
    assert client.balance("btc")["free_amount"] == "0.52000000"


def test_an_answer_may_show_the_order_as_it_is_after_the_match(serve: Callable[..., Served]) -> None:
    client = serve(script(), settings_with(acknowledge_first=False)).client
    assert client.order("sell", "market", "0.02").data["status"] == "FULLY_FILLED"


def test_a_market_order_that_the_touch_cannot_fill_is_rejected_whole(quiet: Served) -> None:
    order = quiet.client.order("sell", "market", "0.4").data
    more = quiet.client.order("sell", "market", "0.1").data
    assert quiet.client.look_up(order["order_id"])["status"] == "FULLY_FILLED"
    assert quiet.client.look_up(more["order_id"])["status"] == "FULLY_FILLED"
    nothing_left = quiet.client.order("buy", "limit", "0.01", price=str(BID)).data
    assert quiet.client.look_up(nothing_left["order_id"])["status"] == "UNFILLED"


def test_a_resting_order_locks_cash_with_the_taker_fee_and_frees_it_when_cancelled(quiet: Served) -> None:
    client = quiet.client
    order = client.order("buy", "limit", "0.01", price="14000000").data
    assert client.balance("jpy")["locked_amount"] == "140140.0000"
    canceled = client.cancel(order["order_id"]).data
    assert (canceled["status"], canceled["canceled_at"]) == ("CANCELED_UNFILLED", START_MS)
    assert client.balance("jpy")["free_amount"] == "1000000.0000"


def test_a_resting_order_fills_in_parts_as_others_trade_through_it(serve: Callable[..., Served]) -> None:
    simulator = serve(script((5, 14_900_000, "0.004", "sell"), (9, 14_900_000, "0.1", "sell")))
    client = simulator.client
    order_id = client.order("buy", "limit", "0.01", price="14950000").data["order_id"]
    simulator.pass_seconds(6)
    part = client.look_up(order_id)
    assert (part["status"], part["remaining_amount"], part["executed_amount"]) == (
        "PARTIALLY_FILLED",
        "0.0060",
        "0.0040",
    )
    assert client.balance("jpy")["locked_amount"] == "89789.7000"
    simulator.pass_seconds(6)
    assert client.look_up(order_id)["status"] == "FULLY_FILLED"
    assert [(row["amount"], row["maker_taker"]) for row in client.trades()] == [
        ("0.0040", "maker"),
        ("0.0060", "maker"),
    ]


def test_a_partly_filled_order_that_is_cancelled_says_so(serve: Callable[..., Served]) -> None:
    simulator = serve(script((5, 14_900_000, "0.004", "sell")))
    order_id = simulator.client.order("buy", "limit", "0.01", price="14950000").data["order_id"]
    simulator.pass_seconds(6)
    assert simulator.client.cancel(order_id).data["status"] == "CANCELED_PARTIALLY_FILLED"


def test_a_fill_that_comes_first_wins_over_the_cancel(serve: Callable[..., Served]) -> None:
    simulator = serve(script((5, 14_900_000, "1", "sell")), settings_with(engine=EngineSettings(latency_ms=2_000)))
    client = simulator.client
    order_id = client.order("buy", "limit", "0.01", price="14950000").data["order_id"]
    simulator.pass_seconds(4)
    assert client.cancel(order_id).data["status"] == "UNFILLED"
    simulator.pass_seconds(4)
    assert client.look_up(order_id)["status"] == "FULLY_FILLED"


def test_post_only_is_cancelled_when_it_would_take_and_rests_when_it_joins(quiet: Served) -> None:
    client = quiet.client
    taking = client.order("buy", "limit", "0.01", price=str(ASK), post_only=True).data
    joining = client.order("buy", "limit", "0.01", price=str(BID), post_only=True).data
    assert client.look_up(taking["order_id"])["status"] == "CANCELED_UNFILLED"
    assert client.look_up(joining["order_id"])["status"] == "UNFILLED"


def test_a_stop_sleeps_wakes_at_its_trigger_and_becomes_a_market_order(serve: Callable[..., Served]) -> None:
    simulator = serve(script((5, 14_800_000, "1", "sell")))
    client = simulator.client
    stop = client.order("sell", "stop", "0.1", trigger_price="14900000").data
    assert (stop["status"], stop["trigger_price"], "triggered_at" in stop) == ("INACTIVE", "14900000", False)
    assert client.balance("btc")["locked_amount"] == "0.00000000"
    assert [order["order_id"] for order in client.get("/user/spot/active_orders").data["orders"]] == [stop["order_id"]]
    simulator.pass_seconds(5)
    woken = client.look_up(stop["order_id"])
    assert (woken["status"], woken["average_price"]) == ("FULLY_FILLED", "14800000")
    assert woken["triggered_at"] == START_MS + 5_000


def test_a_stop_limit_rests_after_a_gap_past_its_limit(serve: Callable[..., Served]) -> None:
    simulator = serve(script((5, 14_800_000, "1", "sell")))
    stop = simulator.client.order("sell", "stop_limit", "0.1", trigger_price="14900000", price="14890000").data
    simulator.pass_seconds(5)
    assert simulator.client.look_up(stop["order_id"])["status"] == "UNFILLED"


def test_orders_expire_after_180_days(quiet: Served) -> None:
    order_id = quiet.client.order("buy", "limit", "0.01", price="14000000").data["order_id"]
    quiet.pass_seconds(180 * 86_400 - 60)
    assert quiet.client.look_up(order_id)["status"] == "UNFILLED"
    quiet.pass_seconds(60)
    assert quiet.client.look_up(order_id)["status"] == "CANCELED_UNFILLED"


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ({"pair": None}, 30009),
        ({"pair": "eth_btc"}, 40017),
        ({"side": None}, 30013),
        ({"side": "long"}, 40021),
        ({"type": None}, 30015),
        ({"type": "iceberg"}, 40024),
        ({"type": "losscut"}, 40024),
        ({"amount": None}, 30001),
        ({"amount": "much"}, 40001),
        ({"amount": "-1"}, 40001),
        ({"amount": "0"}, 40001),
        ({"amount": "0.00015"}, 40001),
        ({"amount": "1e-2"}, 40001),
        ({"amount": True}, 40001),
        ({"price": None}, 30012),
        ({"price": "cheap"}, 40020),
        ({"price": "14000000.5"}, 40020),
        ({"price": "150000001"}, 60005),
        ({"price": "1499999"}, 60006),
        ({"amount": "1001", "price": "1500000"}, 60003),
        ({"type": "market", "amount": "11"}, 60002),
        ({"type": "stop"}, 30101),
        ({"type": "stop", "trigger_price": "soon"}, 40112),
        ({"type": "stop", "trigger_price": "14900000"}, 60018),
        ({"type": "stop", "trigger_price": "150000001"}, 60016),
        ({"type": "take_profit", "trigger_price": "14900000"}, 60019),
        ({"post_only": "yes"}, 40113),
        ({"type": "market", "post_only": True}, 40114),
        ({"position_side": "both"}, 40164),
        ({"amount": "0.5", "price": "14000000"}, 60001),
    ],
)
def test_an_order_is_refused_with_the_code_of_its_fault(quiet: Served, order: dict[str, Any], code: int) -> None:
    fields = {"pair": "btc_jpy", "side": "buy", "type": "limit", "amount": "0.01", "price": "14000000"} | order
    body = {name: value for name, value in fields.items() if value is not None}
    answer = quiet.client.post("/user/spot/order", body)
    assert (answer.code, answer.status) == (code, 200)
    assert quiet.client.get("/user/spot/active_orders").data == {"orders": []}


def test_unknown_keys_are_ignored_so_a_misspelt_one_has_no_effect(quiet: Served) -> None:
    order = quiet.client.order("buy", "limit", "0.01", price=str(ASK), postOnly=True, triggerPrice="1").data
    assert order["post_only"] is False
    assert quiet.client.look_up(order["order_id"])["status"] == "FULLY_FILLED"


def test_the_thirty_first_order_is_one_too_many(quiet: Served) -> None:
    for number in range(30):
        quiet.client.order("buy", "limit", "0.0001", price=str(14_000_000 + number))
    assert quiet.client.order("buy", "limit", "0.0001", price="13000000").code == 60011


@pytest.mark.parametrize("body", ["", "[]", "nonsense", '{"pair":NaN}', "[" * 100_000, '"btc_jpy"'])
def test_a_body_that_is_no_json_object_is_malformed(quiet: Served, body: str) -> None:
    answer = quiet.client.post("/user/spot/order", body)
    assert (answer.code, answer.status) == (10002, 400)


def test_what_cannot_be_cancelled_has_its_own_code(quiet: Served) -> None:
    client = quiet.client
    canceled = client.order("buy", "limit", "0.01", price="14000000").data["order_id"]
    client.cancel(canceled)
    executed = client.order("buy", "market", "0.01").data["order_id"]
    assert client.cancel(canceled).code == 50026
    assert client.cancel(executed).code == 50027
    assert client.cancel(12345).code == 50009
    assert client.post("/user/spot/cancel_order", {"pair": "btc_jpy"}).code == 30006
    assert client.post("/user/spot/cancel_order", {"pair": "btc_jpy", "order_id": "x"}).code == 40013


def test_an_id_may_be_a_string_of_digits(quiet: Served) -> None:
    order_id = quiet.client.order("buy", "limit", "0.01", price="14000000").data["order_id"]
    answer = quiet.client.post("/user/spot/cancel_order", {"pair": "btc_jpy", "order_id": str(order_id)})
    assert answer.data["order_id"] == order_id


def test_a_mixed_batch_of_cancels_is_carried_out_as_far_as_it_goes(quiet: Served) -> None:
    client = quiet.client
    first, second = (client.order("buy", "limit", "0.01", price="14000000").data["order_id"] for _ in range(2))
    client.cancel(first)
    batch = {"pair": "btc_jpy", "order_ids": [first, second, 1]}
    assert [order["order_id"] for order in client.post("/user/spot/cancel_orders", batch).data["orders"]] == [second]


def test_a_mixed_batch_of_cancels_may_fail_as_a_whole(serve: Callable[..., Served]) -> None:
    client = serve(script(), settings_with(partial_cancels=False)).client
    order_id = client.order("buy", "limit", "0.01", price="14000000").data["order_id"]
    batch = {"pair": "btc_jpy", "order_ids": [order_id, 1]}
    assert client.post("/user/spot/cancel_orders", batch).code == 50009
    assert client.look_up(order_id)["status"] == "UNFILLED"


@pytest.mark.parametrize(
    ("ids", "code"),
    [(None, 30007), ([], 40014), ("1", 40014), (["x"], 40014), ([True], 40014), (list(range(31)), 40015)],
)
def test_a_batch_is_refused_with_the_code_of_its_fault(quiet: Served, ids: object, code: int) -> None:
    body = {"pair": "btc_jpy"} | ({} if ids is None else {"order_ids": ids})
    assert quiet.client.post("/user/spot/cancel_orders", body).code == code


def test_orders_info_leaves_out_what_it_does_not_know(quiet: Served) -> None:
    order_id = quiet.client.order("buy", "limit", "0.01", price="14000000").data["order_id"]
    found = quiet.client.post("/user/spot/orders_info", {"pair": "btc_jpy", "order_ids": [order_id, 1]}).data
    assert [order["order_id"] for order in found["orders"]] == [order_id]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("count=", 40006),
        ("count=x", 40006),
        ("from_id=x", 40009),
        ("end_id=x", 40008),
        ("since=x", 40022),
        ("end=x", 40007),
        ("end=x&count=x", 40006),
        ("pair=eth_btc", 40017),
    ],
)
def test_a_page_is_refused_with_the_code_of_its_fault(quiet: Served, query: str, code: int) -> None:
    assert quiet.client.get(f"/user/spot/active_orders?{query}").code == code
    assert quiet.client.get(f"/user/spot/trade_history?{query}").code == code


def test_the_trade_history_is_paged_by_time_id_count_and_order(quiet: Served) -> None:
    client = quiet.client
    orders = []
    for _ in range(3):
        orders.append(client.order("buy", "market", "0.01").data["order_id"])
        quiet.pass_seconds(10)
    ids = [row["trade_id"] for row in client.trades()]
    assert ids == sorted(ids)
    assert [row["trade_id"] for row in client.trades("pair=btc_jpy")] == ids[::-1]
    assert [row["trade_id"] for row in client.trades("count=1")] == ids[-1:]
    assert [row["trade_id"] for row in client.trades(f"since={START_MS + 10_000}&order=asc")] == ids[1:]
    assert [row["trade_id"] for row in client.trades(f"end={START_MS}")] == ids[:1]
    assert [row["trade_id"] for row in client.trades(f"from_id={ids[1]}&end_id={ids[1]}")] == [ids[1]]
    assert [row["order_id"] for row in client.trades(f"pair=btc_jpy&order_id={orders[1]}")] == [orders[1]]
    assert client.get(f"/user/spot/trade_history?order_id={orders[1]}").code == 30009


def test_sleeping_orders_may_be_left_out_of_the_active_ones(serve: Callable[..., Served]) -> None:
    client = serve(script(), settings_with(list_inactive=False)).client
    client.order("sell", "stop", "0.1", trigger_price="14900000")
    assert client.get("/user/spot/active_orders").data == {"orders": []}


def test_an_order_cannot_be_looked_up_three_months_after_its_end(quiet: Served) -> None:
    client = quiet.client
    ended = client.order("buy", "limit", price="14000000").data["order_id"]
    client.cancel(ended)
    quiet.pass_seconds(90 * 86_400 - 60)
    assert client.look_up(ended)["status"] == "CANCELED_UNFILLED"
    quiet.pass_seconds(60)
    query = f"/user/spot/order?pair=btc_jpy&order_id={ended}"
    assert client.get(query).code == 50009
    assert client.cancel(ended).code == 50009
    assert client.post("/user/spot/orders_info", {"pair": "btc_jpy", "order_ids": [ended]}).data == {"orders": []}


def test_only_so_many_ended_orders_are_kept(serve: Callable[..., Served]) -> None:
    simulator = serve(script(), settings_with(kept_orders=2))
    client = simulator.client
    ids = [client.order("buy", "limit", price="14000000").data["order_id"] for _ in range(3)]
    for order_id in ids:
        client.cancel(order_id)
    simulator.pass_seconds(60)
    assert client.get(f"/user/spot/order?pair=btc_jpy&order_id={ids[0]}").code == 50009
    assert [client.look_up(order_id)["status"] for order_id in ids[1:]] == ["CANCELED_UNFILLED"] * 2
