"""A session beside the backtest of its days, as a page and as a table for the terminal."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from crypto_kedro.reporting.page import (
    NOT_APPLICABLE,
    Section,
    Tone,
    Verdict,
    badge_html,
    facts_html,
    figure_html,
    join_html,
    paragraph_html,
    plot_style,
    render_page,
    table_html,
    tiles_html,
)
from crypto_kedro.session.parity.difference import Cause

_PRINTED = 20
_NAMES = {"bars": "Bars decided", "orders": "Orders", "executions": "Executions", "round_trips": "Round trips"}


def parity_html(record: Mapping[str, Any]) -> str:
    """Return the comparison as a self-contained HTML page.

    Args:
        record: `crypto_kedro.session.parity.Parity.as_dict`.
    """
    sessions = record["sessions"]
    return render_page(
        "Session and backtest",
        [
            _summary(record),
            _counted(record),
            _equity(record),
            _listed(record),
            Section("Causes", facts_html({word.value: word.meaning for word in Cause if word in _causes(record)}))
            if record["differences"]
            else Section("Causes", paragraph_html("Nothing differs, so there is nothing to explain.")),
        ],
        subtitle=f"{sessions[0]['session_id']}{f' and {len(sessions) - 1} more' if len(sessions) > 1 else ''}, "
        f"{sessions[0]['model']}, {_readable(sessions[0]['started_at'])} to {_readable(sessions[-1]['until'])} UTC",
        verdict=Verdict(record["verdict"], _tone(record)),
        footer="The backtest decides the published candles of the same days by the session's own model and settings.",
    )


def print_parity(record: Mapping[str, Any], console: Console) -> None:
    """Print the counts, and the first differences that do not only follow from others."""
    if not record["differences"]:
        return
    table = Table(title="Session and backtest", title_justify="left")
    for column in ("No.", "At (UTC)", "Differs", "Live", "Backtest", "Cause"):
        table.add_column(column)
    # What is unexplained comes first, so that no long list hides it.
    roots = [one for one in record["list"] if one["because"] is None]
    roots.sort(key=lambda one: one["cause"] != Cause.UNEXPLAINED)
    for one in roots[:_PRINTED]:
        table.add_row(
            str(one["number"]), _readable(one["at"]), f"{one['kind']}: {one['what']}", one["live"] or NOT_APPLICABLE,
            one["backtest"] or NOT_APPLICABLE, one["cause"],
        )  # fmt: skip
    console.print(table)
    unlisted = record["differences"] - min(len(roots), _PRINTED)
    if unlisted:
        console.print(f"{unlisted} more follow from these or stand in the report.")


def equity_figure(record: Mapping[str, Any]) -> Figure:
    """Draw the equity of both, and below it how far the session is from its backtest."""
    equity = record["equity"]
    moments = [datetime.fromtimestamp(at_ms / 1000, UTC).replace(tzinfo=None) for at_ms in equity["at_ms"]]
    gap = [one - other for one, other in zip(equity["live"], equity["backtest"], strict=True)]
    with plot_style():
        figure = Figure(figsize=(8.4, 4.2))
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        upper.plot(moments, equity["live"], label="session", linewidth=1.8)
        upper.plot(moments, equity["backtest"], label="backtest", linewidth=1.2, linestyle=(0, (4, 2)))
        upper.set_title("Equity, JPY")
        upper.ticklabel_format(axis="y", useOffset=False, style="plain")
        lower.plot(moments, gap, color="#8a8f98")
        lower.axhline(0, color="#8a8f98", linewidth=0.6)
        lower.set_title("Session less backtest, JPY")
        figure.legend(loc="outside lower center", ncols=2)
    return figure


def _summary(record: Mapping[str, Any]) -> Section:
    compared, spread = record["compared"], record["spread_ppm"]
    tiles = [(_NAMES[name], both["live"], f"{both['backtest']:,} in the backtest") for name, both in compared.items()]
    facts = {
        "Differences": record["differences"],
        "Unexplained": record["unexplained"],
        "Session less backtest at the end": f"{record['equity_gap_jpy']:+,.2f} JPY",
        "Executions worse than assumed, mean": _basis_points(record["adverse_ppm"]),
        "Spread, observed mean": _basis_points(spread["observed"]),
        "Spread, assumed": _basis_points(spread["assumed"]),
    }
    return Section("Summary", join_html(tiles_html(tiles), facts_html(facts)))


def _counted(record: Mapping[str, Any]) -> Section:
    causes = _causes(record)
    if not causes:
        return Section("What differs", paragraph_html("Nothing."))
    rows = [
        [kind, *(by_cause.get(cause, 0) for cause in causes), sum(by_cause.values())]
        for kind, by_cause in record["counts"].items()
    ]
    table = table_html(["", *causes, "all"], rows, caption="Differences by what differs and why")
    return Section("What differs", table)


def _equity(record: Mapping[str, Any]) -> Section:
    picture = figure_html(
        equity_figure(record),
        alt=f"Equity of the session and of its backtest, {record['equity_gap_jpy']:+,.2f} JPY apart at the end.",
        caption="At the close of every bar that the session decided.",
    )
    return Section("Equity", picture)


def _listed(record: Mapping[str, Any]) -> Section:
    if not record["list"]:
        return Section("Every difference", paragraph_html("There is none."))
    table = table_html(
        ("No.", "At (UTC)", "Kind", "What", "Live", "Backtest", "Cause", "Evidence"),
        _rows(record),
        caption=f"{record['differences']} differences in the order of time",
    )
    return Section("Every difference", table, "A difference that follows from an earlier one names it.")


def _rows(record: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    for one in record["list"]:
        cause: object = one["cause"]
        if one["cause"] == Cause.UNEXPLAINED:
            cause = badge_html("unexplained", Tone.BAD)
        yield (
            one["number"], _readable(one["at"]), one["kind"], one["what"], one["live"] or Markup(NOT_APPLICABLE),
            one["backtest"] or Markup(NOT_APPLICABLE), cause, one["evidence"],
        )  # fmt: skip


def _causes(record: Mapping[str, Any]) -> list[str]:
    found = {cause for by_cause in record["counts"].values() for cause in by_cause}
    return [cause.value for cause in Cause if cause.value in found]


def _tone(record: Mapping[str, Any]) -> Tone:
    if record["unexplained"]:
        return Tone.BAD
    return Tone.NEUTRAL if record["differences"] else Tone.GOOD


def _basis_points(ppm: float | None) -> str | None:
    return None if ppm is None else f"{ppm / 100:+.2f} bp"


def _readable(moment: str) -> str:
    return moment.replace("T", " ").removesuffix("Z")
