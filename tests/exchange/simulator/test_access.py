"""Who is let in: signatures, times, nonces and limits, as bitbank's documentation words them."""

import socket
import time
from collections.abc import Callable

import pytest
from served import KEY, SECRET, Client, Served, script, settings_with, signature

from crypto_kedro.exchange.simulator.access import Budget, RateLimiter
from crypto_kedro.exchange.simulator.codes import ApiError

ASSETS = "/user/assets"
SIGNED_ASSETS = "/v1/user/assets"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_the_signer_of_these_tests_reproduces_published_vectors() -> None:
    secret = "test-secret"
    get = signature(secret, "17000000000005000/v1/user/spot/order?pair=btc_jpy&order_id=1")
    post = signature(secret, '17000000000005000{"pair":"btc_jpy","order_id":1}')
    nonce = signature(secret, "1700000000000/v1/user/assets")
    assert get == "849dda647972a2e234975e736415b45209135c912e0a827d9ce15b1c109ee77c"
    assert post == "4cde2d21009cfa23f8859b961ead2df11dd65ed52dca76c8ac38d0be36a1cd61"
    assert nonce == "39995b2be473d6d7b263adffb89b3b5cfc03a8829970afadec5edbf9ae77f591"


def test_a_signed_get_covers_path_and_query(quiet: Served) -> None:
    client = quiet.client
    assert client.get("/user/spot/active_orders?pair=btc_jpy").data == {"orders": []}
    without_query = client.headers("/v1/user/spot/active_orders")
    assert client.get("/user/spot/active_orders?pair=btc_jpy", without_query).code == 20001


def test_a_signed_post_covers_the_exact_bytes_of_the_body(quiet: Served) -> None:
    client = quiet.client
    body = '{"pair": "btc_jpy",  "order_ids": [1]}'
    assert client.post("/user/spot/orders_info", body).data == {"orders": []}
    compact = client.headers('{"pair":"btc_jpy","order_ids":[1]}')
    assert client.post("/user/spot/orders_info", body, compact).code == 20001
    like_a_get = client.headers("/v1/user/spot/orders_info" + body)
    assert client.post("/user/spot/orders_info", body, like_a_get).code == 20001


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ACCESS-KEY": None}, 20003),
        ({"ACCESS-KEY": "another-key"}, 20002),
        ({"ACCESS-SIGNATURE": None}, 20005),
        ({"ACCESS-SIGNATURE": "0" * 64}, 20001),
        ({"ACCESS-REQUEST-TIME": None}, 20033),
        ({"ACCESS-REQUEST-TIME": "noon"}, 20037),
        ({"ACCESS-REQUEST-TIME": None, "ACCESS-TIME-WINDOW": None}, 20036),
        ({"ACCESS-TIME-WINDOW": "long"}, 20038),
        ({"ACCESS-TIME-WINDOW": "60001"}, 20038),
        ({"ACCESS-REQUEST-TIME": None, "ACCESS-TIME-WINDOW": None, "ACCESS-NONCE": "one"}, 20039),
    ],
)
def test_a_wrong_header_has_its_own_code(quiet: Served, changes: dict[str, str | None], code: int) -> None:
    headers = {name: value for name, value in (quiet.client.headers(SIGNED_ASSETS) | changes).items() if value}
    answer = quiet.client.get(ASSETS, headers)
    assert (answer.code, answer.status) == (code, 200)


def test_an_upper_case_signature_is_refused(quiet: Served) -> None:
    headers = quiet.client.headers(SIGNED_ASSETS)
    shouted = headers | {"ACCESS-SIGNATURE": headers["ACCESS-SIGNATURE"].upper()}
    assert quiet.client.get(ASSETS, shouted).code == 20001


@pytest.mark.parametrize(
    ("client_ahead_ms", "window", "code"),
    [
        (999, "5000", None),
        (1_000, "5000", 20034),
        (-5_000, "5000", None),
        (-5_001, "5000", 20035),
        (-60_000, "60000", None),
    ],
)
def test_the_time_of_a_request_must_lie_in_its_window(
    serve: Callable[..., Served], client_ahead_ms: int, window: str, code: int | None
) -> None:
    server_ms = 1_780_000_000_000
    client = serve(script(), wall_ms=lambda: server_ms).client
    headers = client.headers(SIGNED_ASSETS, at_ms=server_ms + client_ahead_ms, window=window)
    answer = client.get(ASSETS, headers)
    assert answer.body["success"] == (code is None)
    assert code is None or answer.code == code


