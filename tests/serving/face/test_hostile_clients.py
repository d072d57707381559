"""Clients that take all they can from a real process: its trader, its memory and its log stay within bounds."""

import contextlib
import json
import resource
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from serving_faces import BEARER, SECRET

PROCESS = Path(__file__).with_name("besieged_process.py")
LIMIT_S = 30
GROWTH_KB = 6 * 1024
HEAD = b"GET /status HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = b"POST /tick HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
STOP = f"POST /stop HTTP/1.1\r\nHost: localhost\r\nX-Face-Token: {SECRET}\r\n".encode()


class Besieged:
    """The process of a trader, seen from outside."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log
        began = self._read()
        self.address: str = began["address"]
        self.connections: int = began["connections"]
        url = urlsplit(self.address)
        self._at = (url.hostname, url.port)

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, self.log()
        return json.loads(line)

    def ask(self, line: str = "report") -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()
        return self._read()

    def log(self) -> str:
        return self._log.read_text()

    def connect(self) -> socket.socket:
        client = socket.create_connection(self._at, timeout=LIMIT_S)
        client.settimeout(LIMIT_S)
        return client

    def stop(self) -> httpx.Response:
        return httpx.post(f"{self.address}/stop", headers=BEARER, json={"reason": "flood"}, timeout=LIMIT_S)


@contextmanager
def besieged(folder: Path, *, descriptors: int = 1024, works: bool = False, **bounds: Any) -> Iterator[Besieged]:
    log = folder / "log"
    with socket.create_server(("127.0.0.1", 0)) as exchange, log.open("wb") as stderr:
        told = {
            "folder": str(folder),
            "exchange_port": exchange.getsockname()[1],
            "descriptors": descriptors,
            "works": works,
            "bounds": bounds,
        }
        process = subprocess.Popen(
            [sys.executable, PROCESS, json.dumps(told)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
        )  # fmt: skip
        exchange.listen(4096)
        with process:
            try:
                yield Besieged(process, log)
                assert process.stdin is not None
                process.stdin.close()
                assert process.wait(LIMIT_S) == 0, log.read_text()
            finally:
                process.kill()


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    """A process whose clients have half a second; whatever they do, its log has a line for each kind of it at most."""
    with besieged(tmp_path_factory.mktemp("quick"), client_s=0.5, idle_s=1) as trader:
        assert trader.stop().status_code == 200
        yield trader
        assert trader.stop().status_code == 200
        lines = trader.log().splitlines()
        assert len(lines) == len(set(lines)) <= 5
        assert "Traceback" not in trader.log()


@pytest.fixture(scope="module", autouse=True)
def many_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < end
        select.select([], [], [], 0.01)


def is_closed(client: socket.socket) -> bool:
    """Read what has come; return whether the server has closed the connection."""
    client.setblocking(False)
    try:
        while client.recv(1 << 16):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def send_all(client: socket.socket, chunk: bytes, count: int) -> int:
    """Send a chunk again and again, and read nothing, until the server closes; return the bytes that it took."""
    sent = 0
    with contextlib.suppress(OSError):
        for _ in range(count):
            client.sendall(chunk)
            sent += len(chunk)
    return sent


@pytest.mark.parametrize(("descriptors", "count"), [(128, 160), pytest.param(1_024, 1_100, marks=pytest.mark.slow)])
def test_idle_connections_leave_descriptors_to_the_trader(tmp_path: Path, descriptors: int, count: int) -> None:
    with besieged(tmp_path, descriptors=descriptors, works=True) as trader, ExitStack() as stack:
        until(lambda: trader.ask()["rounds"] > 0)
        before = trader.ask()
        clients = [stack.enter_context(trader.connect()) for _ in range(count)]
        until(lambda: sum(map(is_closed, clients)) >= len(clients) - trader.connections)
        until(lambda: trader.ask()["rounds"] > before["rounds"] + 3)
        assert trader.stop().status_code == 200
        report = trader.ask()
        assert report["failures"] == []
        assert report["descriptors"] <= before["descriptors"] + trader.connections + 8 < descriptors
        assert report["longest_pause_s"] < 2
        assert report["stops"][0]["reason"] == "flood"
        assert len(trader.log().splitlines()) <= 2


@pytest.mark.parametrize(
    "begin",
    [HEAD + b"X-Endless: ", b"GET /", b"", HEAD + b"\r\n", CHUNKED + b"1;", CHUNKED + b"0\r\nX-Endless: "],
    ids=["header", "path", "method", "second request", "chunk", "trailer"],
)
def test_an_endless_line_is_cut_off(quick: Besieged, begin: bytes) -> None:
    before = quick.ask()["peak_kb"]
    with quick.connect() as client:
        client.sendall(begin)
        assert send_all(client, b"a" * 65_536, 3_200) < 16 * 1024 * 1024
        until(lambda: is_closed(client))
    assert quick.ask()["peak_kb"] - before < GROWTH_KB


def test_endless_header_fields_are_cut_off(quick: Besieged) -> None:
    fields = b"".join(b"X-%d: y\r\n" % number for number in range(4_000))
    with quick.connect() as client:
        client.sendall(HEAD)
        assert send_all(client, fields, 3_200) < 4 * 1024 * 1024
        until(lambda: is_closed(client))


def test_an_endless_body_is_cut_off(quick: Besieged) -> None:
    before = quick.ask()["peak_kb"]
    with quick.connect() as client:
        client.sendall(b"POST /tick HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n")
        assert send_all(client, b"a" * 65_536, 3_200) < 32 * 1024 * 1024
        until(lambda: is_closed(client))
    assert quick.ask()["peak_kb"] - before < GROWTH_KB


@pytest.mark.parametrize("count", [1, pytest.param(100, marks=pytest.mark.slow)])
def test_clients_that_send_requests_and_never_read_are_dropped(tmp_path: Path, count: int) -> None:
    with besieged(tmp_path, client_s=1) as trader, ExitStack() as stack:
        httpx.get(f"{trader.address}/status")
        before = trader.ask()
        clients = [stack.enter_context(trader.connect()) for _ in range(count)]
        with ThreadPoolExecutor(count) as threads:
            for client in clients:
                threads.submit(send_all, client, (HEAD + b"\r\n") * 1_000, 2_000)
            assert trader.stop().status_code == 200
        until(lambda: trader.ask()["descriptors"] <= before["descriptors"])
        assert trader.ask()["peak_kb"] - before["peak_kb"] < GROWTH_KB + 256 * count


def test_a_client_that_never_reads_a_few_answers_is_dropped(quick: Besieged) -> None:
    before = quick.ask()["descriptors"]
    with quick.connect() as client:
        client.sendall((HEAD + b"\r\n") * 500)
        until(lambda: "neither sent nor read" in quick.log())
        until(lambda: quick.ask()["descriptors"] <= before)


@pytest.mark.parametrize(
    ("begin", "rest"),
    [
        (HEAD + b"X-Slow: ", b"a"),
        (HEAD, b"\n"),
        (b"", b"\n"),
        (b"POST /tick HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n", b"a"),
        (CHUNKED, b"1\r\na\r\n"),
    ],
    ids=["header", "fields", "blank lines", "refused body", "chunks"],
)
def test_a_client_that_sends_byte_by_byte_is_dropped(quick: Besieged, begin: bytes, rest: bytes) -> None:
    with quick.connect() as client:
        client.sendall(begin)

        def dribbled() -> bool:
            with contextlib.suppress(OSError):
                client.send(rest)
            return is_closed(client)

        until(dribbled)


def test_a_stop_that_comes_byte_by_byte_halts_when_its_time_is_over(quick: Besieged) -> None:
    before = len(quick.ask()["stops"])
    with quick.connect() as client:
        client.sendall(STOP + b"Content-Length: 9999\r\n\r\nslow")
        until(lambda: is_closed(client))
    assert [stop["reason"] for stop in quick.ask()["stops"][before:]] == ["slow"]


@pytest.mark.parametrize("begin", [b"", HEAD + b"\r\n"], ids=["new", "after an answer"])
def test_an_idle_connection_is_closed(quick: Besieged, begin: bytes) -> None:
    with quick.connect() as client:
        client.sendall(begin)
        until(lambda: is_closed(client))


def test_wrong_tokens_fill_no_log_and_keep_nobody_from_stopping(tmp_path: Path) -> None:
    with besieged(tmp_path, works=True, log_every_s=1) as trader:
        began = time.monotonic()
        with httpx.Client(base_url=trader.address, headers={"X-Face-Token": "wrong"}, timeout=LIMIT_S) as client:
            codes = [client.post("/stop").status_code for _ in range(400)]
        assert trader.stop().status_code == 200
        until(lambda: "times more" in trader.log())
        assert len(trader.log().splitlines()) <= 2 + time.monotonic() - began
        report = trader.ask()
    assert codes == [401] * 30 + [429] * 370
    assert len(report["stops"]) == 1
    assert report["failures"] == []


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        CHUNKED + b"zz\r\n",
        HEAD + b"\r\n" + b"rubbish\r\n\r\n",
        HEAD + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n\r\n\xff\xff",
        b"POST /stop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"GET /%ff%00%0a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n",
        STOP + b"Content-Length: 9\r\n\r\nab",
        b"OPTIONS * HTTP/1.0\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: [\xff\r\nX-Forwarded-For: [::\r\n\r\n",
    ],
)
def test_rubbish_is_refused(quick: Besieged, rubbish: bytes) -> None:
    for _ in range(30):
        with quick.connect() as client:
            client.sendall(rubbish)
            client.shutdown(socket.SHUT_WR)
    assert httpx.get(f"{quick.address}/health").status_code == 200


def test_a_process_without_descriptors_accepts_again_once_it_has_some(tmp_path: Path) -> None:
    with besieged(tmp_path, descriptors=64) as trader:
        trader.ask("exhaust")
        with ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(trader.connect())
            until(lambda: "cannot be accepted" in trader.log())
            assert len(trader.log().splitlines()) == 1
        trader.ask("release")
        assert trader.stop().status_code == 200


@pytest.mark.parametrize("path", ["/status/", "/stop/", "//evil.example/"])
def test_no_path_is_redirected(quick: Besieged, path: str) -> None:
    with quick.connect() as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 404 ")
