"""The face over a real socket as a proxy before it asks: by which names, and what it then shows without the token."""

import socket
from collections.abc import Iterator

import httpx
import pytest
from serving_faces import BEARER, asking
from shown_trader import ShownTrader

NAME = "trader.example"
FIGURES = ("/status", "/metrics")
FREE = ("/", "/page/app.js", "/health", "/ready")
LOCAL_NAMES = ("127.0.0.1:8080", "localhost", "LOCALHOST:8080")
FOREIGN_NAMES = (
    "evil.example",
    f"{NAME}.evil.example",
    f"not-{NAME}",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "",
)
MARKS_OF_PROXIES = (
    {"X-Forwarded-For": "203.0.113.7"},
    {"X-Forwarded-Host": NAME},
    {"X-Forwarded-Proto": "https"},
    {"X-Real-IP": "203.0.113.7"},
    {"Forwarded": "for=203.0.113.7;proto=https"},
    {"Via": "1.1 proxy"},
    {"CF-Connecting-IP": "203.0.113.7"},
    {"X-Forwarded-For": ""},
    {"X-Forwarded-For": "127.0.0.1"},
)


@pytest.fixture(scope="module")
def face() -> Iterator[httpx.Client]:
    """A client of a face on loopback with a token, as it is by default."""
    with asking(ShownTrader()) as client:
        yield client


@pytest.fixture(scope="module")
def named_face() -> Iterator[httpx.Client]:
    """A client of a face that a proxy calls by a name of its own."""
    with asking(ShownTrader(), allowed_hosts=("Trader.Example",)) as client:
        yield client


@pytest.mark.parametrize("name", LOCAL_NAMES)
@pytest.mark.parametrize("path", FIGURES)
def test_given_a_request_of_this_machine_then_figures_are_shown_without_the_token(
    face: httpx.Client, named_face: httpx.Client, path: str, name: str
) -> None:
    assert face.get(path, headers={"Host": name}).status_code == 200
    assert named_face.get(path, headers={"Host": name}).status_code == 200


@pytest.mark.parametrize("marks", MARKS_OF_PROXIES)
@pytest.mark.parametrize("path", FIGURES)
def test_given_a_proxy_that_calls_the_face_by_loopback_then_figures_need_the_token(
    face: httpx.Client, path: str, marks: dict[str, str]
) -> None:
    refused = face.get(path, headers={"Host": "127.0.0.1:8080"} | marks)
    assert refused.status_code == 401
    assert refused.json()["error"].startswith("send the token")
    assert face.get(path, headers={"Host": "127.0.0.1:8080"} | marks | BEARER).status_code == 200


@pytest.mark.parametrize("path", FIGURES)
def test_given_a_proxy_that_speaks_http_1_0_and_tells_nothing_of_itself_then_figures_need_the_token(
    face: httpx.Client, path: str
) -> None:
    """So does nginx before 1.29.7 with nothing but `proxy_pass`."""
    request = f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{face.base_url.port}\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", face.base_url.port or 0), timeout=10) as connection:
        connection.sendall(request.encode())
        answer = connection.makefile("rb").read()
    assert b" 401 " in answer.partition(b"\r\n")[0]


@pytest.mark.parametrize("marks", [{}, *MARKS_OF_PROXIES])
@pytest.mark.parametrize("path", FIGURES)
def test_given_a_proxy_that_calls_the_face_by_an_allowed_name_then_figures_need_the_token(
    named_face: httpx.Client, path: str, marks: dict[str, str]
) -> None:
    assert named_face.get(path, headers={"Host": NAME} | marks).status_code == 401
    assert named_face.get(path, headers={"Host": f"{NAME.upper()}:443"} | marks | BEARER).status_code == 200


@pytest.mark.parametrize("path", FREE)
def test_given_an_allowed_name_then_the_page_loads_without_the_token(named_face: httpx.Client, path: str) -> None:
    assert named_face.get(path, headers={"Host": NAME, "X-Forwarded-For": "203.0.113.7"}).status_code == 200


