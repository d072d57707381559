"""ccxt's bitbank, unchanged but for its addresses: all that it says it has, and every endpoint that it knows."""

import json
from typing import Any

import ccxt
import pytest
from ccxt_process import SYMBOL, resting
from foreign import Checks, ForeignClient, Simulator, Truth

PAIR = "btc_jpy"
YESTERDAY, YESTERDAY_MS = "20260527", 1_779_840_000_000
NOT_METHODS = {"spot", "publicAPI", "privateAPI"}
CHECKS = Checks()


@CHECKS.shows("fetchMarkets")
def _(client: ForeignClient, simulator: Simulator) -> None:
    (market,) = client.call("fetchMarkets").result
    assert market["info"] == simulator.truth.public("/v1/spot/pairs").data["pairs"][0]
    assert (market["precision"]["price"], market["precision"]["amount"]) == (1.0, 0.0001)
    assert (market["symbol"], market["maker"], market["taker"]) == (SYMBOL, 0.0, 0.001)


@CHECKS.shows("fetchTradingFees")
def _(client: ForeignClient, simulator: Simulator) -> None:
    fees = client.call("fetchTradingFees").result[SYMBOL]
    assert (fees["maker"], fees["taker"]) == (0.0, 0.001)


@CHECKS.shows("fetchTicker")
def _(client: ForeignClient, simulator: Simulator) -> None:
    ticker = client.call("fetchTicker", SYMBOL).result
    told = simulator.truth.public("/btc_jpy/ticker").data
    assert ticker["info"] == told
    shown = {"ask": "sell", "bid": "buy", "high": "high", "low": "low", "last": "last", "baseVolume": "vol"}
    assert {name: ticker[name] for name in shown} == {name: float(told[key]) for name, key in shown.items()}


@CHECKS.shows("fetchOrderBook", "fetchL2OrderBook")
def _(client: ForeignClient, simulator: Simulator) -> None:
    told = simulator.truth.public("/btc_jpy/depth").data
    for method in ("fetchOrderBook", "fetchL2OrderBook"):
        book = client.call(method, SYMBOL).result
        for side in ("asks", "bids"):
            assert book[side] == [[float(price), float(amount)] for price, amount in told[side]]
    assert len(told["bids"]) == 200


@CHECKS.shows("fetchTrades")
def _(client: ForeignClient, simulator: Simulator) -> None:
    simulator.others_trade(simulator.truth.last_price(), "0.0300", "buy")
    trades = client.call("fetchTrades", SYMBOL).result
    told = simulator.truth.public("/btc_jpy/transactions").data["transactions"]
    assert [trade["info"] for trade in trades] == told[::-1]
    assert (trades[-1]["side"], trades[-1]["amount"], trades[-1]["timestamp"]) == ("buy", 0.03, told[0]["executed_at"])


@CHECKS.shows("fetchOHLCV")
def _(client: ForeignClient, simulator: Simulator) -> None:
    for timeframe, kind in ccxt.bitbank().timeframes.items():
        is_of_a_day = timeframe in ("1m", "5m", "15m", "30m", "1h")
        period = YESTERDAY if is_of_a_day else YESTERDAY[:4]
        # ccxt names a day where bitbank wants a year; callers have to set it right.
        named = {} if is_of_a_day else {"yyyymmdd": period}
        told = simulator.truth.public(f"/{PAIR}/candlestick/{kind}/{period}").data["candlestick"][0]["ohlcv"]
        rows = client.call("fetchOHLCV", SYMBOL, timeframe, YESTERDAY_MS, None, named).result
        expected = [[opened, *map(float, values)] for *values, opened in told if opened >= YESTERDAY_MS]
        assert rows == expected, timeframe
    assert client.call("fetchOHLCV", SYMBOL, "1d", YESTERDAY_MS).error == "ExchangeError"


@CHECKS.shows("fetchBalance")
def _(client: ForeignClient, simulator: Simulator) -> None:
    resting(client, simulator.truth)
    balance = client.call("fetchBalance").result
    for asset in ("btc", "jpy"):
        told = simulator.truth.balance(asset)
        shown = balance[asset.upper()]
        amounts = [float(told[f"{name}_amount"]) for name in ("free", "locked", "onhand")]
        assert [shown["free"], shown["used"], shown["total"]] == amounts
    assert balance["JPY"]["used"] > 0


