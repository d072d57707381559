"""ccxt's bitbank, unchanged but for its addresses: every type of order, what becomes of it, and what is refused."""

import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ccxt_process import SYMBOL, resting, started
from foreign import ForeignClient, Simulator, Truth
from served import KEY, SECRET


@pytest.mark.parametrize(
    ("kind", "side", "fields", "status"),
    [
        ("limit", "buy", {"post_only": True}, "UNFILLED"),
        ("limit", "sell", {}, "UNFILLED"),
        ("stop", "sell", {"trigger_price": 0.9}, "INACTIVE"),
        ("stop_limit", "sell", {"trigger_price": 0.9, "price": 0.89}, "INACTIVE"),
        ("stop_limit", "buy", {"trigger_price": 1.1, "price": 1.11}, "INACTIVE"),
    ],
)
def test_given_a_type_of_order_when_placed_then_every_field_arrives(
    ccxt_client: ForeignClient, truth: Truth, kind: str, side: str, fields: dict[str, Any], status: str
) -> None:
    last = truth.last_price()
    sent = {name: value if isinstance(value, bool) else str(round(last * value)) for name, value in fields.items()}
    price = None if kind != "limit" else round(last * (0.9 if side == "buy" else 1.1))
    order = ccxt_client.call("createOrder", SYMBOL, kind, side, 0.01, price, sent).result
    told = truth.look_up(int(order["id"]))
    assert (told["type"], told["side"], told["status"], told["start_amount"]) == (kind, side, status, "0.0100")
    assert {name: told[name] for name in sent} == sent
    if price is not None:
        assert told["price"] == str(price)


def test_given_a_position_when_protected_then_its_stop_closes_it_in_a_fall(
    ccxt_client: ForeignClient, simulator: Simulator
) -> None:
    truth = simulator.truth
    last = truth.last_price()

    def place(kind: str, side: str, **fields: str) -> dict[str, Any]:
        parameters = {"position_side": "long"} | fields
        placed = ccxt_client.call("createOrder", SYMBOL, kind, side, 0.02, None, parameters).result
        return truth.look_up(int(placed["id"]))

    assert place("market", "buy")["position_side"] == "long"
    assert truth.position("long")["open_amount"] == "0.0200"
    profit = place("take_profit", "sell", trigger_price=str(round(last * 1.05)))
    loss = place("stop_loss", "sell", trigger_price=str(round(last * 0.99)))
    assert profit["status"] == loss["status"] == "INACTIVE"
    simulator.others_trade(round(last * 0.985), "0.5000")
    closing = ccxt_client.call("fetchOrder", str(loss["order_id"]), SYMBOL).result
    assert (closing["status"], closing["filled"]) == ("closed", 0.02)
    assert truth.position("long")["open_amount"] == "0.0000"
    row = ccxt_client.call("fetchMyTrades", SYMBOL).result[-1]["info"]
    assert (row["position_side"], row["order_id"]) == ("long", loss["order_id"])
    assert float(row["profit_loss"]) < 0


def test_given_a_resting_order_when_others_take_part_of_it_then_the_part_is_told_and_the_rest_can_be_canceled(
    ccxt_client: ForeignClient, simulator: Simulator
) -> None:
    price = round(simulator.truth.last_price() * 0.99)
    placed = ccxt_client.call("createOrder", SYMBOL, "limit", "buy", 0.02, price).result
    simulator.others_trade(price - 1, "0.0050")
    found = ccxt_client.call("fetchOrder", placed["id"], SYMBOL).result
    assert found["info"] == simulator.truth.look_up(int(placed["id"]))
    assert (found["status"], found["filled"], found["remaining"]) == ("open", 0.005, 0.015)
    canceled = ccxt_client.call("cancelOrder", placed["id"], SYMBOL).result
    assert (canceled["status"], canceled["info"]["status"]) == ("canceled", "CANCELED_PARTIALLY_FILLED")


