"""ccxt's bitbank, unchanged but for its addresses: all that it says it has, and every endpoint that it knows."""

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import ccxt
import pytest
from foreign import CLIENTS, Checks, ForeignClient, Simulator, Truth
from served import KEY, SECRET

SYMBOL, PAIR = "BTC/JPY", "btc_jpy"
YESTERDAY, YESTERDAY_MS = "20260527", 1_779_840_000_000
NOT_METHODS = {"spot", "publicAPI", "privateAPI"}


def started(simulator: Simulator, **settings: Any) -> ForeignClient:
    """Start ccxt as a process, signing by time window and without its throttle unless told otherwise."""
    settings = {"apiKey": KEY, "secret": SECRET, "enableRateLimit": False} | settings
    program = str(CLIENTS / "ccxt_client.py")
    return ForeignClient([sys.executable, program, simulator.url, json.dumps(settings)])


@pytest.fixture(scope="module")
def client(simulator: Simulator) -> Iterator[ForeignClient]:
    """A client that signs by time window."""
    running = started(simulator)
    yield running
    running.close()


@pytest.fixture(autouse=True)
def no_open_orders(truth: Truth) -> Iterator[None]:
    """No test leaves an order behind."""
    yield
    truth.cancel_everything()


def resting(client: ForeignClient, truth: Truth, amount: float = 0.01) -> dict[str, Any]:
    """An order far below the market."""
    order: dict[str, Any] = client.call("createOrder", SYMBOL, "limit", "buy", amount, truth.last_price() // 2).result
    return order


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
    client: ForeignClient, simulator: Simulator, method: str
) -> None:
    if method not in NOT_METHODS:
        assert method in CHECKS, f"ccxt's bitbank has learnt {method}: say what is expected of it"
        CHECKS[method](client, simulator)


PAGE = {"pair": PAIR}
READS: dict[str, dict[str, str]] = {
    "{pair}/ticker": PAGE,
    "{pair}/depth": PAGE,
    "{pair}/transactions": PAGE,
    "{pair}/transactions/{yyyymmdd}": PAGE | {"yyyymmdd": "20260528"},
    "{pair}/candlestick/{candletype}/{yyyymmdd}": PAGE | {"candletype": "1hour", "yyyymmdd": YESTERDAY},
    "{pair}/circuit_break_info": PAGE,
    "user/assets": {},
    "user/spot/active_orders": PAGE,
    "user/spot/trade_history": PAGE | {"order": "asc"},
    "user/margin/status": {},
    "user/margin/positions": {},
    "spot/status": {},
    "spot/pairs": {},
}
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
    client: ForeignClient, simulator: Simulator, api: str, verb: str, path: str
) -> None:
    simulator.others_trade(simulator.truth.last_price())
    asked = client.call("request", path, [api], verb.upper(), READS.get(path, {}))
    if path in MONEY:
        assert asked.error == "AuthenticationError"
        return
    if path in LISTS:
        # ccxt takes data that is a list for an error, and shows it in the text.
        assert asked.error == "ExchangeError"
        assert json.loads(str(asked.message).removeprefix("bitbank ")) == simulator.truth.public(f"/{path}").body
        return
    assert path in READS, f"ccxt's bitbank has learnt {path}: say what is expected of it"
    target, rest = path, dict(READS[path])
    for name in [name for name in rest if f"{{{name}}}" in path]:
        target = target.replace(f"{{{name}}}", rest.pop(name))
    query = "?" + "&".join(f"{name}={value}" for name, value in rest.items()) if rest else ""
    is_public = api == "public" or path.startswith("spot/")
    root = "/v1/" if path.startswith("spot/") else "/"
    told = simulator.truth.public(root + target) if is_public else simulator.truth.get(f"/{target}{query}")
    assert asked.result == told.body


def test_given_the_endpoints_of_orders_when_used_then_an_order_lives_and_dies(
    client: ForeignClient, truth: Truth
) -> None:
    def ask(verb: str, path: str, **parameters: Any) -> Any:
        assert (verb, path) in ABOUT_AN_ORDER
        return client.call("request", path, ["private"], verb.upper(), {"pair": PAIR, **parameters}).result["data"]

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
    client: ForeignClient, truth: Truth, kind: str, side: str, fields: dict[str, Any], status: str
) -> None:
    last = truth.last_price()
    sent = {name: value if isinstance(value, bool) else str(round(last * value)) for name, value in fields.items()}
    price = None if kind != "limit" else round(last * (0.9 if side == "buy" else 1.1))
    order = client.call("createOrder", SYMBOL, kind, side, 0.01, price, sent).result
    told = truth.look_up(int(order["id"]))
    assert (told["type"], told["side"], told["status"], told["start_amount"]) == (kind, side, status, "0.0100")
    assert {name: told[name] for name in sent} == sent
    if price is not None:
        assert told["price"] == str(price)


