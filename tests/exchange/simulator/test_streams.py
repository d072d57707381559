"""The simulator's public stream as raw frames of socket.io."""

import json
import logging
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from served import PRICE, START_MS, Served, script
from websockets.sync.client import ClientConnection, connect

from crypto_kedro.exchange.simulator.circuit_breaker import BreakerMode
from crypto_kedro.exchange.simulator.commands import Break, Trade
from crypto_kedro.trading.money import Btc, Price
from crypto_kedro.trading.orders import Side

PATIENCE_S = 30.0


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

    def join(self, *room: Any) -> None:
        """Join a room."""
        self._socket.send("42" + json.dumps(["join-room", *room]))

    def settle(self) -> None:
        """Wait until what was sent before has been carried out."""
        self.join("circuit_break_info_btc_jpy")
        while self.hear()[0] != "circuit_break_info_btc_jpy":
            pass

    def leave(self, *room: Any) -> None:
        """Leave a room."""
        self._socket.send("42" + json.dumps(["leave-room", *room]))

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


@pytest.mark.parametrize(
    "room", [["depth_btc_jpy"], ["ticker_eth_jpy"], [""], [None], [7], [{"room": 1}], [["ticker_btc_jpy"]], []]
)
def test_given_a_room_that_is_not_there_when_joining_or_leaving_then_nothing_is_told_and_nothing_goes_wrong(
    exchange: Served, listener: Listener, room: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    listener.join(*room)
    listener.leave(*room)
    others_trade(exchange, 14_900_000)
    assert listener.is_silent()
    assert caplog.messages == []


def test_given_a_room_that_was_left_when_something_happens_then_it_is_not_told(
    exchange: Served, listener: Listener
) -> None:
    listener.join("ticker_btc_jpy")
    listener.hear()
    listener.leave("ticker_btc_jpy")
    listener.join("circuit_break_info_btc_jpy")
    listener.hear()
    others_trade(exchange, 14_900_000)
    assert listener.is_silent()


def test_given_clients_that_join_and_leave_at_once_when_told_then_nothing_goes_wrong(
    exchange: Served, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    for _ in range(20):
        with connect(exchange.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket") as socket:
            hasty = Listener(socket)
            for room in ("depth_diff_btc_jpy", "depth_whole_btc_jpy", "ticker_btc_jpy"):
                hasty.join(room)
        others_trade(exchange, 14_900_000)
    listener.settle()
    assert caplog.messages == []


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


def test_given_a_break_that_a_trade_trips_when_it_is_over_then_its_room_has_heard_of_both(
    exchange: Served, listener: Listener
) -> None:
    listener.join("circuit_break_info_btc_jpy")
    low = int(listener.hear()[1]["data"]["lower_trigger_price"])
    others_trade(exchange, low - 1)
    during = listener.hear()[1]["data"]
    exchange.pass_seconds((during["reopen_timestamp"] - START_MS) // 1_000)
    after = listener.hear()[1]["data"]
    assert (during["mode"], during["lower_trigger_price"]) == ("CIRCUIT_BREAK", None)
    assert (after["mode"], after["reopen_timestamp"]) == ("NONE", None)
    assert after == exchange.client.public("/btc_jpy/circuit_break_info").data


class Merged:
    """The book by the letter of bitbank's rules: the latest whole book, and the later differences on top of it."""

    def __init__(self) -> None:
        self.sequences: dict[str, list[int]] = {"depth_whole_btc_jpy": [], "depth_diff_btc_jpy": []}
        self.book: dict[str, Any] = {}
        self._differences: list[dict[str, Any]] = []

    def take(self, room: str, data: dict[str, Any]) -> None:
        """Take a message of one of the two rooms."""
        if room == "depth_whole_btc_jpy":
            self.sequences[room].append(int(data["sequenceId"]))
            self.book = data | {side: dict(data[side]) for side in ("asks", "bids")}
            for difference in self._differences:
                self._apply(difference)
        else:
            self.sequences[room].append(int(data["s"]))
            self._differences.append(data)
            self._apply(data)

    def _apply(self, difference: dict[str, Any]) -> None:
        if self.book and int(difference["s"]) > int(self.book["sequenceId"]):
            for side in ("asks", "bids"):
                self.book[side].update(difference[side[0]])
            said = {"asks_over": "ao", "bids_under": "bu", "sequenceId": "s", "timestamp": "t"}
            self.book |= {name: difference[short] for name, short in said.items() if short in difference}

    def is_at(self, sequence: str) -> bool:
        """Whether everything up to a sequence id has been heard."""
        return bool(self.book) and int(self.book["sequenceId"]) >= int(sequence)

    def levels(self, side: str) -> list[list[str]]:
        """The levels of a side, best first."""
        rows = [[price, amount] for price, amount in self.book[side].items() if amount != "0"]
        return sorted(rows, key=lambda row: int(row[0]), reverse=side == "bids")

    def hear_until(self, sequence: str, listener: Listener) -> None:
        """Listen until everything up to a sequence id has been heard."""
        while not self.is_at(sequence):
            room, message = listener.hear()
            self.take(room, message["data"])


def require_same(merged: Merged, rest: dict[str, Any]) -> None:
    assert (merged.levels("asks"), merged.levels("bids")) == (rest["asks"], rest["bids"])
    assert merged.book | {"asks": 0, "bids": 0, "timestamp": 0} == rest | {"asks": 0, "bids": 0, "timestamp": 0}


def shake(exchange: Served, luck: random.Random) -> None:
    """Let others trade, order or cancel."""
    match luck.randrange(4):
        case 0 | 1:
            amount = str(Btc(luck.randrange(1, 5_000)))
            others_trade(exchange, PRICE + luck.randrange(-400_000, 400_000), amount, luck.choice([*Side]))
        case 2:
            side, price = luck.choice([("buy", PRICE - 450_000), ("sell", PRICE + 450_000), ("buy", PRICE + 450_000)])
            exchange.client.order(side, "limit", "0.0011", price=str(price))
        case _:
            for order in exchange.client.get("/user/spot/active_orders?pair=btc_jpy").data["orders"][:1]:
                exchange.client.cancel(order["order_id"])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_given_a_lively_market_when_whole_books_and_differences_are_merged_then_the_book_is_that_of_rest(
    exchange: Served, listener: Listener, seed: int
) -> None:
    luck, merged = random.Random(seed), Merged()
    listener.join("depth_diff_btc_jpy")
    listener.join("depth_whole_btc_jpy")
    for _ in range(25):
        for _ in range(luck.randrange(1, 4)):
            shake(exchange, luck)
        rest = exchange.client.public("/btc_jpy/depth").data
        merged.hear_until(rest["sequenceId"], listener)
        require_same(merged, rest)
    whole, different = merged.sequences.values()
    assert len(whole) >= 2
    assert len(different) >= 20
    assert [whole, different] == [sorted({*whole}), sorted({*different})]


def test_given_a_book_that_others_hear_when_a_newcomer_joins_then_nothing_is_missing_between_its_two_rooms(
    exchange: Served, listener: Listener
) -> None:
    listener.join("depth_diff_btc_jpy")
    listener.settle()
    others_trade(exchange, 14_900_000)
    listener.hear()
    with connect(exchange.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket") as socket:
        newcomer, merged = Listener(socket), Merged()
        newcomer.join("depth_diff_btc_jpy")
        others_trade(exchange, 14_800_000)
        newcomer.join("depth_whole_btc_jpy")
        others_trade(exchange, 14_700_000)
        rest = exchange.client.public("/btc_jpy/depth").data
        merged.hear_until(rest["sequenceId"], newcomer)
    require_same(merged, rest)
