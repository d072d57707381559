"""ccxt's bitbank as a process, and the order that tests of it place most."""

import sys
from typing import Any

from foreign import CLIENTS, ForeignClient, Simulator, Truth
from served import KEY, SECRET

SYMBOL = "BTC/JPY"


def started(simulator: Simulator) -> ForeignClient:
    """Start ccxt, which signs by time window unless a call's settings say otherwise."""
    return ForeignClient([sys.executable, str(CLIENTS / "ccxt_client.py"), simulator.url, KEY, SECRET])


def resting(client: ForeignClient, truth: Truth, amount: float = 0.01, **settings: Any) -> dict[str, Any]:
    """An order far below the market."""
    terms = (SYMBOL, "limit", "buy", amount, truth.last_price() // 2)
    order: dict[str, Any] = client.call("createOrder", *terms, **settings).result
    return order
