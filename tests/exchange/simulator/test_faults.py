"""Bad days on demand, each over a real socket."""

import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from served import PRICE, Client, Host, Served, script, settings_with

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.exchange.simulator.control import build_control
from crypto_kedro.exchange.simulator.faults import STREAM_FAULTS, Delivery, Fault, FaultKind, Faults, read_fault

ORDER, CANCEL = "/v1/user/spot/order", "/v1/user/spot/cancel_order"


@pytest.fixture
def faults() -> Faults:
    """Faults of the wire; none is in force yet."""
    return Faults()


@pytest.fixture
def exchange(serve: Callable[..., Served], faults: Faults) -> Served:
    """A simulator with those faults, whose market stands still."""
    return serve(faults=faults)


@pytest.fixture
def impatient(exchange: Served) -> Iterator[Client]:
    """A client that gives up after a fifth of a second."""
    client = Client(exchange.url)
    client.http.timeout = httpx.Timeout(0.2)
    yield client
    client.http.close()


def active_orders(client: Client) -> list[dict[str, object]]:
    orders: list[dict[str, object]] = client.get("/user/spot/active_orders?pair=btc_jpy").data["orders"]
    return orders


def test_given_an_answer_that_is_lost_when_the_client_gives_up_then_the_order_is_there_nevertheless(
    exchange: Served, faults: Faults, impatient: Client
) -> None:
    faults.replace([Fault(FaultKind.ANSWER_LOST, times=1, where=ORDER)])
    with pytest.raises(httpx.ReadTimeout):
        impatient.order("buy", "limit", price="14000000")
    assert len(active_orders(exchange.client)) == 1


def test_given_a_short_loss_when_the_gateway_gives_up_first_then_its_page_is_the_answer(
    exchange: Served, faults: Faults
) -> None:
    faults.replace([Fault(FaultKind.ANSWER_LOST, times=1, ms=1)])
    answer = exchange.client.http.get("/btc_jpy/ticker")
    assert (answer.status_code, answer.headers["content-type"]) == (504, "text/html; charset=utf-8")


def test_given_a_time_out_when_ordering_then_nothing_has_arrived(
    exchange: Served, faults: Faults, impatient: Client
) -> None:
    faults.replace([Fault(FaultKind.TIMEOUT, times=1, where=ORDER)])
    with pytest.raises(httpx.ReadTimeout):
        impatient.order("buy", "limit", price="14000000")
    assert active_orders(exchange.client) == []


def test_given_a_server_error_when_ordering_then_a_page_of_html_answers_and_nothing_has_arrived(
    exchange: Served, faults: Faults
) -> None:
    faults.replace([Fault(FaultKind.SERVER_ERROR, times=1)])
    answer = exchange.client.http.post(ORDER, content="{}")
    assert (answer.status_code, answer.text[:6]) == (502, "<html>")
    assert active_orders(exchange.client) == []


def test_given_a_cut_when_the_answer_is_half_there_then_the_connection_closes_and_the_order_stands(
    exchange: Served, faults: Faults
) -> None:
    faults.replace([Fault(FaultKind.CUT, times=1, where=ORDER)])
    with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        exchange.client.order("buy", "limit", price="14000000")
    assert len(active_orders(exchange.client)) == 1


def test_given_a_slow_answer_when_waiting_then_it_is_the_right_one(exchange: Served, faults: Faults) -> None:
    faults.replace([Fault(FaultKind.SLOW, times=1, ms=150)])
    asked = time.monotonic()
    assert exchange.client.public("/btc_jpy/ticker").data["last"] == str(PRICE)
    assert time.monotonic() - asked >= 0.15


def test_given_too_many_requests_when_asking_then_the_answer_is_429(exchange: Served, faults: Faults) -> None:
    faults.replace([Fault(FaultKind.TOO_FREQUENT, times=1)])
    reply = exchange.client.get("/user/assets")
    assert (reply.status, reply.code) == (429, 10009)


