"""An exchange in trouble: maintenance, load, suspended orders and the circuit breaker."""

from collections.abc import Callable

import pytest
from served import PRICE, START_MS, Served, script

from crypto_kedro.exchange.simulator.circuit_breaker import BreakerMode
from crypto_kedro.exchange.simulator.commands import Break, Impose
from crypto_kedro.exchange.simulator.conditions import Conditions, MarketStatus, StopFlag
from crypto_kedro.trading.money import Btc

TEN_MINUTES = 600


def test_maintenance_refuses_everything_private_and_ends_by_itself(quiet: Served) -> None:
    client = quiet.client
    quiet.tell(Impose(Conditions(maintenance_until_ms=START_MS + TEN_MINUTES * 1_000)))
    assert client.get("/user/assets").code == 10007
    assert client.order("buy", "market").code == 10007
    assert client.public("/v1/spot/status").data["statuses"][0]["status"] == "HALT"
    quiet.pass_seconds(TEN_MINUTES)
    assert client.get("/user/assets").body["success"] == 1
    assert client.public("/v1/spot/status").data["statuses"][0]["status"] == "NORMAL"


def test_nothing_trades_during_maintenance(serve: Callable[..., Served]) -> None:
    simulator = serve(script((5, 14_000_000, "1", "sell")))
    simulator.tell(Impose(Conditions(maintenance_until_ms=START_MS + TEN_MINUTES * 1_000)))
    simulator.pass_seconds(10)
    assert simulator.client.public("/btc_jpy/ticker").data["last"] == str(PRICE)


@pytest.mark.parametrize(
    ("status", "minimum", "too_small"),
    [(MarketStatus.BUSY, "0.0010", "0.0009"), (MarketStatus.VERY_BUSY, "0.0100", "0.0099")],
)
def test_load_raises_the_least_amount(quiet: Served, status: MarketStatus, minimum: str, too_small: str) -> None:
    client = quiet.client
    quiet.tell(Impose(Conditions(status=status)))
    assert client.public("/v1/spot/status").data["statuses"] == [
        {"pair": "btc_jpy", "status": status.value, "min_amount": minimum}
    ]
    assert client.order("buy", "limit", too_small, price="14000000").code == 70010
    assert client.order("buy", "limit", minimum, price="14000000").data["status"] == "UNFILLED"
    assert client.order("buy", "limit", "0", price="14000000").code == 40001


def test_the_least_amount_can_be_anything(quiet: Served) -> None:
    quiet.tell(Impose(Conditions(min_amount=Btc.of("0.02"))))
    assert quiet.client.order("buy", "limit", "0.01", price="14000000").code == 70010


def test_a_halt_refuses_orders_and_cancels(quiet: Served) -> None:
    client = quiet.client
    order_id = client.order("buy", "limit", price="14000000").data["order_id"]
    quiet.tell(Impose(Conditions(status=MarketStatus.HALT)))
    assert client.order("buy", "limit", price="14000000").code == 70018
    assert client.cancel(order_id).code == 70018
    batch = {"pair": "btc_jpy", "order_ids": [order_id]}
    assert client.post("/user/spot/cancel_orders", batch).code == 70018
    quiet.tell(Impose(Conditions()))
    assert client.cancel(order_id).data["status"] == "CANCELED_UNFILLED"


@pytest.mark.parametrize(
    ("flag", "order", "code"),
    [
        (StopFlag.ORDER, ("sell", "limit", {"price": "16000000"}), 70017),
        (StopFlag.ORDER_AND_CANCEL, ("sell", "limit", {"price": "16000000"}), 70018),
        (StopFlag.MARKET_ORDER, ("buy", "market", {}), 70020),
        (StopFlag.STOP_ORDER, ("sell", "stop", {"trigger_price": "14000000"}), 70023),
        (StopFlag.STOP_LIMIT_ORDER, ("sell", "stop_limit", {"trigger_price": "14000000", "price": "13900000"}), 70022),
        (StopFlag.MARGIN_LONG_ORDER, ("buy", "market", {"position_side": "long"}), 70024),
        (StopFlag.MARGIN_SHORT_ORDER, ("sell", "market", {"position_side": "short"}), 70025),
        (StopFlag.BUY_ORDER, ("buy", "market", {}), 70005),
        (StopFlag.SELL_ORDER, ("sell", "market", {}), 70006),
    ],
)
def test_a_suspended_kind_of_order_is_refused_and_shown(
    quiet: Served, flag: StopFlag, order: tuple[str, str, dict[str, str]], code: int
) -> None:
    quiet.tell(Impose(Conditions(stopped=frozenset({flag}))))
    pair = quiet.client.public("/v1/spot/pairs").data["pairs"][0]
    assert [name for name in StopFlag if pair[name]] == [flag]
    side, kind, more = order
    assert quiet.client.order(side, kind, **more).code == code
    other_side = "sell" if side == "buy" else "buy"
    resting = quiet.client.order(other_side, "limit", "0.01", price="16000000" if other_side == "sell" else "14000000")
    assert resting.body["success"] == (flag not in (StopFlag.ORDER, StopFlag.ORDER_AND_CANCEL))


