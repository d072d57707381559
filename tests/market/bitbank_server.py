"""A local HTTP server that answers candle requests in bitbank's format."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from crypto_kedro.market.bars import DAY_MS, MINUTE_MS
from crypto_kedro.market.moments import day_start_ms

Answer = tuple[int, str]


def candles_answer(day: date, minutes: int = 1_440, *, forming: bool = False) -> Answer:
    """Return a whole day, or its first minutes, as the exchange words it."""
    start = day_start_ms(day)
    rows: list[list[Any]] = [
        ["1000000", "1000010", "999990", "1000005", "0.1234", start + k * MINUTE_MS] for k in range(minutes)
    ]
    if forming:
        rows.append(["1000005", "1000005", "1000005", "1000005", "0.0000", start + minutes * MINUTE_MS])
    return envelope({"candlestick": [{"type": "1min", "ohlcv": rows}], "timestamp": start + DAY_MS})


def envelope(data: dict[str, Any], status: int = 200) -> Answer:
    """Return data of a successful answer."""
    return status, json.dumps({"success": 1, "data": data})


def error(code: int, status: int = 200) -> Answer:
    """Return an error of the exchange."""
    return status, json.dumps({"success": 0, "data": {"code": code}})


class BitbankServer:
    """Answers each day from a script of answers; the last one of a day repeats. A day without script is whole."""

    def __init__(self) -> None:
        self.scripts: dict[date, list[Answer]] = {}
        self.requests: list[date] = []
        self.on_request: Callable[[date], None] | None = None
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = server.answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def answer(self, path: str) -> Answer:
        """Return what the exchange says to a path."""
        prefix = "/btc_jpy/candlestick/1min/"
        if not path.startswith(prefix):
            return error(10000, 404)
        digits = path.removeprefix(prefix)
        day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
        self.requests.append(day)
        if self.on_request:
            self.on_request(day)
        script = self.scripts.get(day, [candles_answer(day)])
        return script.pop(0) if len(script) > 1 else script[0]

    def counts(self) -> Counter[date]:
        """Return how often each day was asked for."""
        return Counter(self.requests)

    def close(self) -> None:
        """Stop serving."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
