"""The data-quality report: what the candles are, what was done to them, and where they have holes."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from crypto_kedro.reporting.page import (
    Section,
    Tone,
    Verdict,
    facts_html,
    figure_html,
    join_html,
    paragraph_html,
    plot_style,
    render_page,
    table_html,
    tiles_html,
)

_LISTED_GAPS = 20
_PRICE_POINTS = 1_500
_MINUTES_PER_DAY = 1_440
_NOTHING_MISSING = 0.5
_GRID = (0.5, 0.5, 0.5, 0.4)
_QUIET_DAY = (0.54, 0.56, 0.60, 0.25)


def data_quality_html(quality: Mapping[str, Any], manifest: Mapping[str, Any], bars_15m: pd.DataFrame) -> str:
    """Return the report as a self-contained HTML page.

    Args:
        quality: the account that ``market.quality.prepare_bars`` gives.
        manifest: the data manifest.
        bars_15m: 15-minute bars with the columns timestamp (UTC) and close (JPY).
    """
    return render_page(
        f"Data quality of {manifest['pair']}",
        [
            _summary(quality),
            _gap_section(quality, manifest),
            _silence_section(quality),
            _price_section(quality, bars_15m),
            _returns_section(quality),
            _origin_section(manifest),
        ],
        subtitle=f"{_readable(manifest['first'])} to {_readable(manifest['last'])} UTC, source: {manifest['source']}",
        verdict=_verdict(quality, manifest),
    )


def _verdict(quality: Mapping[str, Any], manifest: Mapping[str, Any]) -> Verdict:
    text = (
        f"{quality['bars']:,} one-minute bars are sound: {quality['duplicates_removed']:,} duplicates were removed, "
        f"{quality['forming_bars_dropped']:,} unfinished bars dropped and {quality['halt_minutes_filled']:,} minutes "
        f"of {len(quality['gaps']):,} trading halts marked."
    )
    if manifest["source"] == "synthetic":
        return Verdict(f"{text} The market is synthetic: no model of it may trade.", Tone.NEUTRAL)
    return Verdict(text, Tone.GOOD)


def _summary(quality: Mapping[str, Any]) -> Section:
    tiles = [
        ("Bars", quality["bars"], "of one minute"),
        ("Halts", len(quality["gaps"]), f"{quality['halt_minutes_filled']:,} minutes in total"),
        ("Longest halt", quality["longest_gap_minutes"], "minutes without a candle"),
        ("Without trades", f"{quality['zero_volume']['share']:.2%}", "of the minutes outside halts"),
    ]
    rows = [
        ("Rows read", quality["rows_read"], ""),
        ("Identical duplicates removed", quality["duplicates_removed"], "a repeated row carries nothing new"),
        ("Unfinished bars dropped", quality["forming_bars_dropped"], "the newest minute was not over"),
        ("Candles kept", quality["candles"], "each obeys every rule of the data contract"),
        ("Halt minutes filled", quality["halt_minutes_filled"], "flat at the last close, volume 0, flagged"),
        ("Bars", quality["bars"], "one for every minute"),
    ]
    table = table_html(("Step", "Count", "Why"), rows, caption="From rows to bars")
    return Section("What was done", join_html(tiles_html(tiles), table))


def _gap_section(quality: Mapping[str, Any], manifest: Mapping[str, Any]) -> Section:
    gaps = sorted(quality["gaps"], key=lambda gap: (-gap["minutes"], gap["start"]))
    if not gaps:
        return Section("Trading halts", paragraph_html("There is a candle for every minute."))
    limit = quality["max_gap_minutes"]
    table = table_html(
        ("First missing minute (UTC)", "Next candle (UTC)", "Minutes", "Crossed by labels and windows"),
        [
            (_readable(gap["start"]), _readable(gap["end"]), gap["minutes"], gap["minutes"] <= limit)
            for gap in gaps[:_LISTED_GAPS]
        ],
        caption=f"The {min(len(gaps), _LISTED_GAPS)} longest of {len(gaps)} halts",
    )
    missing = missing_minutes_by_day(quality["gaps"])
    figure = _calendar(missing, _day(manifest["first"]), _day(manifest["last"]))
    worst = max(missing, key=lambda day: missing[day])
    picture = figure_html(
        figure,
        alt=f"Calendar of missing minutes; {len(missing)} days have some, the most are {missing[worst]} on {worst}.",
        caption="Missing minutes of each UTC day; a pale day has none.",
    )
    long_gaps = quality["gaps_not_crossed"]
    lead = f"{long_gaps} of {len(gaps)} halts last longer than {limit} minutes; no label or window crosses them."
    return Section("Trading halts", join_html(picture, table), lead)


def missing_minutes_by_day(gaps: list[Mapping[str, Any]]) -> dict[date, int]:
    """Return the missing minutes of each UTC day that has some.

    Args:
        gaps: each with ``start`` (ISO 8601, UTC) and ``minutes``.
    """
    missing: dict[date, int] = {}
    for gap in gaps:
        moment, left = _moment(gap["start"]), int(gap["minutes"])
        while left:
            until_midnight = _MINUTES_PER_DAY - (moment.hour * 60 + moment.minute)
            today = min(left, until_midnight)
            missing[moment.date()] = missing.get(moment.date(), 0) + today
            moment, left = moment + timedelta(minutes=today), left - today
    return missing


def _calendar(missing: Mapping[date, int], first: date, last: date) -> Figure:
    years = range(first.year, last.year + 1)
    with plot_style():
        figure = Figure(figsize=(8.4, 1.3 * len(years) + 0.5))
        rows = figure.subplots(len(years), squeeze=False)[:, 0]
        meshes = [_draw_year(axes, year, missing, first, last) for axes, year in zip(rows, years, strict=True)]
        bar = figure.colorbar(meshes[0], ax=list(rows), label="minutes", ticks=[1, 10, 60, 1440], pad=0.01)
        bar.ax.set_yticklabels(["1", "10", "60", "1,440"])
    return figure


def _draw_year(axes: Axes, year: int, missing: Mapping[date, int], first: date, last: date) -> QuadMesh:
    cells = np.full((7, 54), np.nan)
    new_year = date(year, 1, 1)
    month_weeks: dict[str, int] = {}
    day = max(first, new_year)
    while day <= min(last, date(year, 12, 31)):
        week, weekday = divmod((day - new_year).days + new_year.weekday(), 7)
        cells[weekday, week] = missing.get(day, _NOTHING_MISSING)
        month_weeks.setdefault(f"{day:%b}", week)
        day += timedelta(days=1)
    colours = matplotlib.colormaps["YlOrRd"].with_extremes(under=_QUIET_DAY)
    scale = LogNorm(1, _MINUTES_PER_DAY)
    mesh = axes.pcolormesh(np.ma.masked_invalid(cells), cmap=colours, norm=scale, edgecolors=_GRID, linewidth=0.4)
    axes.set(ylim=(7, 0), aspect="equal", title=str(year))
    axes.set_xticks([week + 0.5 for week in month_weeks.values()], list(month_weeks))
    axes.set_yticks([0.5, 3.5, 6.5], ["Mon", "Thu", "Sun"])
    axes.grid(visible=False)
    return mesh


def _silence_section(quality: Mapping[str, Any]) -> Section:
    by_month = quality["zero_volume"]["by_month"]
    with plot_style():
        figure = Figure(figsize=(8.4, 2.4))
        axes = figure.add_subplot(ylabel="share of minutes (%)")
        axes.bar(range(len(by_month)), [100 * share for share in by_month.values()])
        step = max(1, len(by_month) // 12)
        axes.set_xticks(range(0, len(by_month), step), list(by_month)[::step])
    worst = max(by_month, key=lambda month: by_month[month])
    alt = f"Share of minutes without trades by month; highest in {worst} with {by_month[worst]:.2%}."
    lead = f"{quality['zero_volume']['bars']:,} minutes saw no trade; the exchange lists them with volume 0."
    return Section("Minutes without trades", figure_html(figure, alt=alt), lead)


def _price_section(quality: Mapping[str, Any], bars_15m: pd.DataFrame) -> Section:
    price = quality["price_jpy"]
    shown = bars_15m.iloc[:: max(1, len(bars_15m) // _PRICE_POINTS)]
    with plot_style():
        figure = Figure(figsize=(8.4, 2.8))
        axes = figure.add_subplot(ylabel="JPY")
        axes.plot(shown["timestamp"].dt.tz_localize(None), shown["close"], linewidth=1.0)
        axes.yaxis.set_major_formatter("{x:,.0f}")
    alt = f"Price from {price['first']:,.0f} to {price['last']:,.0f} JPY."
    lead = f"Lowest {price['lowest']:,.0f} JPY, highest {price['highest']:,.0f} JPY."
    return Section("Price", figure_html(figure, alt=alt, caption="Close of 15-minute bars, thinned out."), lead)


def _returns_section(quality: Mapping[str, Any]) -> Section:
    columns = ("Horizon", "Standard deviation (bp)", "Excess kurtosis", "Autocorrelation of |r|, lag 1", "lag 10")
    rows = [
        (name, figures["std_bp"], figures["excess_kurtosis"], figures["abs_acf_1"], figures["abs_acf_10"])
        for name, figures in quality["returns"].items()
    ]
    return Section("Returns", table_html(columns, rows, caption="Log returns from close to close"))


def _origin_section(manifest: Mapping[str, Any]) -> Section:
    facts: dict[str, object] = {
        "Source": manifest["source"],
        "Location": manifest["location"],
        "SHA-256 of the raw candles": manifest["sha256"],
        "SHA-256 of the 1-minute bars": manifest["bars_sha256"],
        "Schema version": manifest["schema_version"],
    }
    details = manifest["details"].items()
    facts |= {key.replace("_", " ").capitalize(): value for key, value in details if value is not None}
    return Section("Origin", facts_html(facts))


def _moment(iso: str) -> datetime:
    return datetime.fromisoformat(iso).astimezone(UTC)


def _day(iso: str) -> date:
    return _moment(iso).date()


def _readable(iso: str) -> Markup:
    return Markup(f"{_moment(iso):%Y-%m-%d %H:%M}")