@pytest.mark.parametrize(("skew_ms", "code"), [(60_000, 20035), (-60_000, 20034)])
def test_given_a_clock_that_is_wrong_when_signing_by_time_then_the_request_is_outside_its_window(
    exchange: Served, faults: Faults, skew_ms: int, code: int
) -> None:
    faults.replace([Fault(FaultKind.CLOCK_SKEW, times=1, ms=skew_ms)])
    assert exchange.client.get("/user/assets").code == code
    assert exchange.client.get("/user/assets").data["assets"]


def test_given_a_rejected_nonce_when_the_next_one_is_tried_then_it_is_accepted(
    serve: Callable[..., Served], faults: Faults
) -> None:
    client = serve_with(serve, faults, reused_nonce_code=20004).client
    faults.replace([Fault(FaultKind.NONCE_REJECTED, times=1)])
    path = "/v1/user/assets"
    assert client.get("/user/assets", client.nonce_headers(path, 1)).code == 20004
    assert client.get("/user/assets", client.nonce_headers(path, 2)).data["assets"]


def test_given_a_rejected_nonce_when_signing_by_time_then_nothing_is_rejected(exchange: Served, faults: Faults) -> None:
    faults.replace([Fault(FaultKind.NONCE_REJECTED)])
    assert exchange.client.get("/user/assets").data["assets"]


def test_given_a_maintenance_when_ten_minutes_have_passed_then_the_exchange_is_back_as_it_was(
    exchange: Served, faults: Faults
) -> None:
    exchange.client.order("buy", "limit", price="14000000")
    faults.replace([Fault(FaultKind.MAINTENANCE, times=1)])
    assert exchange.client.get("/user/assets").code == 10007
    exchange.pass_seconds(599)
    assert exchange.client.get("/user/assets").code == 10007
    assert exchange.client.public("/v1/spot/status").data["statuses"][0]["status"] == "HALT"
    exchange.pass_seconds(1)
    assert len(active_orders(exchange.client)) == 1


def test_given_a_fill_during_a_cancel_when_cancelling_then_the_order_is_executed(
    exchange: Served, faults: Faults
) -> None:
    order_id = exchange.client.order("buy", "limit", price="14000000").data["order_id"]
    faults.replace([Fault(FaultKind.FILL_DURING_CANCEL, times=1, where=CANCEL)])
    assert exchange.client.cancel(order_id).code == 50027
    assert exchange.client.look_up(order_id)["status"] == "FULLY_FILLED"


def test_given_a_fill_during_a_cancel_of_many_when_cancelling_then_none_is_cancelled(
    exchange: Served, faults: Faults
) -> None:
    order_ids = [exchange.client.order("sell", "limit", price="16000000").data["order_id"] for _ in range(2)]
    faults.replace([Fault(FaultKind.FILL_DURING_CANCEL, where=CANCEL)])
    cancel = {"pair": "btc_jpy", "order_ids": order_ids}
    assert exchange.client.post("/user/spot/cancel_orders", cancel).data["orders"] == []
    assert len(exchange.client.trades()) == 2


@pytest.mark.parametrize("body", ["[1]", '{"order_id": "one"}', "{"])
def test_given_a_fill_during_a_cancel_when_the_cancel_makes_no_sense_then_it_is_refused_as_ever(
    exchange: Served, faults: Faults, body: str
) -> None:
    faults.replace([Fault(FaultKind.FILL_DURING_CANCEL)])
    assert exchange.client.post("/user/spot/cancel_order", body).code in (10002, 30009)


def test_given_a_place_when_asking_elsewhere_then_nothing_goes_wrong(exchange: Served, faults: Faults) -> None:
    faults.replace([Fault(FaultKind.SERVER_ERROR, where="/v1/user/margin")])
    assert exchange.client.get("/user/assets").data["assets"]
    assert exchange.client.http.get("/v1/user/margin/status").status_code == 502


