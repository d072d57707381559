"""A local HTTP server that plays one scripted answer after the other and writes down what it was sent."""

import json
import socket
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CUT = "cut"
"""Take the request and close the connection without an answer."""
HALF = "half"
"""Send half of the announced answer and close the connection."""


@dataclass(frozen=True)
class Sent:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def target(self) -> str:
        """Method and path without the query."""
        return f"{self.method} {self.path.partition('?')[0]}"

    @property
    def json(self) -> dict[str, Any]:
        """The body's object."""
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded


Step = str | tuple[int, str]


def data(**fields: Any) -> Step:
    """A successful answer."""
    return 200, json.dumps({"success": 1, "data": fields})


def error(code: int, status: int = 200) -> Step:
    """An error of the exchange."""
    return status, json.dumps({"success": 0, "data": {"code": code}})


class WireServer:
    """Answers each ``METHOD /path`` from its own script; the last answer of a script repeats.

    Attributes:
        headers: more headers of every answer.
    """

    def __init__(self) -> None:
        self.scripts: dict[str, list[Step]] = {}
        self.sent: list[Sent] = []
        self.headers: dict[str, str] = {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                server._handle(self)

            def do_POST(self) -> None:
                server._handle(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def on(self, target: str, *steps: Step) -> None:
        """Script the answers of one target."""
        self.scripts[target] = list(steps)

    def targets(self) -> list[str]:
        """Return what was asked for, in order."""
        return [sent.target for sent in self.sent]

    def close(self) -> None:
        """Stop serving."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        sent = Sent(handler.command, handler.path, dict(handler.headers), body)
        self.sent.append(sent)
        script = self.scripts.get(sent.target, [error(10000, 404)])
        step = script.pop(0) if len(script) > 1 else script[0]
        if step == CUT:
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        status, text = (200, '{"success":1,"data":{"orders":[]}}') if step == HALF else step
        handler.send_response(int(status))
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(text.encode())))
        for name, value in self.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(text.encode()[: len(text) // 2] if step == HALF else text.encode())
        handler.close_connection = step == HALF
