"""bitbank's own node-bitbankcc, unchanged but for its addresses: every method of both of its classes."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from foreign import CLIENTS, Checks, ForeignClient, Simulator
from served import KEY, SECRET

PAIR = {"pair": "btc_jpy"}
PLUMBING = {"get", "post", "makeHeader"}
PACKAGE_FILES = ("package.json", "package-lock.json")
INSTALL = "npm ci --ignore-scripts --no-audit --no-fund --prefer-offline --omit-lockfile-registry-resolved"


def without(reason: str) -> NoReturn:
    """Do without these tests, saying why; not where everything is tested."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def packages(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder ``node_modules`` with what package-lock.json names, kept between runs where pytest keeps anything."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        without("node and npm are missing: run `.ci/install-system-packages.sh tests` to test bitbank's Node client")
    cache = request.config.cache
    folder = tmp_path_factory.mktemp("node") if cache is None else cache.mkdir("node-bitbankcc")
    lock = (CLIENTS / "package-lock.json").read_text()
    installed = folder / "installed.json"
    if not installed.is_file() or installed.read_text() != lock:
        for name in PACKAGE_FILES:
            shutil.copy(CLIENTS / name, folder)
        run = subprocess.run([npm, *INSTALL.split()[1:]], cwd=folder, capture_output=True, text=True, check=False)
        if run.returncode:
            without(f"npm could not install node-bitbankcc: {run.stderr.strip()[-500:]}")
        installed.write_text(lock)
    return folder / "node_modules"


@pytest.fixture(scope="module")
def client(simulator: Simulator, packages: Path) -> Iterator[ForeignClient]:
    """The client, which signs by nonce."""
    program = ["node", str(CLIENTS / "node_bitbankcc_client.js"), simulator.url, KEY, SECRET]
    running = ForeignClient(program, {**os.environ, "NODE_PATH": str(packages)})
    yield running
    running.close()


def placed(client: ForeignClient, **fields: Any) -> int:
    """Place an order, by default one that rests far below the market, and return its id."""
    order = PAIR | {"side": "buy", "type": "limit", "amount": "0.01", "price": 7_000_000} | fields
    order_id: int = client.call("private.postOrder", order).result["data"]["order_id"]
    return order_id


CHECKS = Checks()


@CHECKS.shows("public.getTicker", "public.getDepth")
def _(client: ForeignClient, simulator: Simulator) -> None:
    truth = simulator.truth
    assert client.call("public.getTicker", PAIR).result == truth.public("/btc_jpy/ticker").body
    assert client.call("public.getDepth", PAIR).result == truth.public("/btc_jpy/depth").body


@CHECKS.shows("public.getTransactions")
def _(client: ForeignClient, simulator: Simulator) -> None:
    truth = simulator.truth
    latest = client.call("public.getTransactions", PAIR).result
    assert latest == truth.public("/btc_jpy/transactions").body
    assert len(latest["data"]["transactions"]) == 60
    of_day = client.call("public.getTransactions", PAIR | {"yyyymmdd": "20260527"}).result
    assert of_day == truth.public("/btc_jpy/transactions/20260527").body


@CHECKS.shows("public.getCandlestick")
def _(client: ForeignClient, simulator: Simulator) -> None:
    truth = simulator.truth
    for kind, period in (("1min", "20260527"), ("4hour", "2026")):
        asked = PAIR | {"candleType": kind, "yyyymmdd": period}
        told = truth.public(f"/btc_jpy/candlestick/{kind}/{period}").body
        assert client.call("public.getCandlestick", asked).result == told
    missing = client.call("public.getCandlestick", PAIR | {"candleType": "1min", "yyyymmdd": "20200101"})
    assert "404" in str(missing.message)


@CHECKS.shows("private.getAssets")
def _(client: ForeignClient, simulator: Simulator) -> None:
    truth = simulator.truth
    placed(client)
    assert client.call("private.getAssets").result == truth.get("/user/assets").body
    assert float(truth.balance("jpy")["locked_amount"]) > 0


@CHECKS.shows("private.postOrder", "private.getOrder")
def _(client: ForeignClient, simulator: Simulator) -> None:
    truth = simulator.truth
    order_id = placed(client, post_only=True)
    shown = client.call("private.getOrder", PAIR | {"order_id": order_id}).result["data"]
    assert shown == truth.look_up(order_id)
    assert (shown["price"], shown["post_only"], shown["status"]) == ("7000000", True, "UNFILLED")