@CHECKS.shows("createOrder", "createLimitOrder")
def _(client: ForeignClient, simulator: Simulator) -> None:
    price = simulator.truth.last_price() // 2
    for method, kind in (("createOrder", ["limit"]), ("createLimitOrder", [])):
        order = client.call(method, SYMBOL, *kind, "buy", 0.0123, price).result
        assert order["info"] == simulator.truth.look_up(int(order["id"]))
        assert (order["status"], order["price"], order["amount"], order["remaining"]) == ("open", price, 0.0123, 0.0123)


@CHECKS.shows("createMarketOrder")
def _(client: ForeignClient, simulator: Simulator) -> None:
    for side in ("buy", "sell"):
        order = client.call("createMarketOrder", SYMBOL, side, 0.0123).result
        told = simulator.truth.look_up(int(order["id"]))
        assert (told["status"], told["side"], told["executed_amount"]) == ("FULLY_FILLED", side, "0.0123")


@CHECKS.shows("cancelOrder", "fetchOrder")
def _(client: ForeignClient, simulator: Simulator) -> None:
    placed = resting(client, simulator.truth)
    canceled = client.call("cancelOrder", placed["id"], SYMBOL).result
    found = client.call("fetchOrder", placed["id"], SYMBOL).result
    assert canceled["status"] == found["status"] == "canceled"
    assert found["info"] == simulator.truth.look_up(int(placed["id"]))
    assert simulator.truth.open_orders() == []


@CHECKS.shows("editOrder")
def _(client: ForeignClient, simulator: Simulator) -> None:
    placed = resting(client, simulator.truth)
    edited = client.call("editOrder", placed["id"], SYMBOL, "limit", "buy", 0.02, placed["price"]).result
    (told,) = simulator.truth.open_orders()
    assert (str(told["order_id"]), told["start_amount"]) == (edited["id"], "0.0200")


@CHECKS.shows("fetchOpenOrders")
def _(client: ForeignClient, simulator: Simulator) -> None:
    placed = [resting(client, simulator.truth, amount)["id"] for amount in (0.01, 0.02)]
    orders = client.call("fetchOpenOrders", SYMBOL, YESTERDAY_MS, 10).result
    assert sorted(order["id"] for order in orders) == placed
    assert sorted(map(json.dumps, (order["info"] for order in orders))) == sorted(
        map(json.dumps, simulator.truth.open_orders())
    )
    assert len(client.call("fetchOpenOrders", SYMBOL, None, 1).result) == 1


@CHECKS.shows("fetchMyTrades")
def _(client: ForeignClient, simulator: Simulator) -> None:
    client.call("createMarketOrder", SYMBOL, "buy", 0.01)
    trades = client.call("fetchMyTrades", SYMBOL, YESTERDAY_MS, 100).result
    assert sorted(json.dumps(trade["info"]) for trade in trades) == sorted(map(json.dumps, simulator.truth.trades()))
    newest = trades[-1]
    assert (newest["side"], newest["amount"], newest["takerOrMaker"]) == ("buy", 0.01, "taker")
    assert newest["fee"]["cost"] == pytest.approx(0.001 * newest["cost"])


@CHECKS.shows("fetchDepositAddress", "withdraw")
def _(client: ForeignClient, simulator: Simulator) -> None:
    assert client.call("fetchDepositAddress", "BTC").error == "AuthenticationError"
    asked = client.call("withdraw", "BTC", 0.01, "an-address-of-mine", {"uuid": "an-account"})
    assert asked.error == "AuthenticationError"


@CHECKS.shows("fetchCurrenciesWs")
def _(client: ForeignClient, simulator: Simulator) -> None:
    assert not hasattr(ccxt.bitbank(), "fetchCurrenciesWs")


@pytest.mark.parametrize("method", [name for name, has in ccxt.bitbank().has.items() if has])
def test_given_a_method_that_ccxt_has_when_called_then_both_see_the_same(
    ccxt_client: ForeignClient, simulator: Simulator, method: str
) -> None:
    if method not in NOT_METHODS:
        assert method in CHECKS, f"ccxt's bitbank has learnt {method}: say what is expected of it"
        CHECKS[method](ccxt_client, simulator)