def test_given_a_post_only_order_that_would_take_when_placed_then_it_is_canceled(
    ccxt_client: ForeignClient, truth: Truth
) -> None:
    above = round(truth.last_price() * 1.01)
    placed = ccxt_client.call("createOrder", SYMBOL, "limit", "buy", 0.01, above, {"post_only": True}).result
    assert ccxt_client.call("fetchOrder", placed["id"], SYMBOL).result["info"]["status"] == "CANCELED_UNFILLED"


def test_given_names_that_only_ccxt_knows_when_sent_then_they_have_no_effect(
    ccxt_client: ForeignClient, truth: Truth
) -> None:
    below = round(truth.last_price() * 0.9)
    placed = ccxt_client.call("createOrder", SYMBOL, "limit", "buy", 0.01, below, {"postOnly": True}).result
    assert truth.look_up(int(placed["id"]))["post_only"] is False
    stop = ccxt_client.call("createOrder", SYMBOL, "stop", "sell", 0.01, None, {"triggerPrice": str(below)})
    assert "30101" in str(stop.message)


def test_given_orders_that_are_refused_when_sent_then_ccxt_names_the_errors(
    ccxt_client: ForeignClient, truth: Truth
) -> None:
    last = truth.last_price()
    assert ccxt_client.call("createOrder", SYMBOL, "limit", "buy", 5, last).error == "InsufficientFunds"
    assert ccxt_client.call("createOrder", SYMBOL, "limit", "buy", 0.01, last * 100).error == "InvalidOrder"
    assert ccxt_client.call("cancelOrder", "1", SYMBOL).error == "OrderNotFound"
    placed = resting(ccxt_client, truth)
    ccxt_client.call("cancelOrder", placed["id"], SYMBOL)
    again = ccxt_client.call("cancelOrder", placed["id"], SYMBOL)
    assert (again.error, "50026" in str(again.message)) == ("ExchangeError", True)
    flags = {"position_side": "short", "trigger_price": str(last + 1000)}
    opening_stop = ccxt_client.call("createOrder", SYMBOL, "stop", "sell", 0.01, None, flags)
    assert opening_stop.error == "ExchangeError"


def test_given_a_wrong_secret_when_asked_then_access_is_refused(ccxt_client: ForeignClient) -> None:
    assert ccxt_client.call("fetchBalance", secret="wrong").error == "AuthenticationError"


def test_given_nonces_when_orders_go_there_and_back_then_each_is_accepted(
    ccxt_client: ForeignClient, truth: Truth
) -> None:
    by_nonce = {"options": {"authMethod": "nonce"}}
    placed = resting(ccxt_client, truth, **by_nonce)
    assert ccxt_client.call("fetchOpenOrders", SYMBOL, **by_nonce).result[0]["id"] == placed["id"]
    assert ccxt_client.call("cancelOrder", placed["id"], SYMBOL, **by_nonce).result["status"] == "canceled"


@pytest.mark.slow
def test_given_the_command_with_its_limits_when_ccxt_trades_at_its_own_pace_then_orders_go_there_and_back() -> None:
    kedro = str(Path(sys.executable).with_name("kedro"))
    options = f"--data synthetic --speed 0 --port 0 --control-port 0 --key {KEY} --secret {SECRET}"
    pace = {"enableRateLimit": True}
    with (
        closing(Simulator([kedro, "bitbank-sim", *options.split()])) as simulator,
        closing(started(simulator)) as client,
    ):
        placed = [resting(client, simulator.truth, **pace)["id"] for _ in range(3)]
        seen = [client.call("fetchOrder", order_id, SYMBOL, **pace).result["status"] for order_id in placed]
        canceled = [client.call("cancelOrder", order_id, SYMBOL, **pace).result["status"] for order_id in placed]
    assert (seen, canceled) == (["open"] * 3, ["canceled"] * 3)
