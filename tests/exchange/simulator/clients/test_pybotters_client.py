"""pybotters, unchanged but for its addresses: signed requests, its store of the market and its store of the account."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from foreign import CLIENTS, ForeignClient, Simulator, Truth
from served import KEY, SECRET

PAIR = {"pair": "btc_jpy"}
API, PUBLIC = "api.bitbank.cc", "public.bitbank.cc"


@pytest.fixture(scope="module")
def client(simulator: Simulator) -> Iterator[ForeignClient]:
    """The client, which signs by time without naming a window."""
    program = [sys.executable, str(CLIENTS / "pybotters_client.py"), str(simulator.port), KEY, SECRET]
    running = ForeignClient(program)
    yield running
    running.close()


@pytest.fixture(scope="module")
def market(client: ForeignClient) -> ForeignClient:
    """The client in all rooms of the market."""
    rooms = ("depth_whole", "depth_diff", "transactions", "ticker")
    client.call("join", *(f"{room}_btc_jpy" for room in rooms))
    return client


@pytest.fixture(scope="module")
def account(client: ForeignClient) -> ForeignClient:
    """The client that follows the account."""
    client.call("listen")
    return client


def place(client: ForeignClient, **fields: str) -> dict[str, Any]:
    """Place an order, by default one that rests far below the market."""
    order = PAIR | {"side": "buy", "type": "limit", "amount": "0.01", "price": "7000000"} | fields
    placed: dict[str, Any] = client.call("post", "/v1/user/spot/order", order).result["data"]
    return placed


@pytest.mark.parametrize("path", ["/btc_jpy/ticker", "/btc_jpy/depth", "/btc_jpy/candlestick/1hour/20260527"])
def test_given_a_public_path_when_asked_then_the_market_is_told(client: ForeignClient, truth: Truth, path: str) -> None:
    assert client.call("get", PUBLIC, path, {}).result == truth.public(path).body


@pytest.mark.parametrize("path", ["assets", "margin/status", "margin/positions", "spot/active_orders"])
def test_given_a_private_path_when_asked_then_its_signature_is_accepted(
    client: ForeignClient, truth: Truth, path: str
) -> None:
    assert client.call("get", API, f"/v1/user/{path}", {}).result == truth.get(f"/user/{path}").body


def test_given_a_query_and_a_body_when_signed_then_an_order_goes_there_and_back(
    client: ForeignClient, truth: Truth
) -> None:
    order_id = place(client)["order_id"]
    named = PAIR | {"order_id": str(order_id)}
    assert client.call("get", API, "/v1/user/spot/order", named).result["data"] == truth.look_up(order_id)
    client.call("post", "/v1/user/spot/cancel_order", named)
    assert truth.look_up(order_id)["status"] == "CANCELED_UNFILLED"


def test_given_a_market_that_moves_when_it_is_followed_then_the_store_holds_the_book_of_the_exchange(
    market: ForeignClient, simulator: Simulator
) -> None:
    last = simulator.truth.last_price()
    for step in range(25):
        simulator.others_trade(last + 700 * step * (-1) ** step, "0.0100")
        place(market, price=str(last - 60_000 - step), amount="0.0001")
    told = simulator.truth.public("/btc_jpy/depth").data
    expected = {side: told[side] for side in ("asks", "bids")}
    assert market.call("book", expected).result == expected


def test_given_trades_when_the_market_is_followed_then_the_store_holds_trade_and_ticker(
    market: ForeignClient, simulator: Simulator
) -> None:
    simulator.others_trade(simulator.truth.last_price() - 1_234, "0.0321", "sell")
    newest = simulator.truth.public("/btc_jpy/transactions").data["transactions"][0]
    assert newest["amount"] == "0.0321"
    assert PAIR | newest in market.call("rows", "transactions", [newest]).result
    ticker = simulator.truth.public("/btc_jpy/ticker").data
    assert PAIR | ticker in market.call("rows", "ticker", [ticker]).result


def test_given_an_order_when_the_account_is_followed_then_the_store_holds_it_until_it_is_canceled(
    account: ForeignClient, truth: Truth
) -> None:
    order_id = place(account)["order_id"]
    told = truth.look_up(order_id)
    assert told.items() <= account.call("rows", "spot_order", [told]).result[-1].items()
    jpy = truth.balance("jpy")
    amounts = {name: jpy[name] for name in ("asset", "free_amount", "locked_amount", "onhand_amount")}
    assert float(amounts["locked_amount"]) > 0
    assert any(amounts.items() <= row.items() for row in account.call("rows", "asset", [amounts]).result)
    truth.cancel(order_id)
    assert account.call("gone", "spot_order", {"order_id": order_id}).result is True


def test_given_a_position_when_the_account_is_followed_then_the_stores_hold_trade_and_position(
    account: ForeignClient, truth: Truth
) -> None:
    order = place(account, type="market", position_side="long")
    (trade,) = truth.trades(f"pair=btc_jpy&order_id={order['order_id']}")
    assert any(trade.items() <= row.items() for row in account.call("rows", "spot_trade", [trade]).result)
    position = truth.position("long")
    assert position["open_amount"] == "0.0100"
    assert any(position.items() <= row.items() for row in account.call("rows", "margin_position", [position]).result)
    place(account, type="market", side="sell", position_side="long")
