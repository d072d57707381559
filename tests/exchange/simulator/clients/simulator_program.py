"""A simulator without limits as a program: it has a day of trades behind it and then moves by its switchboard alone."""

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from served import PRICE, UNLIMITED

from crypto_kedro.exchange.simulator.faults import Faults
from crypto_kedro.exchange.simulator.launch import launch
from crypto_kedro.exchange.simulator.price_source import ScriptSource
from crypto_kedro.exchange.simulator.running import RunningExchange
from crypto_kedro.trading.orders import Side
from crypto_kedro.trading.quotes import TradePrint

MIDNIGHT_MS, MINUTE_MS, MINUTES = 1_779_840_000_000, 60_000, 25 * 60  # 2026-05-27 UTC


def a_day_of_trades() -> list[TradePrint]:
    """A trade a minute at prices that wander."""
    draw = random.Random(5)
    trades, price = [], PRICE
    for minute in range(MINUTES):
        price += draw.randrange(-5_000, 5_001)
        side = draw.choice((Side.BUY, Side.SELL))
        trades.append(TradePrint(MIDNIGHT_MS + minute * MINUTE_MS, price, draw.randrange(1, 5_000), side))
    return trades


def main() -> None:
    """Serve until asked to stop."""
    running = RunningExchange(ScriptSource(a_day_of_trades(), MIDNIGHT_MS, PRICE), UNLIMITED)
    running.clock.step(MINUTES * MINUTE_MS)
    launch(running, 0, 0, lambda line: print(line, flush=True), Faults())  # noqa: T201


if __name__ == "__main__":
    main()
