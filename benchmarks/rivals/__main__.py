"""Runs the three engines side by side and explains how their results differ: ``env -C benchmarks python -m rivals``.

Prints one table of speed and two of effects for each side, and leaves in the folder of ``--out`` both as CSV, and for
each side a Parquet file of the curves and a picture.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from backtest import random_bars
from machine import machine

from rivals.effects import STEPS, Explanation, explain, require_ours
from rivals.engines import ENGINES, SEED
from rivals.picture import draw
from rivals.question import SIDES, Answer, Side, ask

BENCHMARKS = Path(__file__).resolve().parents[1]
REPORTS = BENCHMARKS.parent / "data" / "08_reporting" / "rivals"
OURS, *RIVALS = ENGINES
MINUTES_A_DAY = 1_440
_NEEDED = ("backtesting", "vectorbt")


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m rivals", description=__doc__)
    parser.add_argument("--bars", type=int, default=1_000_000, help="one-minute bars (%(default)s)")
    parser.add_argument("--side", choices=SIDES, action="append", help="one of them only (both)")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each engine, in turn (%(default)s)")
    parser.add_argument("--out", type=Path, default=REPORTS, help="folder of tables and pictures (%(default)s)")
    options = parser.parse_args()
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise SystemExit(f'rivals: {" and ".join(missing)} not installed; run: pip install -e ".[bench]"')
    if options.bars < 1_000 or options.repeats < 1:
        raise SystemExit("rivals: --bars must be at least 1000 and --repeats at least 1")
    options.out.mkdir(parents=True, exist_ok=True)
    print(machine())
    compare(options.bars, options.side or SIDES, options.repeats, options.out)


def compare(count: int, sides: tuple[Side, ...] | list[Side], repeats: int, out: Path) -> None:
    """Measure and explain each side, print the tables and write them to a folder."""
    speeds, effects = [], []
    with tempfile.TemporaryDirectory() as folder:
        for side in sides:
            figures = measure(count, side, repeats, Path(folder))
            answers = {engine: Answer.load(Path(folder) / side / engine) for engine in ENGINES}
            speeds.append(speed_table(figures, answers, count).assign(side=side))
            print(f"\n{count:,} bars, {side}, {repeats} runs of each engine in turn; bars a second, best and median")
            print(speeds[-1].drop(columns="side").to_string(index=False, float_format="{:,.1f}".format))
            explanations = explain_all(count, side, answers)
            for explanation in explanations:
                print_effects(explanation, answers)
                effects.append(explanation.table.assign(side=side, rival=explanation.rival))
            save_curves(answers, explanations, out / f"{side}.parquet")
            draw(side, answers, explanations, out / f"{side}.png")
    pd.concat(speeds).to_csv(out / "figures.csv", index=False)
    pd.concat(effects).to_csv(out / "effects.csv", index=False)
    print(f"\nwritten to {out}")


def measure(count: int, side: Side, repeats: int, folder: Path) -> pd.DataFrame:
    """Run every engine in turn, each time in a new process, and return one row of figures for each run."""
    rows = []
    for repeat in range(repeats):
        for engine in ENGINES:
            print(f"  {side}, run {repeat + 1} of {repeats}: {engine}", file=sys.stderr)
            answer = folder / side / engine
            command = [sys.executable, "-m", "rivals.engines", engine, side, str(count), str(answer)]
            ended = subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, check=False)
            if ended.returncode:
                raise SystemExit(f"rivals: {engine} failed on {count} bars:\n{ended.stderr}")
            rows.append({"engine": engine, **json.loads((answer / "figures.json").read_text(encoding="utf-8"))})
    return pd.DataFrame(rows)


def speed_table(figures: pd.DataFrame, answers: dict[str, Answer], count: int) -> pd.DataFrame:
    """Return one row for each engine: bars a second, trades, final equity, peak memory."""
    seconds = figures.groupby("engine", sort=False)
    speed = pd.DataFrame({"engine": list(answers)}).set_index("engine")
    for name, column in (("engine", "engine_s"), ("result", "result_s")):
        speed[f"{name} best"] = (count / seconds[column].min()).round(-3).astype(int)
        speed[f"{name} median"] = (count / seconds[column].median()).round(-3).astype(int)
    speed["first call s"] = seconds["first_call_s"].median()
    speed["trades"] = [len(answer.trades) for answer in answers.values()]
    speed["final equity JPY"] = [answer.equity_jpy[-1] for answer in answers.values()]
    speed["peak MB"] = seconds["peak_mb"].max().round().astype(int)
    return speed.reset_index()


def explain_all(count: int, side: Side, answers: dict[str, Answer]) -> list[Explanation]:
    """Explain every rival's equity; raises `UnexplainedDifferenceError` when something is left."""
    question = ask(random_bars(count, SEED), side)
    require_ours(question, answers[OURS])
    explanations = []
    for rival in RIVALS:
        print(f"  {side}: {len(STEPS[rival])} effects of {rival}", file=sys.stderr)
        explanations.append(explain(question, rival, answers[OURS], answers[rival]))
    return explanations


def print_effects(explanation: Explanation, answers: dict[str, Answer]) -> None:
    """Print one table from our equity to the rival's."""
    ours, theirs = answers[OURS], answers[explanation.rival]
    width = 68
    print(f"\n{'from ours to ' + explanation.rival:{width}}{'JPY':>18}{'trades':>9}")
    print(f"{'equity of ' + OURS:{width}}{ours.equity_jpy[-1]:18,.4f}{len(ours.trades):9,}")
    for row in explanation.table.itertuples():
        print(f"  {row.effect:{width - 2}}{row.jpy:+18,.4f}{row.trades:9,}")
    print(f"  {'not explained':{width - 2}}{explanation.unexplained_jpy:+18,.4f}")
    print(f"{'equity of ' + explanation.rival:{width}}{theirs.equity_jpy[-1]:18,.4f}{len(theirs.trades):9,}")
    print(f"not explained at any close: at most {explanation.worst_jpy:.7f} JPY")


def save_curves(answers: dict[str, Answer], explanations: list[Explanation], path: Path) -> None:
    """Write equity and effects at the end of each day and at the last close, columns in JPY."""
    count = answers[OURS].equity_jpy.size
    bars = np.unique(np.append(np.arange(MINUTES_A_DAY - 1, count, MINUTES_A_DAY), count - 1))
    columns = {"bar": bars} | {engine: answer.equity_jpy[bars] for engine, answer in answers.items()}
    for explanation in explanations:
        for effect, curve in zip(explanation.table["effect"], explanation.curves, strict=True):
            columns[f"{explanation.rival}: {effect}"] = curve[bars]
    pd.DataFrame(columns).to_parquet(path)


if __name__ == "__main__":
    main()
