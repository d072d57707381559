"""The simulator's private stream as raw requests of PubNub's long poll."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from served import PRICE, SECRET, START_MS, UNLIMITED, Client, Served, script, signature

from crypto_kedro.exchange.simulator.commands import Trade
from crypto_kedro.trading.money import Btc, Price
from crypto_kedro.trading.orders import Side

SUBSCRIBE_KEY = "sub-c-ecebae8e-dd60-11e6-b6b1-02ee2ddab7fe"
HOUR_MS = 3_600_000
PATIENCE_S = 30


class WallClock:
    """Real time that a test can move."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms


@pytest.fixture
def wall() -> WallClock:
    return WallClock()


@pytest.fixture
def exchange(serve: Callable[..., Served], wall: WallClock) -> Served:
    """A simulator whose market stands still."""
    return serve(script(), UNLIMITED, wall_ms=wall)


@dataclass
class Subscriber:
    """Polls with one token, each time from where the last answer ended."""

    client: Client
    channel: str
    token: str
    cursor: str = "0"

    def ask(self, **query: str) -> httpx.Response:
        """Poll once."""
        target = f"/v2/subscribe/{SUBSCRIBE_KEY}/{self.channel}/0"
        return self.client.http.get(target, params={"auth": self.token, "tt": self.cursor} | query, timeout=PATIENCE_S)

    def poll(self) -> list[dict[str, Any]]:
        """Poll, and return the events."""
        answer = self.ask().json()
        self.cursor = answer["t"]["t"]
        return [event["d"] for event in answer["m"]]


@pytest.fixture
def subscriber(exchange: Served) -> Subscriber:
    """A client with a fresh token that has polled once."""
    issued = exchange.client.get("/user/subscribe").data
    subscriber = Subscriber(exchange.client, issued["pubnub_channel"], issued["pubnub_token"])
    assert subscriber.poll() == []
    return subscriber


