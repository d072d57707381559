"""The face over a real socket: what it tells, whom it lets act, and what it answers when something is wrong."""

import asyncio
import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from msgspec import structs
from serving_faces import BEARER, SECRET, TOKEN, asking, served
from shown_trader import BAR_CLOSE_MS, NOW_MS, CycleBrokenError, ShownTrader, account, decided, status

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.market.bars import MINUTE_MS
from crypto_kedro.serving.face import FaceSettings, FaceToken, serving_face
from crypto_kedro.session.journal import HaltInForce
from crypto_kedro.session.journal.records import Trigger
from crypto_kedro.session.status import CycleSeen
from crypto_kedro.trading.money import Btc

OPEN_PATHS = ("/health", "/ready", "/")
FIGURES = ("/status", "/metrics")
ACTS = ("/tick", "/stop")


@pytest.fixture(scope="module")
def served_trader() -> Iterator[tuple[ShownTrader, httpx.Client]]:
    trader = ShownTrader()
    with asking(trader) as client:
        yield trader, client


@pytest.fixture
def trader(served_trader: tuple[ShownTrader, httpx.Client]) -> ShownTrader:
    """A trader behind a face with a token on loopback, as good as new."""
    served_trader[0].begin_anew(status())
    return served_trader[0]


@pytest.fixture
def face(trader: ShownTrader, served_trader: tuple[ShownTrader, httpx.Client]) -> httpx.Client:
    """A client of the face of `trader`."""
    return served_trader[1]


def cycle(**changes: Any) -> CycleSeen:
    return structs.replace(CycleSeen("c1", Trigger.BAR, NOW_MS - 2_000, NOW_MS - 1_000, 3), **changes)


def test_a_trader_that_works_is_alive_and_ready(face: httpx.Client) -> None:
    assert face.get("/health").json() == {"alive": True}
    answer = face.get("/ready")
    assert answer.status_code == 200
    assert answer.json() == {
        "ready": True,
        "checks": {"data": True, "lease": True, "cycle": True, "pace": True, "account": True, "journal": True},
    }


@pytest.mark.parametrize(
    ("changes", "failing"),
    [
        ({"bar_close_ms": None}, {"data"}),
        ({"bar_close_ms": NOW_MS - 17 * MINUTE_MS - 1}, {"data"}),
        ({"bar_close_ms": NOW_MS + 1}, {"data"}),
        ({"lease_held": False}, {"lease"}),
        ({"last_cycle": None}, {"cycle", "pace"}),
        ({"last_cycle": cycle(error="the exchange is closed for maintenance")}, {"cycle"}),
        ({"last_cycle": cycle(ended_at_ms=NOW_MS - 10 * MINUTE_MS - 1)}, {"pace"}),
        ({"last_cycle": cycle(contradiction="The exchange has lost its state.")}, {"account"}),
    ],
)
def test_a_trader_that_lacks_something_is_not_ready_but_alive(
    face: httpx.Client, trader: ShownTrader, changes: dict[str, Any], failing: set[str]
) -> None:
    trader.shows = status(**changes)
    answer = face.get("/ready")
    assert answer.status_code == 503
    assert {name for name, holds in answer.json()["checks"].items() if not holds} == failing
    assert face.get("/health").status_code == 200


def test_the_limits_of_readiness_themselves_are_ready(face: httpx.Client, trader: ShownTrader) -> None:
    at_the_limits = status(bar_close_ms=NOW_MS - 17 * MINUTE_MS, last_cycle=cycle(ended_at_ms=NOW_MS - 10 * MINUTE_MS))
    trader.shows = at_the_limits
    assert face.get("/ready").status_code == 200


def test_a_halted_trader_is_still_ready_because_it_guards_its_position(face: httpx.Client) -> None:
    face.post("/stop", headers=BEARER, json={"reason": "maintenance"})
    assert face.get("/ready").status_code == 200