@CHECKS.shows("private.cancelOrder")
def _(client: ForeignClient, simulator: Simulator) -> None:
    truth = simulator.truth
    order_id = placed(client)
    canceled = client.call("private.cancelOrder", PAIR | {"order_id": order_id}).result["data"]
    assert canceled == truth.look_up(order_id)
    assert canceled["status"] == "CANCELED_UNFILLED"
    assert client.call("private.cancelOrder", PAIR | {"order_id": order_id}).message == "50026"


@CHECKS.shows("private.cancelOrders")
def _(client: ForeignClient, simulator: Simulator) -> None:
    truth = simulator.truth
    ids = [placed(client), placed(client)]
    canceled = client.call("private.cancelOrders", PAIR | {"order_ids": ids}).result["data"]["orders"]
    assert canceled == [truth.look_up(order_id) for order_id in ids]
    assert {order["status"] for order in canceled} == {"CANCELED_UNFILLED"}


@CHECKS.shows("private.getOrdersInfo", "private.getActiveOrders")
def _(client: ForeignClient, simulator: Simulator) -> None:
    truth = simulator.truth
    ids = [placed(client), placed(client)]
    shown = client.call("private.getOrdersInfo", PAIR | {"order_ids": ids}).result["data"]["orders"]
    assert [order["order_id"] for order in shown] == ids
    for asked in ({}, PAIR, PAIR | {"count": 30, "from_id": ids[0]}):
        active = client.call("private.getActiveOrders", asked).result["data"]["orders"]
        assert active == shown[::-1] == truth.open_orders()


@CHECKS.shows("private.getTradeHistory")
def _(client: ForeignClient, simulator: Simulator) -> None:
    truth = simulator.truth
    order_ids = [placed(client, type="market", side=side) for side in ("buy", "sell")]
    rows = client.call("private.getTradeHistory", PAIR | {"order": "asc", "count": 1000}).result["data"]["trades"]
    assert rows == truth.trades()
    assert [row["order_id"] for row in rows[-2:]] == order_ids
    of_one = client.call("private.getTradeHistory", PAIR | {"order_id": order_ids[0]}).result["data"]["trades"]
    assert of_one == [rows[-2]]


@CHECKS.shows(
    "private.getDepositHistory",
    "private.getWithdrawalHistory",
    "private.getWithdrawalAccount",
    "private.requestWithdrawal",
)
def _(client: ForeignClient, simulator: Simulator) -> None:
    asset = {"asset": "btc"}
    for method in ("getDepositHistory", "getWithdrawalHistory", "getWithdrawalAccount"):
        assert client.call(f"private.{method}", asset).message == "20001"
    asked = client.call("private.requestWithdrawal", asset | {"amount": "0.1", "uuid": "an-account"})
    assert asked.message == "20001"


def test_given_the_package_when_its_methods_are_counted_then_each_is_shown(client: ForeignClient) -> None:
    methods = client.call("methods").result
    assert {f"{api}.{name}" for api, names in methods.items() for name in names if name not in PLUMBING} == set(CHECKS)


@pytest.mark.parametrize("method", CHECKS)
def test_given_a_method_of_the_package_when_called_then_both_see_the_same(
    client: ForeignClient, simulator: Simulator, method: str
) -> None:
    CHECKS[method](client, simulator)


def test_given_a_position_when_a_stop_is_placed_with_numbers_then_it_sleeps_and_closes_the_position(
    client: ForeignClient, simulator: Simulator
) -> None:
    truth, last = simulator.truth, simulator.truth.last_price()
    placed(client, type="market", position_side="short", side="sell")
    assert truth.position("short")["open_amount"] == "0.0100"
    trigger = round(last * 1.01)
    stop_id = placed(client, type="stop", position_side="short", trigger_price=trigger, price=None)
    assert (truth.look_up(stop_id)["status"], truth.look_up(stop_id)["trigger_price"]) == ("INACTIVE", str(trigger))
    simulator.others_trade(trigger + 1, "0.5000", "buy")
    shown = client.call("private.getOrder", PAIR | {"order_id": stop_id}).result["data"]
    assert (shown["status"], shown["executed_amount"]) == ("FULLY_FILLED", "0.0100")
    assert truth.position("short")["open_amount"] == "0.0000"
