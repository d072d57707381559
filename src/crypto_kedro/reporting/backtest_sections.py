"""Sections of a report on a backtest: equity, trades, the gate funnel, months and costs."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from crypto_kedro.learning.performance import AccountHistory, AccountPerformance, by_jst_hour, by_month, by_volatility
from crypto_kedro.market.bars import DAY_MS
from crypto_kedro.reporting.evaluation_figures import BLUE, GREEN, GREY, ORANGE
from crypto_kedro.reporting.page import Section, figure_html, join_html, plot_style, table_html, tiles_html

SIGNAL_GATE = "confidence"
_CURVE_POINTS = 2_000
_ZOOMABLE_POINTS = 30_000
_GROUP_COLUMNS = ("Trades", "Hit rate", "Net (JPY)", "Mean net of a trade (JPY)")


def backtest_sections(
    history: AccountHistory, performance: AccountPerformance, bars: int, died: Mapping[str, int], zoomable: str = ""
) -> list[Section]:
    """Return all sections, in reading order.

    Args:
        history: the account's record.
        performance: its figures.
        bars: decision bars.
        died: bars whose first failed gate is this one, in the order of the gates.
        zoomable: as `trades_section` takes it.
    """
    return [
        equity_section(history, performance),
        trades_section(history, zoomable),
        funnel_section(bars, died),
        cost_section(performance),
        monthly_section(history),
        breakdown_section(history),
    ]


def equity_section(history: AccountHistory, performance: AccountPerformance) -> Section:
    """Return the equity with its drawdown, and the key figures."""
    interval = performance.hit_rate_interval
    hit_range = f"{interval.level:.0%} interval {interval.low:.0%} to {interval.high:.0%}"
    tiles = [
        ("Net profit (JPY)", f"{performance.net_profit_jpy:+,.0f}", f"{performance.net_profit:+.2%} of the capital"),
        ("Growth a year", _percent(performance.cagr), "compound, 365 days"),
        ("Sharpe ratio", performance.sharpe, "annualised over 365 days"),
        ("Sortino ratio", performance.sortino, "annualised over 365 days"),
        ("Calmar ratio", performance.calmar, "growth a year over largest drawdown"),
        ("Largest drawdown", _percent(performance.max_drawdown), "marked at every bar's close"),
        ("Longest drawdown", f"{performance.longest_drawdown_days:,.1f}", "days below a peak"),
        ("Hit rate", _percent(performance.hit_rate), hit_range),
        ("Profit factor", performance.profit_factor, "won over lost"),
        ("Expectancy (JPY)", performance.expectancy_jpy, f"net of a trade, {performance.trades:,} trades"),
        ("Time in the market", _percent(performance.exposure), "of the bars"),
        ("Turnover", performance.turnover, "traded notional over mean equity"),
    ]
    figure = figure_html(
        equity_figure(history),
        alt=f"Equity over time, ending at {performance.net_profit:+.2%}, with its drawdown below.",
        caption="Shown at most 2,000 points of equity, and the deepest drawdown between them.",
    )
    return Section("Account", join_html(tiles_html(tiles), figure))


def equity_figure(history: AccountHistory) -> Figure:
    """Draw the equity above its drawdown."""
    growth = history.growth
    drawdown = 1.0 - growth / np.maximum(1.0, np.maximum.accumulate(growth))
    starts = np.arange(0, growth.size, -(-growth.size // _CURVE_POINTS))
    deepest = np.maximum.reduceat(drawdown, starts)
    last = np.append(starts[1:], growth.size) - 1
    at = history.equity["timestamp"].dt.tz_localize(None).iloc[last]
    with plot_style():
        figure = Figure(figsize=(8.4, 4.2))
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        top.plot(at, history.equity["equity_jpy"].iloc[last], color=BLUE)
        top.axhline(history.capital_jpy, color=GREY, linewidth=0.8)
        top.yaxis.set_major_formatter("{x:,.0f}")
        top.set_title("Equity (JPY)")
        bottom.fill_between(at, -deepest, 0, color=BLUE, alpha=0.35, linewidth=0)
        bottom.yaxis.set_major_formatter(PercentFormatter(1.0))
        bottom.set_ylim(-1.05 * max(0.01, float(drawdown.max())), 0)
        bottom.set_title("Drawdown")
    return figure


def trades_section(history: AccountHistory, zoomable: str = "") -> Section:
    """Return the entries and exits on the price, and how far trades went for and against.

    Args:
        history: the account's record.
        zoomable: name of the file that holds `trades_plotly`, empty for none. A report admits no script, and the
            zoomable figure needs one of 4.9 MB.
    """
    count = len(history.trades)
    figure = figure_html(trades_figure(history), alt=f"Entries and exits of {count:,} trades on the price.")
    reasons = history.trades.groupby("exit_reason", sort=True)
    columns = ("Exit", "Trades", "Net (JPY)", "Mean deepest loss (JPY)", "Mean highest gain (JPY)")
    rows = [
        (str(reason), len(rows), f"{rows['net_jpy'].sum():+,.0f}", *_means(rows, "mae_jpy", "mfe_jpy"))
        for reason, rows in reasons
    ]
    lead = f"The same figure, zoomable, is in the file {zoomable} (about 6 MB, it works offline)." if zoomable else ""
    return Section("Trades", join_html(figure, table_html(columns, rows, caption="Trades by their exit")), lead)


def trades_figure(history: AccountHistory) -> Figure:
    """Draw entries (long up, short down) and exits on the price."""
    equity, trades = history.equity, history.trades
    shown = equity.iloc[:: -(-len(equity) // _CURVE_POINTS)]
    with plot_style():
        figure = Figure(figsize=(8.4, 3.4))
        axes = figure.subplots()
        axes.plot(shown["timestamp"].dt.tz_localize(None), shown["close_jpy"], color=GREY, linewidth=0.9)
        for side, name, mark, colour in ((1, "long", "^", BLUE), (-1, "short", "v", ORANGE)):
            own = trades[trades["side"] == side]
            opened = own["opened_at"].dt.tz_localize(None)
            axes.scatter(opened, own["entry_price_jpy"], marker=mark, color=colour, s=16, label=name, zorder=3)
        closed = trades["closed_at"].dt.tz_localize(None)
        axes.scatter(closed, trades["exit_price_jpy"], marker="x", color=GREEN, s=12, label="exit", zorder=3)
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.set_title("Price (JPY)")
        axes.legend()
    return figure


def trades_plotly(history: AccountHistory) -> go.Figure:
    """Return the price, in at most 30,000 closes, with one line a trade from entry to exit, zoomable."""
    equity = history.equity.iloc[:: -(-len(history.equity) // _ZOOMABLE_POINTS)]
    figure = go.Figure()
    figure.add_scattergl(
        x=_moments(equity["timestamp"] + pd.Timedelta(milliseconds=history.bar_ms)),
        y=equity["close_jpy"].tolist(),
        line={"color": GREY, "width": 1},
        name="price",
    )
    for side, name, colour in ((1, "long", BLUE), (-1, "short", ORANGE)):
        own = history.trades[history.trades["side"] == side]
        ends = zip(_moments(own["opened_at"]), _moments(own["closed_at"]), strict=True)
        prices = zip(own["entry_price_jpy"].tolist(), own["exit_price_jpy"].tolist(), strict=True)
        notes = [
            f"{name} {amount:g} BTC, {reason}, net {net:+,.0f} JPY"
            for amount, reason, net in zip(own["amount_btc"], own["exit_reason"], own["net_jpy"], strict=True)
        ]
        # None breaks the line between two trades.
        figure.add_scattergl(
            x=[at for pair in ends for at in (*pair, None)],
            y=[price for pair in prices for price in (*pair, None)],
            text=[text for note in notes for text in (note, note, None)],
            mode="lines+markers",
            line={"color": colour, "width": 2},
            name=name,
        )
    figure.update_layout(title="Trades on the price", yaxis_title="JPY", hovermode="closest")
    return figure


def trades_page(history: AccountHistory) -> str:
    """Return `trades_plotly` as an HTML document that needs no network; it carries plotly.js, 4.9 MB."""
    page: str = trades_plotly(history).to_html(include_plotlyjs=True, full_html=True, div_id="trades")
    return page


def funnel_section(bars: int, died: Mapping[str, int]) -> Section:
    """Return how many bars each gate stopped.

    Args:
        bars: decision bars.
        died: bars whose first failed gate is this one, in the order of the gates.

    Raises:
        ValueError: more bars died than there were.
    """
    if sum(died.values()) > bars:
        raise ValueError(f"gate funnel: {sum(died.values())} of {bars} bars died at a gate; count each bar once")
    left, rows, signals = bars, [], None
    for name, count in died.items():
        rows.append((name.replace("_", " "), left, count, left - count, f"{count / bars:.1%}" if bars else None))
        left -= count
        if name == SIGNAL_GATE:
            signals = left
    columns = ("Gate", "Bars that reached it", "Stopped here", "Left", "Share of all bars stopped")
    table = table_html(columns, rows, caption="Each bar counts at the first gate that stopped it")
    picture = figure_html(_funnel_figure(died), alt=_funnel_sentence(bars, died, signals, left))
    return Section("Gate funnel", join_html(picture, table), _funnel_sentence(bars, died, signals, left))


def _funnel_sentence(bars: int, died: Mapping[str, int], signals: int | None, left: int) -> str:
    parts = [] if signals is None else [f"{signals:,} signals"]
    names = list(died)
    after = names[names.index(SIGNAL_GATE) + 1 :] if signals is not None else names
    parts += [f"{died[name]:,} stopped by {name.replace('_', ' ')}" for name in after if died[name]]
    return f"Of {bars:,} bars: {', '.join([*parts, f'{left:,} passed every gate'])}."


def _funnel_figure(died: Mapping[str, int]) -> Figure:
    shown = {name.replace("_", " "): count for name, count in died.items() if count}
    with plot_style():
        figure = Figure(figsize=(8.4, 0.9 + 0.3 * len(shown)))
        axes = figure.subplots()
        axes.barh(list(shown), list(shown.values()), color=BLUE)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_xscale("symlog", linthresh=1)
        axes.set_title("Bars stopped at each gate (logarithmic)")
    return figure


def cost_section(performance: AccountPerformance) -> Section:
    """Return the way from the gross of the trades to the account's net profit."""
    open_jpy = performance.net_profit_jpy - performance.net_jpy
    steps = {
        "Gross of closed trades": performance.gross_jpy,
        "Fees": -performance.fee_jpy,
        "Interest": -performance.interest_jpy,
        "Net of closed trades": performance.net_jpy,
        "Position open at the end": open_jpy,
        "Net profit of the account": performance.net_profit_jpy,
    }
    rows = [(name, f"{value:+,.0f}") for name, value in steps.items()]
    words = ", ".join(f"{name.lower()} {value:+,.0f} JPY" for name, value in steps.items())
    picture = figure_html(_waterfall_figure(steps), alt=f"From gross to net: {words}.")
    lead = "Gross comes from the prices of the fills, so spread and slippage are already taken from it."
    return Section("Costs", join_html(picture, table_html(("Step", "JPY"), rows, caption="From gross to net")), lead)


