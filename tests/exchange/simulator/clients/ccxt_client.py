"""ccxt's bitbank as a program: ``ccxt_client.py URL SETTINGS`` with settings in JSON, one call a line."""

import json
import sys

import ccxt


def main(url: str, settings: str) -> None:
    """Answer every line ``[method, arguments]`` with one line of JSON."""
    exchange = ccxt.bitbank(json.loads(settings))
    exchange.urls["api"] = dict.fromkeys(("public", "private", "markets"), url)
    for line in sys.stdin:
        method, arguments = json.loads(line)
        try:
            answer = {"result": getattr(exchange, method)(*arguments)}
        except ccxt.BaseError as error:
            answer = {"error": type(error).__name__, "message": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
