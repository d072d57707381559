"""The switchboard, and what listeners hear."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from served import PRICE, START_MS, UNLIMITED, Host, Served, script

from crypto_kedro.exchange.simulator.bitbank import SimulatedBitbank
from crypto_kedro.exchange.simulator.commands import Place
from crypto_kedro.exchange.simulator.control import build_control
from crypto_kedro.exchange.simulator.events import (
    AccountChanged,
    BookChanged,
    BreakerChanged,
    Event,
    OrderChanged,
    OrderFilled,
    PositionChanged,
    TradePrinted,
)
from crypto_kedro.exchange.simulator.running import RunningExchange
from crypto_kedro.trading.money import Btc, Price
from crypto_kedro.trading.orders import OrderRequest, OrderStatus, OrderType, PositionSide, Side

Switchboard = Callable[..., httpx.Client]


@pytest.fixture
def switchboard(host: Host) -> Switchboard:
    """Serve the switchboard of a simulator in place of the simulator."""

    def serve(speed: float = 0) -> httpx.Client:
        host.application = build_control(RunningExchange(script(), UNLIMITED, speed=speed))
        return host.client.http

    return serve


def post(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(f"/_control/{path}", json=body)
    assert answer.status_code == 200, answer.text
    state: dict[str, Any] = answer.json()
    return state


def test_time_is_moved_by_hand(switchboard: Switchboard) -> None:
    assert post(switchboard(), "advance", {"ms": 1_500})["now_ms"] == START_MS + 1_500


def test_a_clock_that_runs_by_itself_is_not_moved(switchboard: Switchboard) -> None:
    answer = switchboard(speed=2).post("/_control/advance", json={"ms": 1})
    assert answer.status_code == 400
    assert "start with speed 0" in answer.json()["error"]


def test_others_can_be_made_to_trade(switchboard: Switchboard) -> None:
    assert post(switchboard(), "trade", {"price": "14900000", "amount": "0.1", "side": "sell"})["last"] == "14900000"


def test_the_service_is_put_into_a_state_and_back_to_normal(switchboard: Switchboard) -> None:
    client = switchboard()
    busy = post(client, "service", {"status": "BUSY", "stopped": ["stop_market_order"], "maintenance_ms": 600_000})
    assert (busy["stopped"], busy["maintenance_until_ms"]) == (["stop_market_order"], START_MS + 600_000)
    assert busy["statuses"][0] == {"pair": "btc_jpy", "status": "HALT", "min_amount": "0.0010"}
    assert post(client, "service", {})["statuses"][0]["status"] == "NORMAL"


def test_the_circuit_breaker_is_put_into_a_mode(switchboard: Switchboard) -> None:
    state = post(switchboard(), "breaker", {"mode": "RESUMPTION", "lasts_ms": 60_000})
    assert state["circuit_break_info"]["reopen_timestamp"] == START_MS + 60_000


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("service", {"status": "SLEEPY"}),
        ("service", {"statsu": "BUSY"}),
        ("trade", {"price": "cheap", "amount": "0.1", "side": "sell"}),
        ("trade", {"price": "0", "amount": "0.1", "side": "sell"}),
        ("trade", {"price": "14900000", "amount": "-1", "side": "sell"}),
        ("breaker", {}),
        ("advance", {"ms": -1}),
    ],
)
def test_what_makes_no_sense_is_answered_with_a_sentence(
    switchboard: Switchboard, path: str, body: dict[str, Any]
) -> None:
    answer = switchboard().post(f"/_control/{path}", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_the_wire_of_clients_knows_no_switchboard(quiet: Served) -> None:
    assert quiet.client.public("/_control/state").code == 10000


def test_listeners_hear_everything_in_the_order_in_which_it_happened() -> None:
    exchange = SimulatedBitbank(script((5, 14_900_000, "1", "sell")), UNLIMITED)
    heard: list[Event] = []
    stop_listening = exchange.events.subscribe(heard.append)
    exchange.carry_out(Place(market_order(PositionSide.LONG)))
    assert [type(event) for event in heard if not isinstance(event, BookChanged)] == [
        OrderChanged,
        OrderChanged,
        TradePrinted,
        OrderFilled,
        PositionChanged,
    ]
    new, filled = (event for event in heard if isinstance(event, OrderChanged))
    assert (new.is_new, new.order.status) == (True, OrderStatus.UNFILLED)
    assert (filled.is_new, filled.order.status) == (False, OrderStatus.FULLY_FILLED)
    heard.clear()
    exchange.carry_out(Place(stop_order()))
    exchange.advance_to(START_MS + 5_000)
    assert [event.is_just_triggered for event in heard if isinstance(event, OrderChanged)] == [False, True]
    assert sum(isinstance(event, TradePrinted) for event in heard) == 2
    assert any(isinstance(event, AccountChanged) for event in heard)
    heard.clear()
    stop_listening()
    exchange.carry_out(Place(market_order(None)))
    assert heard == []


def test_listeners_hear_of_a_trip_of_the_circuit_breaker() -> None:
    exchange = SimulatedBitbank(script((5, 11_000_000, "1", "sell")), UNLIMITED)
    heard: list[Event] = []
    exchange.events.subscribe(heard.append)
    exchange.advance_to(START_MS + 5_000)
    assert heard == [BreakerChanged(START_MS + 5_000)]


def market_order(position_side: PositionSide | None) -> OrderRequest:
    return OrderRequest(side=Side.BUY, type=OrderType.MARKET, amount=Btc.of("0.01"), position_side=position_side)


def stop_order() -> OrderRequest:
    return OrderRequest(
        side=Side.SELL,
        type=OrderType.STOP,
        amount=Btc.of("0.01"),
        trigger_price=Price(PRICE - 50_000),
        position_side=PositionSide.LONG,
    )