def test_a_trader_that_works_on_request_is_ready_before_the_first_and_between_two(
    face: httpx.Client, trader: ShownTrader
) -> None:
    idle = {"on_tick": True, "lease_held": False, "next_wake_ms": None}
    trader.shows = status(**idle, last_cycle=None, bar_close_ms=None, started_at_ms=NOW_MS - 1_000)
    assert face.get("/ready").status_code == 200
    old = cycle(ended_at_ms=NOW_MS - 9 * MINUTE_MS)
    trader.shows = status(**idle, last_cycle=old, bar_close_ms=old.ended_at_ms - 17 * MINUTE_MS)
    assert face.get("/ready").status_code == 200


@pytest.mark.parametrize(
    ("changes", "failing"),
    [
        ({"last_cycle": None, "started_at_ms": NOW_MS - 10 * MINUTE_MS - 1}, {"pace"}),
        (
            {"last_cycle": cycle(ended_at_ms=NOW_MS - 10 * MINUTE_MS - 1), "bar_close_ms": NOW_MS - 15 * MINUTE_MS},
            {"pace"},
        ),
        ({"last_cycle": cycle(error="the lease is held by another process")}, {"cycle"}),
        ({"bar_close_ms": None}, {"data"}),
        ({"bar_close_ms": NOW_MS - 1_000 - 17 * MINUTE_MS - 1}, {"data"}),
    ],
)
def test_a_trader_that_works_on_request_is_not_ready_when_a_request_failed_or_none_comes(
    face: httpx.Client, trader: ShownTrader, changes: dict[str, Any], failing: set[str]
) -> None:
    usual = {"on_tick": True, "lease_held": False, "last_cycle": cycle(), "bar_close_ms": NOW_MS - 2_000}
    trader.shows = status(**usual | changes)
    answer = face.get("/ready")
    assert answer.status_code == 503
    assert {name for name, holds in answer.json()["checks"].items() if not holds} == failing


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, None),
        ({"halted": HaltInForce("hanako", "news", False, NOW_MS), "halt_obeyed": False}, "requested"),
        ({"halted": HaltInForce("hanako", "news", True, NOW_MS)}, "closing"),
        ({"halted": HaltInForce("hanako", "news", False, NOW_MS)}, "in_force"),
    ],
)
def test_the_status_tells_how_far_a_halt_has_come(
    face: httpx.Client, trader: ShownTrader, changes: dict[str, Any], state: str | None
) -> None:
    trader.shows = status(**changes)
    assert face.get("/status").json()["halt_state"] == state


def test_the_status_tells_money_as_text_and_moments_as_milliseconds(face: httpx.Client, trader: ShownTrader) -> None:
    shown = status()
    trader.shows = shown
    told = face.get("/status").json()
    assert shown.account is not None
    held = told["account"]["positions"][0]
    assert Decimal(told["account"]["equity"]) == shown.account.equity.decimal
    assert held["side"] == "long"
    assert held["amount"] == "0.0240"
    assert held["stop"] == str(shown.account.positions[0].stop)
    assert told["bar_close_ms"] == BAR_CLOSE_MS
    assert told["data_age_ms"] == NOW_MS - BAR_CLOSE_MS
    assert told["bars"][-1] == [shown.bars[-1].open_ms, *list(structs.astuple(shown.bars[-1]))[1:]]
    assert told["fills"][0]["executed_at_ms"] == shown.fills[0].executed_at_ms
    assert told["incidents"][0]["severity"] == "warning"
    assert told["ready"] is True


def test_what_is_not_known_is_null_and_never_a_zero(face: httpx.Client, trader: ShownTrader) -> None:
    no_model = status(decision=decided(account(orders=(), amount=Btc(0)), short=float("nan"), long=float("nan")))
    unborn = structs.replace(no_model, account=None, price=None, lineage=None)
    trader.shows = unborn
    told = face.get("/status").json()
    assert told["account"] is told["price"] is told["lineage"] is None
    assert told["decision"]["probabilities"]["long"] is None


