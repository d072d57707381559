"""Print how the synthetic market moves beside real candles, and how long it takes to draw.

Usage: python benchmarks/synthetic_market.py REAL_CANDLES [--days 180] [--seeds 8]
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from machine import machine

from crypto_kedro.market.bars import JST_OFFSET_MS, Bars
from crypto_kedro.market.candle_files import read_candle_files
from crypto_kedro.market.frame import candles_from_frame
from crypto_kedro.market.gaps import fill_halts
from crypto_kedro.market.statistics import return_statistics
from crypto_kedro.market.structure import assemble
from crypto_kedro.market.synthetic import synthetic_candles

_MAX_HALT_MINUTES = 1_440
_MILLISECONDS_PER_HOUR = 3_600_000


def main() -> None:
    """Measure both markets and print them side by side."""
    arguments = _arguments()
    real = fill_halts(
        candles_from_frame(assemble(read_candle_files(arguments.real))[0]), _MAX_HALT_MINUTES, str(arguments.real)
    )
    seconds, drawn = [], []
    for seed in range(arguments.seeds):
        begin = time.perf_counter()
        candles = candles_from_frame(synthetic_candles(arguments.days, seed))
        seconds.append(time.perf_counter() - begin)
        drawn.append(dict(_figures(fill_halts(candles, _MAX_HALT_MINUTES, "synthetic"))))
    print(machine())
    print(f"{arguments.days} days drawn in {np.median(seconds):.2f} s (median of {arguments.seeds} seeds)")
    print(f"{'figure':24}{'real':>10}{'synthetic':>12}{'lowest':>10}{'highest':>10}")
    for name, value in _figures(real):
        values = [figures[name] for figures in drawn]
        print(f"{name:24}{value:10.3f}{np.median(values):12.3f}{min(values):10.3f}{max(values):10.3f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path, help="Parquet or CSV file, or folder, of real 1-minute candles")
    parser.add_argument("--days", type=int, default=180)
    parser.add_argument("--seeds", type=int, default=8)
    return parser.parse_args()


def _figures(bars: Bars) -> Iterator[tuple[str, float]]:
    for horizon, figures in return_statistics(bars).items():
        for name, value in figures.items():
            yield f"{horizon} {name}", float("nan") if value is None else value
    traded = bars.gap_minutes == 0
    yield "zero volume (%)", 100.0 * float(np.mean(bars.volume[traded] == 0.0))
    yield "halt minutes a month", 30.0 * 1_440 * float(np.mean(~traded))
    for percent in (5, 50, 95, 99):
        yield f"volume p{percent} (BTC)", float(np.percentile(bars.volume[traded], percent))
    active = bars.volume > 0.0
    spread = np.log(bars.high[active] / bars.low[active])
    yield "corr. range, volume", float(np.corrcoef(np.log(bars.volume[active]), spread)[0, 1])
    hour = (bars.open_time[1:] + JST_OFFSET_MS) // _MILLISECONDS_PER_HOUR % 24
    moves = np.abs(np.diff(np.log(bars.close)))
    for at in (7, 15, 21):
        yield f"|r| at {at:02} h JST / mean", float(moves[hour == at].mean() / moves.mean())


if __name__ == "__main__":
    main()
