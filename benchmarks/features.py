"""Time and memory of 12 features over many bars, beside TA-Lib and pandas doing the same.

Run ``python benchmarks/features.py [bars]``; every variant runs in its own process, so that its peak memory is its own.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from machine import machine

from crypto_kedro.features import compute_features, load_feature_set
from crypto_kedro.market.bars import Bars
from crypto_kedro.market.resample import CONTEXT_MS, DECISION_MS, resample

CATALOGUE = Path(__file__).parents[1] / "conf" / "base" / "feature_order.json"
REPEATS = 5
MAX_GAP_MINUTES = 60


def random_walk(bars: int) -> Bars:
    """Return 15-minute bars with whole-yen prices around 5,000,000 JPY."""
    rng = np.random.default_rng(1)
    step = rng.standard_t(4, bars) * 0.003
    # Drawn back to its start, since a million free steps would leave the range of prices.
    level = np.cumsum(step) - np.linspace(0.0, step.sum(), bars)
    close = np.round(5_000_000.0 * np.exp(0.2 * level))
    opened = np.concatenate([close[:1], close[:-1]])
    reach = np.abs(rng.normal(0.0, 0.0005, (2, bars))) * close
    return Bars(
        interval_ms=DECISION_MS,
        open_time=np.arange(bars, dtype=np.int64) * DECISION_MS,
        open=opened,
        high=np.round(np.maximum(opened, close) + reach[0]),
        low=np.round(np.minimum(opened, close) - reach[1]),
        close=close,
        volume=np.round(rng.exponential(3.0, bars), 4),
        gap_minutes=np.zeros(bars, dtype=np.int64),
    )


def ours(name: str, decision: Bars) -> Callable[[], object]:
    """Return the computation of a feature set of the catalogue."""
    feature_set = load_feature_set(CATALOGUE, name)
    context = resample(decision, CONTEXT_MS)
    return lambda: compute_features(feature_set, decision, context, MAX_GAP_MINUTES)


def talib_and_pandas(decision: Bars) -> Callable[[], object]:
    """Return the computation of classic12 by TA-Lib and pandas, without bounded memory or gap rules."""
    import pandas as pd
    import talib

    def compute() -> pd.DataFrame:
        close, volume = pd.Series(decision.close), pd.Series(decision.volume)
        macd, macd_signal, _ = talib.MACD(decision.close, 12, 26, 9)
        upper, middle, lower = talib.BBANDS(decision.close, 20, 2.0, 2.0)
        return pd.DataFrame(
            {
                "close": close,
                "volume": volume,
                "returns_1": close.pct_change(),
                "rsi_14": talib.RSI(decision.close, 14),
                "macd": macd,
                "macd_signal": macd_signal,
                "atr_14": talib.ATR(decision.high, decision.low, decision.close, 14),
                "bb_position": (decision.close - lower) / (upper - lower),
                "ema_20": talib.EMA(decision.close, 20),
                "ema_50": talib.EMA(decision.close, 50),
                "volume_ratio": volume / volume.rolling(20).mean(),
                "zscore": (close - middle) / close.rolling(20).std(ddof=0),
            }
        )

    return compute


VARIANTS: dict[str, Callable[[Bars], Callable[[], object]]] = {
    "classic12": lambda decision: ours("classic12", decision),
    "stationary12": lambda decision: ours("stationary12", decision),
    "classic12 by TA-Lib + pandas": talib_and_pandas,
}


def measure(variant: str, bars: int) -> dict[str, float]:
    """Return seconds (best and worst of several runs) and peak memory of this process in MB."""
    compute = VARIANTS[variant](random_walk(bars))
    seconds = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        compute()
        seconds.append(time.perf_counter() - begun)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"best": min(seconds), "worst": max(seconds), "peak_mb": peak_mb}


def main(bars: int) -> None:
    """Measure every variant in a process of its own and print the table."""
    print(f"{bars:,} bars x 12 features, best and worst of {REPEATS} runs")
    print(machine())
    print(f"{'variant':<30}{'best s':>8}{'worst s':>9}{'peak MB':>9}")
    for variant in VARIANTS:
        command = [sys.executable, __file__, str(bars), variant]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
        figures = json.loads(answer.stdout)
        print(f"{variant:<30}{figures['best']:>8.2f}{figures['worst']:>9.2f}{figures['peak_mb']:>9.0f}")


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    if len(sys.argv) > 2:
        print(json.dumps(measure(sys.argv[2], count)))
    else:
        main(count)