def ticker_fails_with(status: int) -> Callable[[Served], bool]:
    return lambda exchange: exchange.client.http.get("/btc_jpy/ticker").status_code == status


def assets_fail_with(code: int) -> Callable[[Served], bool]:
    return lambda exchange: exchange.client.get("/user/assets").body["data"].get("code") == code


def nonce_is_rejected(exchange: Served) -> bool:
    headers = Client.nonce_headers("/v1/user/assets", time.time_ns())
    return exchange.client.get("/user/assets", headers).body["data"].get("code") == 20001


def is_in_maintenance(exchange: Served) -> bool:
    failed = assets_fail_with(10007)(exchange)
    exchange.pass_seconds(1)
    return failed


def is_filled_first(exchange: Served) -> bool:
    order_id = exchange.client.order("buy", "limit", "0.0001", price="14000000").data["order_id"]
    return exchange.client.cancel(order_id).body["success"] == 0


def arrives(exchange: Served) -> None:
    assert exchange.client.public("/btc_jpy/ticker").data["last"] == str(PRICE)


def comes_over(exchange: Served) -> None:
    """It arrives, whatever it holds."""
    assert exchange.client.http.get("/btc_jpy/ticker").status_code == 200


def is_cut(exchange: Served) -> bool:
    try:
        exchange.client.public("/btc_jpy/ticker")
    except httpx.RemoteProtocolError:
        return True
    return False


OUTCOMES: dict[FaultKind, tuple[Callable[[Served], bool | None], int | None]] = {
    FaultKind.SERVER_ERROR: (ticker_fails_with(502), None),
    FaultKind.TOO_FREQUENT: (ticker_fails_with(429), None),
    FaultKind.NONCE_REJECTED: (nonce_is_rejected, None),
    FaultKind.TIMEOUT: (ticker_fails_with(504), 1),
    FaultKind.CLOCK_SKEW: (assets_fail_with(20035), None),
    FaultKind.MAINTENANCE: (is_in_maintenance, 500),
    FaultKind.FILL_DURING_CANCEL: (is_filled_first, None),
    FaultKind.SLOW: (arrives, 1),
    FaultKind.ANSWER_LOST: (ticker_fails_with(504), 1),
    FaultKind.CUT: (is_cut, None),
    FaultKind.GARBLED: (comes_over, None),
}
"""How a client sees that a fault struck (None: not from one answer), and its length in milliseconds for these tests."""


def test_every_fault_of_a_request_is_specified_by_chance() -> None:
    assert {*OUTCOMES} | STREAM_FAULTS == {*FaultKind}


@pytest.mark.parametrize("kind", OUTCOMES)
def test_given_a_probability_when_asking_often_then_the_seed_decides_which_requests_the_fault_strikes(
    exchange: Served, faults: Faults, kind: FaultKind
) -> None:
    is_struck, lasts_ms = OUTCOMES[kind]

    def struck(seed: int) -> list[int]:
        faults.replace([Fault(kind, probability=0.3, ms=lasts_ms)], seed)
        strikes: list[int] = []
        for number in range(16):
            before = faults.report()[0]["struck"]
            seen, counted = is_struck(exchange), faults.report()[0]["struck"] > before
            assert seen in (counted, None)
            strikes += [number] * counted
        return strikes

    first = struck(7)
    assert 1 <= len(first) <= 12
    assert struck(7) == first
    assert struck(8) != first


def test_given_two_faults_when_each_strikes_by_chance_then_neither_changes_the_luck_of_the_other(
    exchange: Served, faults: Faults
) -> None:
    def statuses(*kinds: FaultKind) -> list[int]:
        faults.replace([Fault(kind, probability=0.3) for kind in kinds], seed=3)
        return [exchange.client.http.get("/tickers").status_code for _ in range(30)]

    too_frequent, broken = statuses(FaultKind.TOO_FREQUENT), statuses(FaultKind.SERVER_ERROR)
    first_wins = [
        429 if 429 in both else 502 if 502 in both else 200 for both in zip(too_frequent, broken, strict=True)
    ]
    assert statuses(FaultKind.TOO_FREQUENT, FaultKind.SERVER_ERROR) == first_wins
    assert {429, 502, 200} == {*first_wins}