def test_the_decision_is_told_in_both_languages(face: httpx.Client) -> None:
    words = face.get("/status").json()["decision_words"]
    assert words["en"].startswith("Holds long 0.0240 BTC: position within its barriers; stop ")
    assert words["ja"].startswith("ロング 0.0240 BTC を保有: 建玉は範囲内。逆指値 ")


def test_a_cycle_is_run_on_request_and_its_report_returned(trader: ShownTrader, face: httpx.Client) -> None:
    assert face.post("/tick", headers=BEARER).json() == {"cycle_id": "c1", "sent": 0, "error": None}
    assert trader.ticks == 1


@pytest.mark.parametrize("flatten", [False, True])
def test_a_stop_reaches_the_trader_with_its_reason(trader: ShownTrader, face: httpx.Client, flatten: bool) -> None:
    answer = face.post("/stop", headers=BEARER, json={"reason": " the news ", "flatten": flatten})
    assert answer.json() == {
        "halted": {"by": "HTTP face", "reason": "the news", "flatten": flatten, "since_ms": NOW_MS}
    }
    assert trader.stops == [{"by": "HTTP face", "reason": "the news", "flatten": flatten}]


def test_a_stop_that_does_not_say_so_keeps_the_position(trader: ShownTrader, face: httpx.Client) -> None:
    face.post("/stop", headers=BEARER, json={"reason": "the news"})
    assert trader.stops[0]["flatten"] is False


@pytest.mark.parametrize(
    ("body", "reason", "flatten"),
    [
        (b"", "none given", False),
        (b"{", "{", False),
        (b"[]", "[]", False),
        (b'{"flatten": true}', "none given", True),
        (b'{"reason": "  "}', "none given", False),
        (b'{"reason": 5, "flatten": "yes"}', "5", False),
        (b'{"reason": "x", "flat": true}', "x", False),
        (b'{"reason": "caf\xe9", "flatten": true}', "caf\ufffd", True),
        (b'{"reason": "\\ud800\\u0000"}', "\ufffd\ufffd", False),
        (b"\x00\xff", "\ufffd\ufffd", False),
        (b'{"reason": "' + b"x" * 301 + b'"}', "x" * 299 + "\N{HORIZONTAL ELLIPSIS}", False),
        (b"x" * 12_000_000, "x" * 299 + "\N{HORIZONTAL ELLIPSIS}", False),
    ],
)
@pytest.mark.parametrize("content_type", [None, "application/json; charset=utf-16", "image/png"])
def test_a_stop_with_any_body_halts(
    trader: ShownTrader, face: httpx.Client, body: bytes, reason: str, flatten: bool, content_type: str | None
) -> None:
    headers = BEARER if content_type is None else {**BEARER, "Content-Type": content_type}
    answer = face.post("/stop", headers=headers, content=body)
    assert answer.status_code == 200
    assert answer.json()["halted"]["reason"] == reason
    assert trader.stops == [{"by": "HTTP face", "reason": reason, "flatten": flatten}]


def test_a_stop_whose_body_is_cut_off_halts(trader: ShownTrader, face: httpx.Client) -> None:
    with socket.create_connection((face.base_url.host, face.base_url.port)) as client:
        client.sendall(f"POST /stop HTTP/1.1\r\nHost: localhost\r\nX-Face-Token: {SECRET}\r\n".encode())
        client.sendall(b"Content-Length: 100\r\n\r\nnews at ni")
    assert trader.stopped.wait(timeout=10)
    assert trader.stops == [{"by": "HTTP face", "reason": "news at ni", "flatten": False}]


