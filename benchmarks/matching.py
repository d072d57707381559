"""Time the bare matching engine: 1,000,000 one-minute bars, long/short on an SMA 20/100 cross, ATR stop and target.

Run with ``python benchmarks/matching.py [bars]``; no decision core is involved, so this is the engine's own share.
"""

import sys
import time

import numpy as np

from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.exchange.matching import MatchingEngine
from crypto_kedro.exchange.settings import EngineSettings
from crypto_kedro.market.bars import MINUTE_MS, Bars, FloatArray, IntArray
from crypto_kedro.market.costs import FeeRates
from crypto_kedro.trading.bitbank_rules import bitbank_btc_jpy_schedule
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.orders import Order, OrderRequest, OrderType, PositionSide, Refusal

STOP_ATR = 2
TARGET_ATR = 3
AMOUNT = Btc(100)
RATES = (FeeRates(since_ms=0, maker=0.0012, taker=0.0012, interest_per_day=0.0004),)


def random_bars(count: int, seed: int) -> Bars:
    """Build a random walk of one-minute bars in whole ticks."""
    random = np.random.default_rng(seed)
    close = np.rint(5_000_000 * np.exp(np.cumsum(random.normal(0, 0.0006, count))))
    opened = np.concatenate(([5_000_000.0], close[:-1]))
    reach = np.rint(np.abs(random.normal(0, 0.0004, (2, count))) * close)
    return Bars(
        MINUTE_MS,
        np.arange(count, dtype=np.int64) * MINUTE_MS,
        opened,
        np.maximum(opened, close) + reach[0],
        np.maximum(np.minimum(opened, close) - reach[1], 1),
        close,
        random.exponential(2.0, count),
        np.zeros(count, dtype=np.int64),
    )


def crossings(close: FloatArray) -> tuple[IntArray, IntArray]:
    """Return the bars at whose close SMA 20 crosses SMA 100, and the direction of each crossing (1 or -1)."""
    total = np.concatenate(([0.0], np.cumsum(close)))
    above = np.zeros(close.size, dtype=np.int64)
    above[99:] = np.sign((total[100:] - total[80:-20]) / 20 - (total[100:] - total[:-100]) / 100)
    at = np.flatnonzero((above[1:] != above[:-1]) & (above[1:] != 0)) + 1
    return at, above[at]


def average_range(bars: Bars) -> IntArray:
    """Return the 14-bar mean of the true range in whole ticks."""
    previous = np.concatenate((bars.open[:1], bars.close[:-1]))
    spread = np.maximum(bars.high, previous) - np.minimum(bars.low, previous)
    total = np.concatenate(([0.0], np.cumsum(spread)))
    mean = np.full(spread.size, 1.0)
    mean[13:] = (total[14:] - total[:-14]) / 14
    return np.maximum(np.rint(mean), 1).astype(np.int64)


def accepted(answer: Order | Refusal) -> Order:
    """Return the order of an answer.

    Raises:
        RuntimeError: the engine refused it.
    """
    if isinstance(answer, Refusal):
        raise RuntimeError(f"refused with {answer.code}: {answer.detail}")
    return answer


def protect(engine: MatchingEngine, side: PositionSide, entry: int, atr: int) -> None:
    """Send stop and target of a position that has just been opened."""
    sign = 1 if side is PositionSide.LONG else -1
    for kind, distance in ((OrderType.STOP, -STOP_ATR * atr), (OrderType.TAKE_PROFIT, TARGET_ATR * atr)):
        trigger = Price(entry + sign * distance)
        request = OrderRequest(
            side=side.closing_side, type=kind, amount=AMOUNT, trigger_price=trigger, position_side=side
        )
        if isinstance(engine.place(request), Refusal):
            engine.place(OrderRequest(side=side.closing_side, type=OrderType.MARKET, amount=AMOUNT, position_side=side))
            return


def trade(engine: MatchingEngine, feed: BarFeed, at: IntArray, direction: IntArray, atr: IntArray) -> int:
    """Trade every crossing through the engine, reversing on the opposite one; return the number of round trips.

    As a trader would, it reads the account after every bar at which something happened, and acts on that alone.
    """
    trips = 0
    ends = [*at[1:].tolist(), len(feed) - 1]
    for signal, sign, end in zip(at.tolist(), direction.tolist(), ends, strict=True):
        if signal + 1 >= end:
            continue
        side = PositionSide.LONG if sign > 0 else PositionSide.SHORT
        engine.advance(feed.row(signal))
        close_all(engine)
        entry = OrderRequest(side=side.opening_side, type=OrderType.MARKET, amount=AMOUNT, position_side=side)
        accepted(engine.place(entry))
        fills = engine.advance(feed.row(signal + 1))
        protect(engine, side, fills[-1].price.ticks, int(atr[signal]))
        bar = engine.next_event(feed, signal + 2, end)
        while bar < end:
            engine.advance(feed.row(bar))
            account = engine.account()
            if not account.position(side).amount:
                for order in account.open_orders:
                    engine.cancel(order.order_id)
            bar = engine.next_event(feed, bar + 1, end)
        trips += 1
    engine.advance(feed.row(len(feed) - 1))
    return trips


def close_all(engine: MatchingEngine) -> None:
    """Cancel what is open and close the position at the market."""
    account = engine.account()
    for order in account.open_orders:
        engine.cancel(order.order_id)
    for held in (account.long, account.short):
        if held.amount:
            close = OrderRequest(
                side=held.side.closing_side, type=OrderType.MARKET, amount=held.amount, position_side=held.side
            )
            accepted(engine.place(close))


def main() -> None:
    """Print the figures of one run."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    bars = random_bars(count, seed=7)
    at, direction = crossings(bars.close)
    atr = average_range(bars)
    began = time.process_time()
    feed = BarFeed(bars)
    prepared = time.process_time()
    engine = MatchingEngine(bitbank_btc_jpy_schedule(RATES), EngineSettings(), cash=Jpy.of(100_000_000))
    trips = trade(engine, feed, at, direction, atr)
    ended = time.process_time()
    account = engine.account()
    print(f"{count:,} bars, {trips:,} round trips, {len(engine.fills):,} fills, equity {account.equity.floor(0):,} JPY")
    print(f"CPU time: feed {prepared - began:.3f} s, engine {ended - prepared:.3f} s")
    print(f"{(ended - prepared) / max(trips, 1) * 1e6:.1f} us per round trip, {count / (ended - began):,.0f} bars/s")


if __name__ == "__main__":
    main()