def test_given_a_fault_that_cannot_befall_a_request_when_asking_then_another_one_strikes_and_none_is_used_up(
    exchange: Served, faults: Faults
) -> None:
    elsewhere = [FaultKind.FILL_DURING_CANCEL, FaultKind.NONCE_REJECTED, FaultKind.CLOCK_SKEW, FaultKind.SILENT]
    faults.replace([Fault(kind, times=1) for kind in (*elsewhere, FaultKind.SERVER_ERROR)])
    assert exchange.client.http.get("/tickers").status_code == 502
    assert [row["struck"] for row in faults.report()] == [0, 0, 0, 0, 1]


def test_given_the_switchboard_when_faults_are_put_in_force_then_it_tells_how_often_each_has_struck(
    exchange: Served, host: Host, faults: Faults
) -> None:
    wire, switchboard = host.application, build_control(exchange.running, faults)
    host.application = switchboard
    body = {"faults": [{"kind": "server_error", "times": 2}, {"kind": "twice"}], "seed": 5}
    assert host.client.http.post("/_control/faults", json=body).status_code == 200
    host.application = wire
    answers = [host.client.http.get("/tickers").status_code for _ in range(3)]
    host.application = switchboard
    assert answers == [502, 502, 200]
    state = host.client.http.get("/_control/state").json()
    assert state["faults"] == [
        {"kind": "server_error", "where": "", "struck": 2},
        {"kind": "twice", "where": "", "struck": 0},
    ]


@pytest.mark.parametrize(
    "fault", [{"kind": "bad_luck"}, {"kind": "slow", "probability": 2}, {"kind": "slow", "times": 0}, {"knd": "slow"}]
)
def test_given_a_fault_that_makes_no_sense_when_put_in_force_then_a_sentence_answers(
    exchange: Served, host: Host, fault: dict[str, object]
) -> None:
    host.application = build_control(exchange.running)
    answer = host.client.http.post("/_control/faults", json={"faults": [fault]})
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_a_fault_is_read_from_the_command_line() -> None:
    assert read_fault("answer_lost=0.01") == Fault(FaultKind.ANSWER_LOST, 0.01)


@pytest.mark.parametrize("text", ["answer_lost", "bad_luck=1", "slow=2", "slow=often"])
def test_a_fault_that_makes_no_sense_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match=text.split("=")[0]):
        read_fault(text)


def test_messages_are_held_back_repeated_and_silenced_within_their_own_room() -> None:
    faults = Faults([Fault(FaultKind.OUT_OF_ORDER, times=1, where="depth")])
    delivery = Delivery(faults)
    assert [delivery.pass_on("depth", 1), delivery.pass_on("ticker", 2), delivery.pass_on("depth", 3)] == [
        [],
        [2],
        [3, 1],
    ]
    faults.replace([Fault(FaultKind.TWICE, times=1), Fault(FaultKind.SILENT, where="ticker")])
    assert [delivery.pass_on("depth", 4), delivery.pass_on("depth", 5), delivery.pass_on("ticker", 6)] == [
        [4, 4],
        [5],
        [],
    ]
    faults.replace([Fault(FaultKind.STALE, times=3)])
    assert [delivery.pass_on("depth", 7), delivery.pass_on("ticker", 8), delivery.pass_on("breaker", 9)] == [
        [5],
        [2],
        [],
    ]
    assert delivery.pass_on("depth", 10) == [10]


def serve_with(serve: Callable[..., Served], faults: Faults, **changes: object) -> Served:
    return serve(script(), settings_with(**changes), faults=faults)