@pytest.mark.parametrize("path", ACTS)
@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer"}, {"Authorization": SECRET}, {"Authorization": f"Bearer {SECRET}x"},
     {"Authorization": f"Basic {SECRET}"}, {"X-Face-Token": SECRET[:-1]}, {"X-Face-Token": ""}],
)  # fmt: skip
def test_nobody_acts_without_the_token(
    trader: ShownTrader, face: httpx.Client, path: str, headers: dict[str, str]
) -> None:
    answer = face.post(path, headers=headers, json={"reason": "x"})
    assert answer.status_code == 401
    assert trader.ticks == 0
    assert trader.stops == []


def test_the_token_may_come_in_a_header_of_its_own_beside_another_authorization(
    trader: ShownTrader, face: httpx.Client
) -> None:
    headers = {"Authorization": "Bearer of-the-cloud", "X-Face-Token": SECRET}
    assert face.post("/tick", headers=headers).status_code == 200
    assert trader.ticks == 1


@pytest.mark.parametrize("path", ACTS)
def test_a_face_without_a_token_lets_nobody_act_and_says_how_to_set_one(path: str) -> None:
    trader = ShownTrader()
    with asking(trader, token=None) as face:
        answer = face.post(path, headers=BEARER, json={"reason": "x"})
        assert face.get("/status").json()["takes_orders"] is False
    assert answer.status_code == 403
    assert "CRYPTO_KEDRO_FACE_TOKEN" in answer.json()["error"]
    assert trader.stops == []


def test_the_code_of_a_link_is_exchanged_once_for_the_token(trader: ShownTrader) -> None:
    code = FaceToken.generated()
    with asking(trader, link_code=code) as face:
        assert face.post("/stop", headers={"X-Face-Token": code.secret}).status_code == 401
        assert face.post("/token", headers=BEARER).status_code == 401
        assert face.post("/token").status_code == 401
        first, second = (face.post("/token", headers={"X-Face-Token": code.secret}) for _ in range(2))
        assert first.json() == {"token": SECRET}
        assert first.headers["cache-control"] == "no-store"
        assert second.status_code == 410
        assert "used before" in second.json()["error"]
        assert face.post("/stop", headers={"X-Face-Token": first.json()["token"]}).status_code == 200


def test_a_configured_token_has_no_link(face: httpx.Client) -> None:
    assert face.post("/token", headers=BEARER).status_code == 404


@pytest.mark.parametrize("path", FIGURES)
def test_figures_are_hidden_where_reading_is_not_open(path: str) -> None:
    with asking(ShownTrader(), open_reading=False) as face:
        assert face.get(path).status_code == 401
        assert face.get(path, headers=BEARER).status_code == 200
        assert [face.get(free).status_code for free in OPEN_PATHS] == [200, 200, 200]


def test_what_is_open_without_the_token_tells_nothing_of_the_account() -> None:
    shown = status()
    assert shown.account is not None
    with asking(ShownTrader(shown), open_reading=False) as face:
        answers = [face.get(path).text for path in OPEN_PATHS]
    assert not any(text in answer for answer in answers for text in (str(shown.account.equity), shown.session_id))


def test_a_cycle_that_is_broken_off_is_answered_with_its_sentence(trader: ShownTrader, face: httpx.Client) -> None:
    trader.breaks = CycleBrokenError("bitbank: the exchange is closed for maintenance until 12:00; wait")
    answer = face.post("/tick", headers=BEARER)
    assert answer.status_code == 503
    assert answer.json() == {"error": "bitbank: the exchange is closed for maintenance until 12:00; wait"}


def test_an_unforeseen_error_tells_the_log_and_not_the_caller(
    trader: ShownTrader, face: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    trader.breaks = ZeroDivisionError("a detail of the inside")
    answer = face.post("/tick", headers=BEARER)
    assert face.get("/health").status_code == 200
    assert answer.status_code == 500
    assert "detail" not in answer.text
    assert "a detail of the inside" in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [("GET", "/stop", 405), ("GET", "/tick", 405), ("POST", "/status", 405), ("GET", "/page/../settings.py", 404),
     ("GET", "/page/__init__.py", 404), ("GET", "/nothing", 404)],
)  # fmt: skip
def test_what_is_not_there_is_refused_in_json(face: httpx.Client, method: str, path: str, code: int) -> None:
    answer = face.request(method, path, headers=BEARER)
    assert answer.status_code == code
    assert answer.json()["error"].startswith(f"{method} /")


