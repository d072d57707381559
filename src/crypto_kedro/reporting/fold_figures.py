"""The walk-forward windows drawn under the price."""

import pandas as pd
import plotly.graph_objects as go
from matplotlib.figure import Figure
from plotly.subplots import make_subplots

from crypto_kedro.reporting.page import plot_style

_TRAIN, _TEST = "#9db4c0", "#c2571a"
_MOST_POINTS = 1000


def folds_over_price(folds: pd.DataFrame, bars: pd.DataFrame) -> go.Figure:
    """Return the price over one line a window: its training part, then its test part.

    Args:
        folds: the table of `fold_table`.
        bars: decision bars; the price is thinned out to about 1,000 points.
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.6, 0.4], vertical_spacing=0.04)
    price = bars.iloc[:: max(1, len(bars) // _MOST_POINTS)]
    figure.add_trace(
        go.Scatter(
            x=price["timestamp"], y=price["close"].tolist(), line={"color": "#33415c", "width": 1}, name="price"
        ),
        row=1,
        col=1,
    )
    for part, colour in (("train", _TRAIN), ("test", _TEST)):
        for at, fold in enumerate(folds.to_dict("records")):
            figure.add_trace(
                go.Scatter(
                    x=[fold[f"{part}_from"], fold[f"{part}_to"]],
                    y=[fold["window"]] * 2,
                    mode="lines",
                    line={"color": colour, "width": 10},
                    name=f"{part}ing" if part == "test" else "training",
                    legendgroup=part,
                    showlegend=at == 0,
                ),
                row=2,
                col=1,
            )
    figure.update_yaxes(title_text="JPY", row=1, col=1)
    figure.update_yaxes(autorange="reversed", row=2, col=1)
    figure.update_layout(title="Walk-forward windows (UTC)", template="plotly_white", height=520)
    return figure


def fold_spans(folds: pd.DataFrame, bars: pd.DataFrame) -> Figure:
    """Draw the same as `folds_over_price`, to be kept as a picture beside a run."""
    with plot_style():
        figure = Figure(figsize=(8.4, 4.6))
        price, spans = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
        price.plot(bars["timestamp"], bars["close"], color="#33415c", linewidth=0.7)
        price.set_title("Price (JPY) and the windows of the walk-forward")
        for at, fold in enumerate(folds.to_dict("records")):
            for part, colour in (("train", _TRAIN), ("test", _TEST)):
                spans.barh(at, fold[f"{part}_to"] - fold[f"{part}_from"], left=fold[f"{part}_from"], color=colour)
        spans.set_yticks(range(len(folds)), labels=list(folds["window"]))
        spans.invert_yaxis()
    return figure