def test_given_an_allowed_name_then_a_stop_needs_the_token_and_comes_through_with_it() -> None:
    trader = ShownTrader()
    host = {"Host": NAME, "X-Forwarded-For": "203.0.113.7"}
    with asking(trader, allowed_hosts=(NAME,)) as face:
        assert face.post("/stop", headers=host, json={"reason": "news at nine"}).status_code == 401
        assert trader.stops == []
        assert face.post("/stop", headers=host | BEARER, json={"reason": "news at nine"}).status_code == 200
    assert [stop["reason"] for stop in trader.stops] == ["news at nine"]


@pytest.mark.parametrize("host", FOREIGN_NAMES)
@pytest.mark.parametrize("path", [*FIGURES, *FREE, "/nothing"])
def test_given_a_foreign_name_that_leads_to_this_machine_then_a_sentence_names_the_setting(
    face: httpx.Client, named_face: httpx.Client, path: str, host: str
) -> None:
    for asked in (face, named_face):
        refused = asked.get(path, headers={"Host": host} | BEARER)
        assert refused.status_code == 400
        assert list(refused.json()) == ["error"]
        assert "session.face.allowed_hosts" in refused.json()["error"]
        assert refused.headers["x-content-type-options"] == "nosniff"
    assert face.post("/stop", headers={"Host": host} | BEARER, json={"reason": "x"}).status_code == 400


def test_given_no_setting_then_the_name_of_a_proxy_is_refused(face: httpx.Client) -> None:
    refused = face.get("/status", headers={"Host": f"{NAME}:443"} | BEARER)
    assert refused.status_code == 400
    assert f"'{NAME}'" in refused.json()["error"]


@pytest.mark.parametrize("path", FIGURES)
def test_given_reading_open_to_everybody_then_a_proxy_needs_no_token(path: str) -> None:
    with asking(ShownTrader(), allowed_hosts=(NAME,), open_reading=True) as face:
        assert face.get(path, headers={"Host": NAME, "X-Forwarded-For": "203.0.113.7"}).status_code == 200
        assert face.post("/stop", headers={"Host": NAME}, json={"reason": "x"}).status_code == 401


@pytest.mark.parametrize("path", FIGURES)
def test_given_reading_closed_then_this_machine_needs_the_token_too(path: str) -> None:
    with asking(ShownTrader(), allowed_hosts=(NAME,), open_reading=False) as face:
        assert face.get(path).status_code == 401
        assert face.get(path, headers={"Host": NAME} | BEARER).status_code == 200


@pytest.mark.parametrize("path", FIGURES)
def test_given_a_trader_without_a_token_then_a_proxy_shows_no_figures_and_says_why(path: str) -> None:
    with asking(ShownTrader(), token=None) as face:
        assert face.get(path).status_code == 200
        refused = face.get(path, headers={"X-Forwarded-For": "203.0.113.7"})
    assert refused.status_code == 403
    assert "CRYPTO_KEDRO_FACE_TOKEN" in refused.json()["error"]


@pytest.mark.parametrize("path", FIGURES)
def test_given_a_face_on_every_network_then_any_name_is_known_and_figures_need_the_token(path: str) -> None:
    with asking(ShownTrader(), host="0.0.0.0") as face:
        host = {"Host": "trader-abc.a.run.app", "X-Forwarded-For": "203.0.113.7"}
        assert face.get(path, headers=host).status_code == 401
        assert face.get(path).status_code == 401
        assert face.get(path, headers=host | BEARER).status_code == 200
        assert face.get("/", headers=host).status_code == 200


def test_given_a_face_on_every_network_and_allowed_names_then_others_are_refused() -> None:
    with asking(ShownTrader(), host="0.0.0.0", allowed_hosts=(NAME,)) as face:
        assert face.get("/health", headers={"Host": NAME}).status_code == 200
        assert face.get("/health", headers={"Host": "evil.example"}).status_code == 400
