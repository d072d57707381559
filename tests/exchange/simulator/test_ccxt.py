"""ccxt's bitbank works against the simulator with nothing changed but its addresses."""

import ccxt
import pytest
from served import KEY, PRICE, SECRET, START_MS, Served

SYMBOL = "BTC/JPY"


@pytest.fixture
def exchange(quiet: Served) -> ccxt.bitbank:
    client = ccxt.bitbank({"apiKey": KEY, "secret": SECRET, "enableRateLimit": False})
    client.urls["api"] = {"public": quiet.url, "private": quiet.url, "markets": quiet.url}
    return client


def test_the_market_is_described(exchange: ccxt.bitbank) -> None:
    market = exchange.load_markets()[SYMBOL]
    assert (market["precision"]["price"], market["precision"]["amount"]) == (1.0, 0.0001)
    assert (market["maker"], market["taker"]) == (0.0, 0.001)
    assert exchange.fetch_trading_fees()[SYMBOL]["taker"] == 0.001


def test_the_market_is_seen(exchange: ccxt.bitbank) -> None:
    ticker = exchange.fetch_ticker(SYMBOL)
    assert (ticker["last"], ticker["ask"], ticker["timestamp"]) == (PRICE, PRICE, START_MS)
    assert len(exchange.fetch_order_book(SYMBOL)["bids"]) == 200
    assert exchange.fetch_ohlcv(SYMBOL, "1m", START_MS)[0] == [START_MS, *[float(PRICE)] * 4, 0.0]
    exchange.create_order(SYMBOL, "market", "buy", 0.01)
    assert exchange.fetch_trades(SYMBOL)[0]["side"] == "buy"


@pytest.mark.parametrize("method", ["timeWindow", "nonce"])
def test_an_order_goes_there_and_back(exchange: ccxt.bitbank, method: str) -> None:
    exchange.options["authMethod"] = method
    order = exchange.create_order(SYMBOL, "limit", "buy", 0.0123, 14_000_000, {"post_only": True})
    assert exchange.fetch_open_orders(SYMBOL)[0]["id"] == order["id"]
    assert exchange.fetch_balance()["used"]["JPY"] == pytest.approx(172_372.2)
    assert exchange.cancel_order(order["id"], SYMBOL)["status"] == "canceled"
    assert exchange.fetch_order(order["id"], SYMBOL)["status"] == "canceled"
    assert exchange.fetch_open_orders(SYMBOL) == []


def test_a_position_is_opened_protected_and_closed(exchange: ccxt.bitbank) -> None:
    exchange.create_order(SYMBOL, "market", "buy", 0.01, params={"position_side": "long"})
    stop = {"position_side": "long", "trigger_price": "14000000"}
    stop_id = exchange.create_order(SYMBOL, "stop", "sell", 0.01, params=stop)["id"]
    rows = exchange.private_get_user_margin_positions()["data"]["positions"]
    assert rows[0]["open_amount"] == "0.0100"
    exchange.private_post_user_spot_cancel_orders({"pair": "btc_jpy", "order_ids": [int(stop_id)]})
    exchange.create_order(SYMBOL, "market", "sell", 0.01, params={"position_side": "long"})
    opening, closing = sorted(exchange.fetch_my_trades(SYMBOL), key=lambda trade: trade["id"])
    assert (opening["side"], closing["side"]) == ("buy", "sell")
    assert closing["info"]["profit_loss"] == "-314.9850"
    assert exchange.private_get_user_margin_status()["data"]["status"] == "NORMAL"


def test_errors_arrive_as_ccxt_names_them(exchange: ccxt.bitbank) -> None:
    with pytest.raises(ccxt.InsufficientFunds):
        exchange.create_order(SYMBOL, "limit", "buy", 1, 14_000_000)
    with pytest.raises(ccxt.OrderNotFound):
        exchange.cancel_order("1", SYMBOL)
    exchange.secret = "wrong"
    with pytest.raises(ccxt.AuthenticationError):
        exchange.fetch_balance()