@pytest.mark.parametrize("path", [*OPEN_PATHS, *FIGURES, "/page/app.js", "/nothing", "/tick"])
def test_every_answer_forbids_foreign_scripts_frames_and_sniffing(face: httpx.Client, path: str) -> None:
    headers = face.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_figures_are_never_kept_and_parts_of_the_page_only_while_they_are_current(face: httpx.Client) -> None:
    assert face.get("/status").headers["cache-control"] == "no-store"
    first = face.get("/page/app.js")
    again = face.get("/page/app.js", headers={"If-None-Match": first.headers["etag"]})
    assert first.headers["cache-control"] == "no-cache"
    assert (again.status_code, again.content) == (304, b"")


def test_the_token_shows_neither_in_a_log_nor_in_a_repr(trader: ShownTrader, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with asking(trader) as face:
        face.post("/stop", headers={"Authorization": "Bearer wrong-one"}, json={"reason": "x"})
        face.post("/stop", headers=BEARER, json={"reason": "x"})
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("crypto_kedro")]
    assert ours == ["face: a wrong token came with POST /stop"]
    assert SECRET not in repr(FaceSettings(token=None)) + repr(trader.stops)


async def _open_and_close(settings: FaceSettings) -> str:
    async with serving_face(ShownTrader(), settings) as address:
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{address}/health")).status_code == 200
        return address


def test_the_face_leaves_the_signals_of_the_process_alone_and_frees_its_port() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)

    async def watched() -> None:
        async with serving_face(ShownTrader(), FaceSettings(port=0)):
            assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == during

    async def opened() -> None:
        nonlocal during
        during = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        await watched()
        address = await _open_and_close(FaceSettings(port=0))
        port = int(address.rsplit(":", 1)[1])
        await _open_and_close(FaceSettings(port=port))

    during = before
    asyncio.run(opened())
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


class SlowTrader(ShownTrader):
    """A trader whose cycle goes on until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.let_go = asyncio.Event(), asyncio.Event()

    async def tick(self) -> dict[str, Any]:
        self.begun.set()
        await self.let_go.wait()
        self.ticks += 1
        return {}


def test_a_cycle_that_runs_while_the_face_is_closed_comes_to_its_own_end() -> None:
    async def closed_during_a_cycle() -> int:
        trader = SlowTrader()
        async with httpx.AsyncClient(headers=BEARER) as client:
            async with serving_face(trader, FaceSettings(port=0, token=TOKEN)) as address:
                asking = asyncio.create_task(client.post(f"{address}/tick"))
                await trader.begun.wait()
            await asyncio.gather(asking, return_exceptions=True)
            trader.let_go.set()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return trader.ticks

    assert asyncio.run(closed_during_a_cycle()) == 1


def test_a_port_that_is_taken_is_an_error_that_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{port} cannot be used"):
            asyncio.run(_open_and_close(FaceSettings(port=port)))


def test_two_faces_serve_two_traders_side_by_side() -> None:
    first, second = ShownTrader(), ShownTrader(status(environment="live"))
    with served(first) as one, served(second) as other:
        assert httpx.get(f"{one}/status").json()["environment"] == "paper"
        assert httpx.get(f"{other}/status").json()["environment"] == "live"


def test_the_face_needs_no_library_of_research() -> None:
    heavy = "pandas sklearn lightgbm xgboost mlflow matplotlib kedro rich"
    program = (
        "import sys, crypto_kedro.serving.face\n"
        f"found = [name for name in {heavy.split()} if name in sys.modules]\n"
        "sys.exit(', '.join(found) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
