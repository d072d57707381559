"""The picture of one side: equity curves, their distance from ours, and the effects as a waterfall."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rivals.effects import Explanation
from rivals.question import Answer

_POINTS = 2_000


def draw(side: str, answers: dict[str, Answer], explanations: list[Explanation], path: Path) -> None:
    """Write the picture as PNG; the first answer is ours."""
    with mpl.rc_context({"font.size": 8, "axes.grid": True, "grid.alpha": 0.3}):
        figure = Figure(figsize=(12, 8), layout="constrained")
        upper, lower = figure.subfigures(2, 1)
        equity, distance = upper.subplots(1, 2)
        ours = next(iter(answers.values())).equity_jpy
        bars = np.unique(np.linspace(0, ours.size - 1, _POINTS).astype(np.int64))
        for name, answer in answers.items():
            equity.plot(bars, answer.equity_jpy[bars] / 1e6, label=name, linewidth=0.8)
            distance.plot(bars, (answer.equity_jpy - ours)[bars], label=name, linewidth=0.8)
        equity.set(title=f"Equity, {side}", xlabel="bar", ylabel="million JPY")
        distance.set(title="Distance from ours", xlabel="bar", ylabel="JPY")
        equity.legend()
        axes = lower.subplots(1, len(explanations), squeeze=False)[0]
        for axis, explanation in zip(axes, explanations, strict=True):
            _waterfall(axis, explanation)
        figure.savefig(path, dpi=110)


def _waterfall(axis: Axes, explanation: Explanation) -> None:
    amounts = explanation.table["jpy"].to_numpy()
    ends = np.cumsum(amounts)
    names = [*explanation.table["effect"], "together"]
    starts = np.append(ends - amounts, 0.0)
    colours = ["tab:red" if amount < 0 else "tab:green" for amount in amounts]
    axis.barh(names, np.append(amounts, ends[-1]), left=starts, color=[*colours, "tab:grey"])
    axis.invert_yaxis()
    axis.locator_params(axis="x", nbins=5)
    axis.set(title=f"From ours to {explanation.rival}", xlabel="JPY at the last close")
