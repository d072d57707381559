"""``kedro run --env live`` as a process, the face that it serves, and a webhook that it tells."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from live_project import KEDRO

PATIENCE_S = 600.0
_SECRETS = ("BITBANK_API_KEY", "BITBANK_API_SECRET", "CRYPTO_KEDRO_FACE_TOKEN", "DISCORD_WEBHOOK_URL")


def environment() -> dict[str, str]:
    """Return this process's environment without secrets."""
    return {**{name: value for name, value in os.environ.items() if name not in _SECRETS}, "COLUMNS": "300"}


def run_live(project: Path, parameters: str) -> subprocess.CompletedProcess[str]:
    """Run a session that is expected to end by itself."""
    return subprocess.run(
        [KEDRO, "run", "--env", "live", "--params", parameters],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


class LiveProcess:
    """A session that trades until it is signalled; the face's address is known once it has begun."""

    def __init__(self, project: Path, parameters: str) -> None:
        self.said = ""
        self._process = subprocess.Popen(
            [KEDRO, "run", "--env", "live", "--params", parameters],
            cwd=project,
            env={**environment(), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.address = self._until(r"Dashboard at (http://\S+)")
        # A pipe that is not read would stop the session once it is full.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def ask(self, path: str, token: str | None = None, *, post: bool = False) -> tuple[int, Any]:
        """Ask the face; return status and answer."""
        headers = {} if token is None else {"X-Face-Token": token}
        request = Request(f"{self.address}{path}", data=b"" if post else None, headers=headers)
        try:
            with urlopen(request, timeout=PATIENCE_S) as answer:
                return answer.status, json.load(answer)
        except HTTPError as refused:
            return refused.code, json.load(refused)

    def terminate(self) -> int:
        """Send SIGTERM, wait for the end and return the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end and return the exit code."""
        code = self._process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return code

    def kill(self) -> None:
        """End it whatever it does."""
        self._process.kill()
        self._process.wait()

    def _until(self, pattern: str) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said += line
            found = re.search(pattern, line)
            if found:
                return found.group(1)
        raise AssertionError(self.said)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said += line


@contextmanager
def live_process(project: Path, parameters: str) -> Iterator[LiveProcess]:
    """Start a session, and leave none behind."""
    process = LiveProcess(project, parameters)
    try:
        yield process
    finally:
        process.kill()


def told_within(process: LiveProcess, token: str, sent: int) -> Mapping[str, Any]:
    """Let cycle after cycle run until so much was sent, and return the status then."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        process.ask("/tick", token, post=True)
        _, status = process.ask("/status")
        if status["counts"]["sent"] >= sent:
            return dict(status)
    raise AssertionError(process.said)


@dataclass(slots=True)
class Webhook:
    """An address that takes messages; ``paths`` are those that were posted to, ``bodies`` what was posted."""

    url: str
    paths: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)


@contextmanager
def webhook(path: str) -> Iterator[Webhook]:
    """Take messages on this machine."""
    taken = Webhook("")

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            taken.paths.append(self.path.partition("?")[0])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    taken.url = f"http://127.0.0.1:{server.server_port}{path}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield taken
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
