"""Time one `decide` call and the columns of its bar gates, on one core.

Run from the repository root: ``python benchmarks/decide.py``.
"""

import time

import numpy as np

from crypto_kedro.market.bars import DAY_MS, MINUTE_MS
from crypto_kedro.trading.account import AccountState, MarginState, MarginStatus, Position
from crypto_kedro.trading.bitbank_rules import bitbank_btc_jpy_schedule
from crypto_kedro.trading.decide import decide
from crypto_kedro.trading.ledger import TradeLedger
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.observation import Observation
from crypto_kedro.trading.orders import Fill, Liquidity, OrderType, PositionSide, Side
from crypto_kedro.trading.settings import TradingSettings
from crypto_kedro.trading.signal import SignalFacts, side_cost_columns, signal_columns

CALLS = 20_000
BARS = 1_000_000
CAPITAL = Jpy.of(100_000)
NOTHING = Jpy(0)
RULES = bitbank_btc_jpy_schedule().at(19_000 * DAY_MS)


def observation(probability: float) -> Observation:
    """Return a flat account that sees a long signal of that probability."""
    rest = (1 - probability) / 2
    model = (rest, rest, probability)
    facts = SignalFacts(
        20_000 * DAY_MS,
        1_000,
        1_000_000.0,
        8_000.0,
        0.0001,
        0.002,
        0,
        0,
        rest,
        rest,
        probability,
        (model, model, model),
    )
    empty = (Btc(0), NOTHING, NOTHING, NOTHING, Btc(0))
    account = AccountState(
        at_ms=20_000 * DAY_MS,
        mark=Price(1_000_000),
        cash=CAPITAL,
        cash_locked=NOTHING,
        btc=Btc(0),
        btc_locked=Btc(0),
        payable=NOTHING,
        long=Position(PositionSide.LONG, *empty),
        short=Position(PositionSide.SHORT, *empty),
        open_orders=(),
        margin=MarginStatus(MarginState.NORMAL, CAPITAL, NOTHING, NOTHING, Jpy.of(200_000)),
    )
    return Observation(facts, 2.0, account, TradeLedger.start(19_000 * DAY_MS, CAPITAL), RULES, 1)


def fill(trade_id: int, side: Side, profit_loss: Jpy) -> Fill:
    """Return one execution of a long trade."""
    return Fill(
        trade_id, trade_id, 19_000 * DAY_MS + trade_id * MINUTE_MS, side, PositionSide.LONG, OrderType.MARKET,
        Liquidity.TAKER, Price(1_000_000), Btc(100), NOTHING, NOTHING, NOTHING, profit_loss,
    )  # fmt: skip


def time_decisions() -> None:
    """Print the time of a decision that enters and of one that a gate refuses."""
    settings = TradingSettings()
    for name, probability in (("enters", 0.8), ("refused", 0.6)):
        seen = observation(probability)
        decision = decide(settings, seen)
        started = time.perf_counter()
        for _ in range(CALLS):
            decide(settings, seen)
        spent = (time.perf_counter() - started) / CALLS
        print(f"decide, {name} ({decision.action}, {decision.reason}): {spent * 1e6:.1f} us")


def time_ledger() -> None:
    """Print the time of folding one fill into the ledger."""
    fills = [fill(k, Side.SELL if k % 2 else Side.BUY, Jpy.of(k % 3 - 1) if k % 2 else NOTHING) for k in range(CALLS)]
    started = time.perf_counter()
    TradeLedger.replay(19_000 * DAY_MS, CAPITAL, fills)
    print(f"ledger, one fill: {(time.perf_counter() - started) / CALLS * 1e6:.1f} us")


def time_columns() -> None:
    """Print the time of judging the bar gates of many bars."""
    generator = np.random.default_rng(7)
    close = 1_000_000.0 + np.cumsum(generator.normal(0, 300, BARS))
    close = np.maximum(close, 100_000.0)
    short, flat, long = generator.dirichlet((2, 3, 2), BARS).T.copy()
    zero = np.zeros(BARS)
    model = (short, flat, long)
    time_ms = np.arange(BARS) * MINUTE_MS
    facts = SignalFacts(
        time_ms.astype(np.float64),
        zero,
        close,
        0.005 * close,
        zero + 1e-4,
        zero + 1e-3,
        zero,
        zero,
        *model,
        (model,) * 3,
    )
    started = time.perf_counter()
    columns = signal_columns(facts, side_cost_columns(bitbank_btc_jpy_schedule(), time_ms), TradingSettings())
    spent = time.perf_counter() - started
    print(f"signal columns, {BARS:,} bars: {spent:.2f} s, {int(columns.passed.sum()):,} pass")


if __name__ == "__main__":
    time_decisions()
    time_ledger()
    time_columns()
