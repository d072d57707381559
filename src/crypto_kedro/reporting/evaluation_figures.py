"""Figures of an evaluation: matplotlib for the printed report, plotly for kedro viz."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from crypto_kedro.reporting.page import plot_style

BLUE, ORANGE, GREEN, VIOLET, GREY = "#2f7fc1", "#d07a22", "#3f9a6b", "#a465b5", "#8a8f98"
TRADER = "the model's trader"
CLASS_COLOURS = {"short": ORANGE, "flat": GREY, "long": BLUE}

Curves = Mapping[str, Sequence[Mapping[str, float]]]


def profit_beside_baselines(curves: pd.DataFrame, capital: float) -> Figure:
    """Draw the model's trader beside buy-and-hold and the band of random traders.

    Args:
        curves: one row a UTC day, equity in JPY, see `crypto_kedro.evaluation.out_of_sample.OutOfSample`.
        capital: what each started with, JPY.
    """
    day = curves["timestamp"].dt.tz_localize(None)
    profit = {name: curves[name] / capital - 1 for name in curves.columns if name != "timestamp"}
    with plot_style():
        figure = Figure(figsize=(8.4, 3.4))
        axes = figure.subplots()
        axes.fill_between(day, profit["random_p05"], profit["random_p95"], color=GREY, alpha=0.28, linewidth=0)
        axes.plot(day, profit["random_p50"], color=GREY, linewidth=1, label="random entries, median and 5-95%")
        axes.plot(day, profit["buy_and_hold"], color=ORANGE, linewidth=1, label="buy and hold")
        axes.plot(day, profit["strategy"], color=BLUE, linewidth=1.8, label=TRADER)
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.set_title("Profit after costs")
        figure.legend(loc="outside lower center", ncols=3)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_xmargin(0.01)
    return figure


def reliability_diagram(curves: Curves) -> Figure:
    """Draw predicted probability against observed share and its interval, one panel a class."""
    with plot_style():
        figure = Figure(figsize=(8.4, 2.9))
        for axes, (name, points) in zip(figure.subplots(1, len(curves)), curves.items(), strict=True):
            predicted = np.array([point["predicted"] for point in points])
            observed = np.array([point["observed"] for point in points])
            lower, upper = (np.array([point[end] for point in points]) for end in ("low", "high"))
            low, high = min(predicted.min(), lower.min()), max(predicted.max(), upper.max())
            room = 0.05 + 0.05 * (high - low)
            ends = [max(0.0, low - room), min(1.0, high + room)]
            axes.plot(ends, ends, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
            colour = CLASS_COLOURS.get(name, VIOLET)
            axes.vlines(predicted, lower, upper, color=colour, linewidth=1.4, alpha=0.55)
            axes.plot(predicted, observed, color=colour, marker="o", markersize=4)
            axes.set_title(name)
            axes.set_xlabel("predicted")
            axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            axes.set_xlim(*ends)
            axes.set_ylim(*ends)
        figure.axes[0].set_ylabel("observed")
    return figure


def importance_bars(importances: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw each model's share of importance a feature, most important at the top."""
    shares = pd.DataFrame(importances).clip(lower=0.0)
    shares = (shares / shares.sum()).fillna(0.0)
    shares = shares.loc[shares.mean(axis=1).sort_values().index]
    thickness = 0.8 / max(1, shares.shape[1])
    with plot_style():
        figure = Figure(figsize=(8.4, 0.9 + 0.34 * len(shares)))
        axes = figure.subplots()
        for place, (name, share) in enumerate(shares.items()):
            axes.barh(np.arange(len(shares)) + 0.4 - thickness * (place + 0.5), share, thickness, label=str(name))
        axes.set_yticks(np.arange(len(shares)), labels=[str(name) for name in shares.index])
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.grid(axis="y", visible=False)
        axes.set_title("Share of importance")
        axes.legend(loc="lower right")
    return figure


def equity_plotly(curves: pd.DataFrame, capital: float) -> go.Figure:
    """Return the equity by UTC day beside its baselines as a plotly figure; arguments as `profit_beside_baselines`."""
    # Lists are written as plain JSON; arrays become base64, which the plotly of kedro viz need not understand.
    at = [moment.isoformat() for moment in curves["timestamp"]]
    growth = {name: (curves[name] / capital).tolist() for name in curves.columns if name != "timestamp"}
    band = {"x": at, "line": {"width": 0}}
    figure = go.Figure()
    figure.add_scatter(y=growth["random_p05"], showlegend=False, hoverinfo="skip", **band)
    figure.add_scatter(
        y=growth["random_p95"],
        fill="tonexty",
        fillcolor="rgba(138,143,152,0.28)",
        name="random entries, 5-95%",
        **band,
    )
    for column, name, colour, width in (("buy_and_hold", "buy and hold", ORANGE, 1.2), ("strategy", TRADER, BLUE, 2.0)):
        figure.add_scatter(x=at, y=growth[column], line={"color": colour, "width": width}, name=name)
    figure.update_layout(title="Equity after costs, start = 1", yaxis_title="capital", hovermode="x unified")
    return figure


def reliability_plotly(curves: Curves) -> go.Figure:
    """Return the reliability curves as a plotly figure."""
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], line={"color": GREY, "dash": "dash"}, name="perfect", hoverinfo="skip")
    for name, points in curves.items():
        figure.add_scatter(
            x=[point["predicted"] for point in points],
            y=[point["observed"] for point in points],
            error_y={
                "array": [point["high"] - point["observed"] for point in points],
                "arrayminus": [point["observed"] - point["low"] for point in points],
                "thickness": 1,
            },
            mode="lines+markers",
            line={"color": CLASS_COLOURS.get(name, VIOLET)},
            name=name,
        )
    figure.update_layout(title="Reliability out of sample", xaxis_title="predicted", yaxis_title="observed share")
    return figure
