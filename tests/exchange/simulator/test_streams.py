"""The simulator's public stream as raw frames of socket.io."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from served import PRICE, START_MS, Served, script
from websockets.sync.client import ClientConnection, connect

from crypto_kedro.exchange.simulator.circuit_breaker import BreakerMode
from crypto_kedro.exchange.simulator.commands import Break, Trade
from crypto_kedro.trading.money import Btc, Price
from crypto_kedro.trading.orders import Side

PATIENCE_S = 5.0


@pytest.fixture
def exchange(serve: Callable[..., Served]) -> Served:
    """A simulator whose market stands still."""
    return serve()


class Listener:
    """A socket.io client made of raw frames."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.opening = self.frame()
        socket.send("40")
        self.namespace = self.frame()

    def frame(self) -> str:
        """The next frame."""
        return str(self._socket.recv(PATIENCE_S))

    def join(self, room: str) -> None:
        """Join a room."""
        self._socket.send("42" + json.dumps(["join-room", room]))

    def hear(self) -> tuple[str, dict[str, Any]]:
        """The next room and its message."""
        frame = self.frame()
        assert frame.startswith('42["message",'), frame
        told = json.loads(frame[2:])[1]
        return told["room_name"], told["message"]

    def is_silent(self) -> bool:
        """Whether nothing is told for a moment."""
        try:
            self._socket.recv(0.3)
        except TimeoutError:
            return True
        return False


@pytest.fixture
def listener(exchange: Served) -> Iterator[Listener]:
    """A client of the public stream in no room."""
    with connect(exchange.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket") as socket:
        yield Listener(socket)


def others_trade(exchange: Served, price: int, amount: str = "0.1", side: Side = Side.SELL) -> None:
    exchange.tell(Trade(Price(price), Btc.of(amount), side))


def test_given_a_new_connection_when_greeted_then_the_frames_are_those_of_engine_io_4(listener: Listener) -> None:
    opening = json.loads(listener.opening.removeprefix("0"))
    assert (opening["upgrades"], opening["pingInterval"], opening["pingTimeout"]) == ([], 25_000, 60_000)
    assert listener.namespace.startswith('40{"sid":')


def test_given_a_market_that_stands_still_when_joining_then_the_present_state_is_told(listener: Listener) -> None:
    listener.join("ticker_btc_jpy")
    room, message = listener.hear()
    assert (room, message["data"]["last"]) == ("ticker_btc_jpy", str(PRICE))
    assert isinstance(message["pid"], int)
    listener.join("circuit_break_info_btc_jpy")
    assert listener.hear()[1]["data"]["mode"] == "NONE"
    listener.join("depth_whole_btc_jpy")
    whole = listener.hear()[1]["data"]
    assert (len(whole["asks"]), whole["asks"][0][0]) == (200, str(PRICE))
    assert isinstance(whole["sequenceId"], str)


@pytest.mark.parametrize("room", ["depth_btc_jpy", "ticker_eth_jpy", "", None])
def test_given_a_room_that_is_not_there_when_joining_then_nothing_is_told(
    exchange: Served, listener: Listener, room: str
) -> None:
    listener.join(room)
    others_trade(exchange, 14_900_000)
    assert listener.is_silent()


def test_given_two_trades_at_once_when_told_then_the_newest_comes_first(
    serve: Callable[..., Served],
) -> None:
    exchange = serve(script((1, 14_900_000, "0.1", "sell"), (2, 14_950_000, "0.2", "buy")))
    with connect(exchange.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket") as socket:
        listener = Listener(socket)
        listener.join("circuit_break_info_btc_jpy")
        listener.hear()
        listener.join("transactions_btc_jpy")
        listener.join("ticker_btc_jpy")
        listener.hear()
        exchange.pass_seconds(2)
        room, message = listener.hear()
    assert room == "transactions_btc_jpy"
    newest, older = message["data"]["transactions"]
    assert (newest["price"], newest["amount"], newest["side"]) == ("14950000", "0.2000", "buy")
    assert (older["price"], older["executed_at"]) == ("14900000", START_MS + 1_000)
    assert newest["transaction_id"] == older["transaction_id"] + 1


def test_given_a_circuit_break_when_it_begins_then_its_room_hears_of_it(exchange: Served, listener: Listener) -> None:
    listener.join("circuit_break_info_btc_jpy")
    listener.hear()
    exchange.tell(Break(BreakerMode.CIRCUIT_BREAK, 600_000))
    data = listener.hear()[1]["data"]
    assert (data["mode"], data["reopen_timestamp"]) == ("CIRCUIT_BREAK", START_MS + 600_000)
