"""PubNub's own client, which bitbank recommends, hears the simulator's private stream."""

import asyncio
from typing import Any

import pytest
from served import UNLIMITED, Client, on_this_loop, script

from crypto_kedro.exchange.simulator.application import build_application
from crypto_kedro.exchange.simulator.commands import Place
from crypto_kedro.exchange.simulator.running import RunningExchange
from crypto_kedro.trading.money import Btc, Price
from crypto_kedro.trading.orders import OrderRequest, OrderType, Side

pytest.importorskip("pubnub", reason="PubNub's client is not installed: pip install pubnub")

from pubnub.callbacks import SubscribeCallback
from pubnub.pnconfiguration import PNConfiguration
from pubnub.pubnub_asyncio import PubNubAsyncio

BUY = OrderRequest(side=Side.BUY, type=OrderType.LIMIT, amount=Btc.of("0.01"), price=Price(14_000_000))
PATIENCE_S = 30


class Heard(SubscribeCallback):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.is_connected = asyncio.Event()
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def status(self, pubnub: PubNubAsyncio, status: Any) -> None:
        if not status.is_error():
            self.is_connected.set()

    def message(self, pubnub: PubNubAsyncio, message: Any) -> None:
        self.messages.put_nowait(message.message)

    def presence(self, pubnub: PubNubAsyncio, presence: Any) -> None:
        """Nobody's presence is told."""


def subscribed(url: str, channel: str, token: str) -> tuple[PubNubAsyncio, Heard]:
    configuration = PNConfiguration()
    configuration.subscribe_key = "sub-c-ecebae8e-dd60-11e6-b6b1-02ee2ddab7fe"
    configuration.user_id = channel
    configuration.origin = url.removeprefix("http://")
    configuration.ssl = False
    client, heard = PubNubAsyncio(configuration), Heard()
    client.set_token(token)
    client.add_listener(heard)
    client.subscribe().channels(channel).execute()
    return client, heard


def test_given_channel_and_token_when_an_order_is_placed_then_pubnubs_client_hears_of_it() -> None:
    async def story() -> list[str]:
        running = RunningExchange(script(), UNLIMITED)
        async with on_this_loop(build_application(running)) as url:
            rest = Client(url)
            path = "/v1/user/subscribe"
            issued = (await asyncio.to_thread(rest.http.get, path, headers=rest.headers(path))).json()["data"]
            client, heard = subscribed(url, issued["pubnub_channel"], issued["pubnub_token"])
            await heard.is_connected.wait()
            running.carry_out(Place(BUY))
            told = [(await heard.messages.get())["method"] for _ in range(2)]
            client.unsubscribe_all()
            await client.stop()
            rest.http.close()
            return told

    assert asyncio.run(asyncio.wait_for(story(), PATIENCE_S)) == ["spot_order_new", "asset_update"]
