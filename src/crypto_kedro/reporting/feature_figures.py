"""A picture of a feature set for people: how each feature is distributed."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

_COLOURS = {"basic": "#2f7fc1", "technical": "#d07a22", "calculations": "#3f9a6b"}
_COLUMNS = 3
_BINS = 40
# One crash would otherwise squeeze everything else into a single bar.
_SHOWN_PERCENT = (0.5, 99.5)


def distributions(features: pd.DataFrame, categories: Mapping[str, Sequence[str]]) -> go.Figure:
    """Draw one histogram a feature, over its central 99%.

    Only the bins are kept, so the figure stays small whatever the number of rows.

    Args:
        features: one row a bar, one float64 column a feature.
        categories: names of the features by category, in the order in which they are drawn.
    """
    shown = [(category, name) for category, names in categories.items() for name in names]
    rows = -(-len(shown) // _COLUMNS)
    figure = make_subplots(rows=rows, cols=_COLUMNS, subplot_titles=[name for _, name in shown])
    for place, (category, name) in enumerate(shown):
        row, column = divmod(place, _COLUMNS)
        bars = _histogram(features[name].to_numpy(), category, show_in_legend=name == categories[category][0])
        figure.add_trace(bars, row=row + 1, col=column + 1)
    figure.update_layout(
        title=f"Distribution of the features over {len(features):,} bars (central 99%)",
        template="plotly_white",
        bargap=0,
        height=220 * rows + 120,
        legend={"title": "category", "orientation": "h", "y": -0.06},
    )
    figure.update_yaxes(tickformat=".0%")
    return figure


def _histogram(values: np.ndarray, category: str, *, show_in_legend: bool) -> go.Bar:
    low, high = np.percentile(values, _SHOWN_PERCENT)
    counts, edges = np.histogram(values, bins=_BINS, range=(float(low), float(high)))
    # Lists, since plotly writes arrays in a binary form that older viewers cannot read.
    return go.Bar(
        x=((edges[:-1] + edges[1:]) / 2.0).tolist(),
        y=(counts / values.size).tolist(),
        width=np.diff(edges).tolist(),
        marker={"color": _COLOURS[category], "line": {"width": 0}},
        name=category,
        legendgroup=category,
        showlegend=show_in_legend,
        hovertemplate="%{x:.4g}: %{y:.1%} of bars",
    )