def test_given_a_position_when_protected_then_its_stop_closes_it_in_a_fall(
    client: ForeignClient, simulator: Simulator
) -> None:
    truth = simulator.truth
    last = truth.last_price()

    def place(kind: str, side: str, **fields: str) -> dict[str, Any]:
        parameters = {"position_side": "long"} | fields
        placed = client.call("createOrder", SYMBOL, kind, side, 0.02, None, parameters).result
        return truth.look_up(int(placed["id"]))

    assert place("market", "buy")["position_side"] == "long"
    assert truth.position("long")["open_amount"] == "0.0200"
    profit = place("take_profit", "sell", trigger_price=str(round(last * 1.05)))
    loss = place("stop_loss", "sell", trigger_price=str(round(last * 0.99)))
    assert profit["status"] == loss["status"] == "INACTIVE"
    simulator.others_trade(round(last * 0.985), "0.5000")
    closing = client.call("fetchOrder", str(loss["order_id"]), SYMBOL).result
    assert (closing["status"], closing["filled"]) == ("closed", 0.02)
    assert truth.position("long")["open_amount"] == "0.0000"
    row = client.call("fetchMyTrades", SYMBOL).result[-1]["info"]
    assert (row["position_side"], row["order_id"]) == ("long", loss["order_id"])
    assert float(row["profit_loss"]) < 0


def test_given_a_resting_order_when_others_take_part_of_it_then_the_part_is_told_and_the_rest_can_be_canceled(
    client: ForeignClient, simulator: Simulator
) -> None:
    price = round(simulator.truth.last_price() * 0.99)
    placed = client.call("createOrder", SYMBOL, "limit", "buy", 0.02, price).result
    simulator.others_trade(price - 1, "0.0050")
    found = client.call("fetchOrder", placed["id"], SYMBOL).result
    assert found["info"] == simulator.truth.look_up(int(placed["id"]))
    assert (found["status"], found["filled"], found["remaining"]) == ("open", 0.005, 0.015)
    canceled = client.call("cancelOrder", placed["id"], SYMBOL).result
    assert (canceled["status"], canceled["info"]["status"]) == ("canceled", "CANCELED_PARTIALLY_FILLED")


def test_given_a_post_only_order_that_would_take_when_placed_then_it_is_canceled(
    client: ForeignClient, truth: Truth
) -> None:
    above = round(truth.last_price() * 1.01)
    placed = client.call("createOrder", SYMBOL, "limit", "buy", 0.01, above, {"post_only": True}).result
    assert client.call("fetchOrder", placed["id"], SYMBOL).result["info"]["status"] == "CANCELED_UNFILLED"


def test_given_names_that_only_ccxt_knows_when_sent_then_they_have_no_effect(
    client: ForeignClient, truth: Truth
) -> None:
    below = round(truth.last_price() * 0.9)
    placed = client.call("createOrder", SYMBOL, "limit", "buy", 0.01, below, {"postOnly": True}).result
    assert truth.look_up(int(placed["id"]))["post_only"] is False
    stop = client.call("createOrder", SYMBOL, "stop", "sell", 0.01, None, {"triggerPrice": str(below)})
    assert "30101" in str(stop.message)


def test_given_orders_that_are_refused_when_sent_then_ccxt_names_the_errors(
    client: ForeignClient, truth: Truth
) -> None:
    last = truth.last_price()
    assert client.call("createOrder", SYMBOL, "limit", "buy", 5, last).error == "InsufficientFunds"
    assert client.call("createOrder", SYMBOL, "limit", "buy", 0.01, last * 100).error == "InvalidOrder"
    assert client.call("cancelOrder", "1", SYMBOL).error == "OrderNotFound"
    placed = resting(client, truth)
    client.call("cancelOrder", placed["id"], SYMBOL)
    again = client.call("cancelOrder", placed["id"], SYMBOL)
    assert (again.error, "50026" in str(again.message)) == ("ExchangeError", True)
    flags = {"position_side": "short", "trigger_price": str(last + 1000)}
    opening_stop = client.call("createOrder", SYMBOL, "stop", "sell", 0.01, None, flags)
    assert opening_stop.error == "ExchangeError"


def test_given_a_wrong_secret_when_asked_then_access_is_refused(simulator: Simulator) -> None:
    with closing(started(simulator, secret="wrong")) as stranger:
        assert stranger.call("fetchBalance").error == "AuthenticationError"


def test_given_nonces_when_orders_go_there_and_back_then_each_is_accepted(simulator: Simulator) -> None:
    with closing(started(simulator, options={"authMethod": "nonce"})) as signer:
        placed = resting(signer, simulator.truth)
        assert signer.call("fetchOpenOrders", SYMBOL).result[0]["id"] == placed["id"]
        assert signer.call("cancelOrder", placed["id"], SYMBOL).result["status"] == "canceled"


@pytest.mark.slow
def test_given_the_command_with_its_limits_when_ccxt_trades_at_its_own_pace_then_orders_go_there_and_back() -> None:
    kedro = str(Path(sys.executable).with_name("kedro"))
    options = f"--data synthetic --speed 0 --port 0 --control-port 0 --key {KEY} --secret {SECRET}"
    with (
        closing(Simulator([kedro, "bitbank-sim", *options.split()])) as simulator,
        closing(started(simulator, enableRateLimit=True)) as paced,
    ):
        placed = [resting(paced, simulator.truth)["id"] for _ in range(3)]
        seen = [paced.call("fetchOrder", order_id, SYMBOL).result["status"] for order_id in placed]
        canceled = [paced.call("cancelOrder", order_id, SYMBOL).result["status"] for order_id in placed]
    assert (seen, canceled) == (["open"] * 3, ["canceled"] * 3)
