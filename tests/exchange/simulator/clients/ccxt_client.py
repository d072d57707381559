"""ccxt's bitbank as a program: ``ccxt_client.py URL KEY SECRET``, one call a line."""

import json
import sys
from typing import Any

import ccxt


def main(url: str, key: str, secret: str) -> None:
    """Answer every line ``[method, arguments, settings]`` with one line of JSON.

    Each set of settings makes a client of its own; there is no throttle unless they ask for it.
    """
    clients: dict[str, ccxt.bitbank] = {}

    def client(settings: dict[str, Any]) -> ccxt.bitbank:
        name = json.dumps(settings)
        if name not in clients:
            clients[name] = ccxt.bitbank({"apiKey": key, "secret": secret, "enableRateLimit": False} | settings)
            clients[name].urls["api"] = dict.fromkeys(("public", "private", "markets"), url)
        return clients[name]

    for line in sys.stdin:
        method, arguments, settings = json.loads(line)
        try:
            answer = {"result": getattr(client(settings), method)(*arguments)}
        except ccxt.BaseError as error:
            answer = {"error": type(error).__name__, "message": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