def test_a_nonce_must_increase_and_a_refused_request_does_not_use_it_up(quiet: Served) -> None:
    client = quiet.client
    assert client.get(ASSETS, client.nonce_headers(SIGNED_ASSETS, 7)).body["success"] == 1
    assert client.get(ASSETS, client.nonce_headers(SIGNED_ASSETS, 7)).code == 20001
    assert client.get(ASSETS, client.nonce_headers(SIGNED_ASSETS, 6)).code == 20001
    assert client.get(ASSETS, client.nonce_headers("/v1/other", 8)).code == 20001
    assert client.get(ASSETS, client.nonce_headers(SIGNED_ASSETS, 8)).body["success"] == 1


def test_the_time_window_wins_when_a_nonce_is_sent_too(quiet: Served) -> None:
    client = quiet.client
    both = client.headers(SIGNED_ASSETS) | {"ACCESS-NONCE": "1"}
    assert client.get(ASSETS, both).body["success"] == 1
    assert client.get(ASSETS, both).body["success"] == 1


def test_the_default_window_holds_when_its_header_is_left_out(quiet: Served) -> None:
    moment = str(now_ms())
    headers = {
        "ACCESS-KEY": KEY,
        "ACCESS-REQUEST-TIME": moment,
        "ACCESS-SIGNATURE": signature(SECRET, moment + SIGNED_ASSETS),
    }
    assert quiet.client.get(ASSETS, headers).body["success"] == 1


def test_a_wrong_path_looks_like_missing_access(quiet: Served) -> None:
    client = quiet.client
    assert client.get("/user/positions", {}).code == 20003
    assert client.get("/user/positions").code == 20001
    unknown = client.public("/v1/positions")
    assert (unknown.code, unknown.status) == (10000, 404)
    assert client.public(ASSETS).code == 20018


def test_limits_are_separate_for_queries_and_updates(serve: Callable[..., Served]) -> None:
    server_ms = [1_780_000_000_000]
    settings = settings_with(queries_per_second=10, updates_per_second=6)
    client = serve(script(), settings, wall_ms=lambda: server_ms[0]).client

    def asked() -> int:
        answer = client.get(ASSETS, client.headers(SIGNED_ASSETS, at_ms=server_ms[0]))
        return 0 if answer.body["success"] else answer.status * 100_000 + answer.code

    def ordered() -> int:
        body = '{"pair":"btc_jpy","order_id":1}'
        return client.post("/user/spot/cancel_order", body, client.headers(body, at_ms=server_ms[0])).code

    assert [asked() for _ in range(11)] == [0] * 10 + [42_910_009]
    assert [ordered() for _ in range(7)] == [50009] * 6 + [10009]
    server_ms[0] += 1_000
    assert asked() == 0
    assert ordered() == 50009


def test_no_second_holds_more_than_the_limit() -> None:
    clock = [0]
    limiter = RateLimiter(settings_with(updates_per_second=2), lambda: clock[0])
    limiter.spend(Budget.UPDATE)
    clock[0] = 900
    limiter.spend(Budget.UPDATE)
    clock[0] = 1_000
    limiter.spend(Budget.UPDATE)
    clock[0] = 1_899
    with pytest.raises(ApiError) as refused:
        limiter.spend(Budget.UPDATE)
    assert (refused.value.code, refused.value.status) == (10009, 429)


def test_errors_may_be_served_with_another_http_status(serve: Callable[..., Served]) -> None:
    client: Client = serve(script(), settings_with(error_status=400)).client
    assert client.get(ASSETS, {}).status == 400


def test_a_client_that_hangs_up_within_its_request_changes_nothing(quiet: Served) -> None:
    body = '{"pair":"btc_jpy","side":"buy","type":"market","amount":"0.01"}'
    head = {"Content-Length": str(len(body) + 1), **quiet.client.headers(body)}
    with socket.create_connection(("127.0.0.1", int(quiet.url.rsplit(":", 1)[1]))) as connection:
        lines = [
            "POST /v1/user/spot/order HTTP/1.1",
            "Host: 127.0.0.1",
            *(f"{name}: {text}" for name, text in head.items()),
        ]
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
    assert quiet.client.trades() == []