def test_closing_goes_on_while_opening_is_suspended(quiet: Served) -> None:
    quiet.client.order("buy", "market", position_side="long")
    quiet.tell(Impose(Conditions(stopped=frozenset({StopFlag.MARGIN_LONG_ORDER}))))
    assert quiet.client.order("sell", "market", position_side="long").body["success"] == 1


def test_a_trade_beyond_the_trigger_prices_stops_the_market_for_a_while(serve: Callable[..., Served]) -> None:
    simulator = serve(script((5, 11_999_999, "1", "sell"), (610, 12_500_000, "1", "sell")))
    client = simulator.client
    before = client.public("/btc_jpy/circuit_break_info").data
    assert (before["lower_trigger_price"], before["upper_trigger_price"]) == ("12000000", "18000000")
    simulator.pass_seconds(5)
    tripped = client.public("/btc_jpy/circuit_break_info").data
    assert (tripped["mode"], tripped["reopen_timestamp"]) == ("CIRCUIT_BREAK", START_MS + 605_000)
    assert (tripped["upper_trigger_price"], tripped["estimated_itayose_price"]) == (None, str(PRICE))
    assert (tripped["itayose_lower_price"], tripped["itayose_upper_price"]) == ("10500000", "18000000")
    assert client.public("/btc_jpy/ticker").data["last"] == str(PRICE)
    simulator.pass_seconds(605)
    assert client.public("/btc_jpy/circuit_break_info").data["mode"] == "NONE"
    assert client.public("/btc_jpy/ticker").data["last"] == "12500000"


def test_orders_of_a_break_are_collected_and_meet_the_market_at_its_end(quiet: Served) -> None:
    client = quiet.client
    quiet.tell(Break(BreakerMode.CIRCUIT_BREAK, lasts_ms=60_000))
    assert client.order("buy", "market").code == 70020
    taking = client.order("buy", "limit", price=str(PRICE), post_only=True).data
    assert (taking["post_only"], taking["status"]) == (False, "UNFILLED")
    canceled = client.order("buy", "limit", price="14000000").data
    assert client.cancel(canceled["order_id"]).data["status"] == "CANCELED_UNFILLED"
    quiet.pass_seconds(59)
    assert client.look_up(taking["order_id"])["status"] == "UNFILLED"
    quiet.pass_seconds(1)
    assert client.look_up(taking["order_id"])["status"] == "FULLY_FILLED"


def test_a_mode_without_end_lasts_until_the_next_word(quiet: Served) -> None:
    quiet.tell(Break(BreakerMode.FULL_RANGE_CIRCUIT_BREAK))
    quiet.pass_seconds(3_600)
    during = quiet.client.public("/btc_jpy/circuit_break_info").data
    assert (during["mode"], during["itayose_upper_price"]) == ("FULL_RANGE_CIRCUIT_BREAK", None)
    quiet.tell(Break(BreakerMode.NONE))
    assert quiet.client.order("buy", "market").body["success"] == 1


def test_a_second_trip_within_the_hour_widens_its_side(serve: Callable[..., Served]) -> None:
    # The base stays 15,000,000 as nothing trades before the first reopening.
    simulator = serve(script((5, 11_900_000, "1", "sell"), (700, 10_400_000, "1", "sell")))
    simulator.pass_seconds(701)
    info = simulator.client.public("/btc_jpy/circuit_break_info").data
    assert (info["mode"], info["itayose_lower_price"]) == ("CIRCUIT_BREAK", "9000000")
