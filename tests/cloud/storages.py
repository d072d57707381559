"""A storage that honours preconditions, served on loopback, and a wire to it that can fail."""

import socket
import subprocess
import threading
from typing import Any

import requests
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client
from requests.adapters import HTTPAdapter

from crypto_kedro.session.lease import LeaseTerms

BUCKET = "traders"

TERMS = LeaseTerms(ttl_ms=60_000, margin_ms=7_000, renew_every_ms=15_000)
_PATIENCE_S = 60.0


class Wire(HTTPAdapter):
    """Carries requests to the storage.

    Attributes:
        is_cut: nothing arrives.
        loses_answers: everything arrives, no answer comes back.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_cut = False
        self.loses_answers = False

    def send(self, *arguments: Any, **more: Any) -> requests.Response:
        if self.is_cut:
            raise requests.ConnectionError("the wire is cut")
        answer = super().send(*arguments, **more)
        if self.loses_answers:
            raise requests.ReadTimeout("the answer was lost")
        return answer


class Storage:
    """An emulator of Google Cloud Storage in a process of its own."""

    def __init__(self, binary: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        self.url = f"http://127.0.0.1:{port}"
        options = ["-backend", "memory", "-scheme", "http", "-host", "127.0.0.1", "-port", port]
        self._process = subprocess.Popen(
            [binary, *options, "-external-url", self.url], stderr=subprocess.PIPE, text=True
        )
        started = threading.Event()
        # It says a line of each request, and stands still once nobody reads them.
        threading.Thread(target=self._listen, args=(started,), daemon=True).start()
        assert started.wait(_PATIENCE_S), "the storage did not start"

    def client(self, wire: Wire | None = None) -> Client:
        """Connect to it as another process would."""
        client = Client(project="test", credentials=AnonymousCredentials(), client_options={"api_endpoint": self.url})
        client._http.mount("http://", wire or Wire())
        return client

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def _listen(self, started: threading.Event) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                if "server started" in line:
                    started.set()


class SteadyClock:
    """Milliseconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_ms = 5_000_000

    def __call__(self) -> int:
        return self.now_ms