def _waterfall_figure(steps: Mapping[str, float]) -> Figure:
    names, values = list(steps), np.array(list(steps.values()))
    is_total = np.array([name.startswith(("Gross", "Net")) for name in names])
    before = np.where(is_total, 0.0, np.cumsum(np.where(is_total, 0.0, values)) - values + values[0])
    with plot_style():
        figure = Figure(figsize=(8.4, 2.8))
        axes = figure.subplots()
        axes.barh(names, values, left=before, color=[BLUE if total else ORANGE for total in is_total])
        axes.axvline(0, color=GREY, linewidth=0.8)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set_title("JPY")
    return figure


def monthly_section(history: AccountHistory) -> Section:
    """Return one row a UTC month."""
    rows = [
        (
            row["month"],
            f"{row['profit_jpy']:+,.0f}",
            _percent(row["profit"], "{:+.2%}"),
            _percent(row["max_drawdown"]),
            *_group_cells(row),
        )
        for row in by_month(history).to_dict("records")
    ]
    columns = ("Month (UTC)", "Profit (JPY)", "Profit", "Largest drawdown", *_GROUP_COLUMNS)
    return Section("Months", table_html(columns, rows, caption="The account, and the trades closed in the month"))


def breakdown_section(history: AccountHistory) -> Section:
    """Return the trades by their opening hour in Japan and by the volatility at their opening."""
    tables: list[Markup] = []
    a_day = max(2, DAY_MS // history.bar_ms)
    for table, heading, caption in (
        (
            by_volatility(history, a_day),
            "Volatility",
            "By the volatility of the day before, terciles of all bars",
        ),
        (by_jst_hour(history), "Hour (JST)", "By the hour of the opening in Japan"),
    ):
        rows = [(str(row["group"]), *_group_cells(row)) for row in table.to_dict("records")]
        tables.append(table_html((heading, *_GROUP_COLUMNS), rows, caption=caption))
    return Section("When it traded", join_html(*tables))


def _group_cells(row: Mapping[Hashable, Any]) -> tuple[object, ...]:
    return row["trades"], _percent(row["hit_rate"]), f"{row['net_jpy']:+,.0f}", row["expectancy_jpy"]


def _means(rows: pd.DataFrame, *columns: str) -> list[str]:
    return [f"{rows[column].mean():+,.0f}" for column in columns]


def _moments(at: "pd.Series[pd.Timestamp]") -> list[str]:
    # Text is written as plain JSON; arrays become base64, which the plotly of kedro viz need not understand.
    return at.dt.strftime("%Y-%m-%dT%H:%M:%S").tolist()


def _percent(value: float | None, form: str = "{:.1%}") -> str | None:
    return None if value is None or np.isnan(value) else form.format(value)
