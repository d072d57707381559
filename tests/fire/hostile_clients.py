"""Strangers at the page of a session: they take connections, send without an end, and read nothing."""

import contextlib
import json
import resource
import socket
import threading
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from trader_process import PATIENCE_S, TraderProcess

_FILES = 1_024
_IDLE = 1_100
_TIMEOUT_S = 5.0
_KINDS = ("idle", "endless header", "pipelining", "wrong tokens")
_MOST_GROWTH_KB = 150_000


class Crowd:
    """Clients of one kind for as long as this is open.

    Args:
        kind: one of `_KINDS`.
        address: of the page.
        memory_kb: that the trader had taken before.
    """

    def __init__(self, kind: str, address: tuple[str, int], memory_kb: int) -> None:
        self.kind = kind
        self._address = address
        self._memory_kb = memory_kb
        self._is_over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []

    @classmethod
    def number(cls, number: int, trader: TraderProcess) -> Self:
        """Return one kind after the other, at the page of a trader whose files are limited as usual."""
        hard = resource.prlimit(trader.pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(trader.pid, resource.RLIMIT_NOFILE, (_FILES, hard))
        page = trader.page
        assert page is not None, "the page is not served"
        return cls(_KINDS[number % len(_KINDS)], page, _memory_kb(trader))

    def check(self, trader: TraderProcess) -> None:
        """Make sure that the trader's memory has not grown, and that its page answers once the crowd is gone."""
        grown = _memory_kb(trader) - self._memory_kb
        assert grown < _MOST_GROWTH_KB, f"{self.kind}: the trader grew by {grown} kB"
        self._leave()
        host, port = self._address
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{host}:{port}/health", timeout=5) as ok:
                json.load(ok)
                return
            assert time.monotonic() < deadline, f"{self.kind}: the page does not answer any more"
            time.sleep(0.1)

    def __enter__(self) -> Self:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * _FILES)), hard))
        if self.kind == "idle":
            for _ in range(_IDLE):
                with contextlib.suppress(OSError):
                    self._sockets.append(socket.create_connection(self._address, _TIMEOUT_S))
            return self
        self._threads = [threading.Thread(target=self._pester, daemon=True) for _ in range(4)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._leave()

    def _leave(self) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()
        for one in self._sockets:
            one.close()
        self._threads, self._sockets = [], []

    def _pester(self) -> None:
        start, more = _LINES[self.kind]
        while not self._is_over.is_set():
            with contextlib.suppress(OSError), socket.create_connection(self._address, 1.0) as one:
                one.sendall(start)
                while not self._is_over.wait(0.001):
                    one.sendall(more)


_LINES = {
    "endless header": (b"GET / HTTP/1.1\r\nHost: here\r\nX-Long: ", b"x" * 65_536),
    "pipelining": (b"", b"GET /status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 100),
    "wrong tokens": (
        b"",
        b"POST /stop HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Face-Token: wrong\r\nContent-Length: 0\r\n\r\n",
    ),
}


def _memory_kb(trader: TraderProcess) -> int:
    status = Path("/proc", str(trader.pid), "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