PAGE = {"pair": PAIR}
OF_DAY = PAGE | {"yyyymmdd": YESTERDAY}
READS: dict[str, tuple[dict[str, str], str]] = {
    "{pair}/ticker": (PAGE, "/btc_jpy/ticker"),
    "{pair}/depth": (PAGE, "/btc_jpy/depth"),
    "{pair}/transactions": (PAGE, "/btc_jpy/transactions"),
    "{pair}/transactions/{yyyymmdd}": (OF_DAY, f"/btc_jpy/transactions/{YESTERDAY}"),
    "{pair}/candlestick/{candletype}/{yyyymmdd}": (
        OF_DAY | {"candletype": "1hour"},
        f"/btc_jpy/candlestick/1hour/{YESTERDAY}",
    ),
    "{pair}/circuit_break_info": (PAGE, "/btc_jpy/circuit_break_info"),
    "user/assets": ({}, "/user/assets"),
    "user/spot/active_orders": (PAGE, "/user/spot/active_orders?pair=btc_jpy"),
    "user/spot/trade_history": (PAGE | {"order": "asc"}, "/user/spot/trade_history?pair=btc_jpy&order=asc"),
    "user/margin/status": ({}, "/user/margin/status"),
    "user/margin/positions": ({}, "/user/margin/positions"),
    "spot/status": ({}, "/spot/status"),
    "spot/pairs": ({}, "/spot/pairs"),
}
"""Parameters of each endpoint that only reads, and the address at which the simulator tells the same."""

LISTS = {"tickers", "tickers_jpy"}
ABOUT_AN_ORDER = {
    ("get", "user/spot/order"),
    ("post", "user/spot/order"),
    ("post", "user/spot/cancel_order"),
    ("post", "user/spot/cancel_orders"),
    ("post", "user/spot/orders_info"),
}
MONEY = {
    "user/deposit_history",
    "user/unconfirmed_deposits",
    "user/deposit_originators",
    "user/withdrawal_account",
    "user/withdrawal_history",
    "user/confirm_deposits",
    "user/confirm_deposits_all",
    "user/request_withdrawal",
}
ENDPOINTS = [
    (api, verb, path)
    for api, verbs in ccxt.bitbank().describe()["api"].items()
    for verb, paths in verbs.items()
    for path in paths
]


@pytest.mark.parametrize(("api", "verb", "path"), [row for row in ENDPOINTS if row[1:] not in ABOUT_AN_ORDER])
def test_given_an_endpoint_that_ccxt_knows_when_asked_then_it_tells_what_the_exchange_tells(
    ccxt_client: ForeignClient, simulator: Simulator, api: str, verb: str, path: str
) -> None:
    assert path in READS.keys() | LISTS | MONEY, f"ccxt's bitbank has learnt {path}: say what is expected of it"
    parameters, address = READS.get(path, ({}, f"/{path}"))
    asked = ccxt_client.call("request", path, [api], verb.upper(), parameters)
    if path in MONEY:
        assert asked.error == "AuthenticationError"
        return
    told = simulator.truth.get(address) if api == "private" else simulator.truth.public(address)
    if path in LISTS:
        # ccxt takes data that is a list for an error, and shows it in the text.
        assert json.loads(str(asked.message).removeprefix("bitbank ")) == told.body
    else:
        assert asked.result == told.body


def test_given_the_endpoints_of_orders_when_used_then_an_order_lives_and_dies(
    ccxt_client: ForeignClient, truth: Truth
) -> None:
    def ask(verb: str, path: str, **parameters: Any) -> Any:
        assert (verb, path) in ABOUT_AN_ORDER
        return ccxt_client.call("request", path, ["private"], verb.upper(), {"pair": PAIR, **parameters}).result["data"]

    price = str(truth.last_price() // 2)
    first, second = (
        ask("post", "user/spot/order", side="buy", type="limit", amount="0.01", price=price)["order_id"]
        for _ in range(2)
    )
    assert ask("get", "user/spot/order", order_id=first) == truth.look_up(first)
    shown = ask("post", "user/spot/orders_info", order_ids=[first, second])["orders"]
    assert shown == [truth.look_up(first), truth.look_up(second)]
    assert ask("post", "user/spot/cancel_order", order_id=first) == truth.look_up(first)
    assert ask("post", "user/spot/cancel_orders", order_ids=[second])["orders"] == [truth.look_up(second)]
    assert truth.open_orders() == []