@pytest.fixture
def meanwhile() -> Iterator[Callable[..., Future[Any]]]:
    """Do something beside the test."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit


def others_trade(exchange: Served, price: int) -> None:
    exchange.tell(Trade(Price(price), Btc.of("1"), Side.SELL if price < PRICE else Side.BUY))


def methods(events: list[dict[str, Any]]) -> list[str]:
    return [event["method"] for event in events]


def test_given_a_first_poll_when_answered_then_it_only_tells_the_present_moment_in_steps_of_100_ns(
    subscriber: Subscriber,
) -> None:
    answer = subscriber.ask(tt="0").json()
    assert (len(answer["t"]["t"]), answer["t"]["r"], answer["m"]) == (17, 1, [])


def test_given_a_resting_order_when_polled_then_it_is_told_in_pubnubs_envelope_as_rest_shows_it(
    exchange: Served, subscriber: Subscriber
) -> None:
    placed = exchange.client.order("buy", "limit", price="14000000").data
    answer = subscriber.ask().json()
    new, assets = answer["m"]
    assert {key: new[key] for key in ("k", "c")} == {"k": SUBSCRIBE_KEY, "c": subscriber.channel}
    assert answer["t"]["t"] == assets["p"]["t"] > new["p"]["t"]
    (order,) = new["d"].pop("params")
    assert new["d"] == {"method": "spot_order_new"}
    assert order == placed | {"executed_at": None, "canceled_at": None, "is_just_triggered": False}
    (jpy,) = [row for row in assets["d"]["params"] if row["asset"] == "jpy"]
    balance = exchange.client.balance("jpy")
    assert jpy == {name: balance[name] for name in jpy}
    assert {"free_amount", "locked_amount", "onhand_amount", "withdrawing_amount", "amount_precision"} < {*jpy}


def test_given_a_held_poll_when_an_order_is_placed_then_it_wakes(
    exchange: Served, subscriber: Subscriber, meanwhile: Callable[..., Future[Any]]
) -> None:
    held = meanwhile(subscriber.poll)
    with pytest.raises(TimeoutError):
        held.result(0.1)
    Client(exchange.url).order("buy", "limit", price="14000000")
    assert methods(held.result(PATIENCE_S))[0] == "spot_order_new"


def test_given_an_order_that_fills_when_polled_then_order_trade_and_assets_are_told(
    exchange: Served, subscriber: Subscriber
) -> None:
    order_id = exchange.client.order("buy", "limit", price="14900000").data["order_id"]
    subscriber.poll()
    exchange.pass_seconds(5)
    others_trade(exchange, 14_800_000)
    changed, traded, assets = subscriber.poll()
    (order,) = changed["params"]
    (trade,) = traded["params"]
    assert methods([changed, traded, assets]) == ["spot_order", "spot_trade", "asset_update"]
    assert (order["status"], order["executed_at"]) == ("FULLY_FILLED", START_MS + 5_000)
    assert trade == exchange.client.trades()[0]
    assert trade["order_id"] == order_id


def test_given_a_partly_filled_order_when_it_is_cancelled_later_then_its_fill_keeps_its_time(
    exchange: Served, subscriber: Subscriber
) -> None:
    order_id = exchange.client.order("buy", "limit", "0.05", price="14900000").data["order_id"]
    exchange.tell(Trade(Price(14_899_999), Btc.of("0.01"), Side.SELL))
    subscriber.poll()
    exchange.pass_seconds(7)
    exchange.client.cancel(order_id)
    (order,) = subscriber.poll()[0]["params"]
    assert order["status"] == "CANCELED_PARTIALLY_FILLED"
    assert (order["executed_at"], order["canceled_at"]) == (START_MS, START_MS + 7_000)


def test_given_a_stop_that_fires_when_polled_then_it_is_just_triggered_once(
    exchange: Served, subscriber: Subscriber
) -> None:
    exchange.client.order("sell", "stop", trigger_price="14500000")
    subscriber.poll()
    others_trade(exchange, 14_400_000)
    orders = [event["params"][0] for event in subscriber.poll() if event["method"] == "spot_order"]
    assert [order["is_just_triggered"] for order in orders].count(True) == 1


def test_given_a_margin_position_when_it_opens_then_it_is_told_with_its_locked_amount(
    exchange: Served, subscriber: Subscriber
) -> None:
    exchange.client.order("buy", "market", "0.02", position_side="long")
    (update,) = [event for event in subscriber.poll() if event["method"] == "margin_position_update"]
    (told,) = update["params"]
    shown = exchange.client.position("long")
    assert told["locked_amount"] == "0.0000"
    assert {key: told[key] for key in ("pair", "position_side", "open_amount", "average_price", "product")} == {
        key: shown[key] for key in ("pair", "position_side", "open_amount", "average_price", "product")
    }


def test_given_two_polls_from_one_moment_when_repeated_then_both_tell_the_same(
    exchange: Served, subscriber: Subscriber
) -> None:
    exchange.client.order("buy", "limit", price="14000000")
    assert subscriber.ask().json() == subscriber.ask().json()


@pytest.mark.parametrize("token", ["", "nonsense", "9999999999999.nonsense", "9999999999999"])
def test_given_a_wrong_token_when_polling_then_access_is_denied_as_pubnub_does(
    subscriber: Subscriber, token: str
) -> None:
    answer = subscriber.ask(auth=token)
    assert answer.status_code == 403
    assert answer.json() == {"status": 403, "service": "Access Manager", "error": True, "message": "Forbidden"}


def test_given_the_channel_of_somebody_else_when_polling_then_access_is_denied(subscriber: Subscriber) -> None:
    subscriber.channel = "private-" + signature(SECRET, "x")[:32]
    assert subscriber.ask().status_code == 403


def test_given_a_cursor_that_is_no_number_when_polling_then_the_request_is_bad(subscriber: Subscriber) -> None:
    assert subscriber.ask(tt="now").status_code == 400


def test_given_a_token_when_twelve_hours_have_passed_then_it_is_expired_and_a_new_one_opens_the_channel(
    exchange: Served, subscriber: Subscriber, wall: WallClock
) -> None:
    wall.ahead_ms = 12 * HOUR_MS - 60_000
    assert subscriber.ask(tt="0").status_code == 200
    wall.ahead_ms = 12 * HOUR_MS
    answer = subscriber.ask()
    assert (answer.status_code, answer.json()["message"]) == (403, "Token is expired.")
    headers = Client.headers("/v1/user/subscribe", at_ms=wall())
    issued = exchange.client.get("/user/subscribe", headers).data
    assert issued["pubnub_channel"] == subscriber.channel
    subscriber.token = issued["pubnub_token"]
    assert subscriber.ask(tt="0").status_code == 200
