"""One HTML page that explains itself: no script, no external request, readable on a phone, in the dark and on paper."""

import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from numbers import Integral, Real
from typing import Any

import matplotlib
from cycler import cycler
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from matplotlib.figure import Figure

NOT_MEASURED = "not measured"
NOT_APPLICABLE = "\N{EN DASH}"

_INK = "#000000"
_PLOT_STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#8a8f98",
    "axes.grid": True,
    "axes.prop_cycle": cycler(color=["#2f7fc1", "#d07a22", "#3f9a6b", "#a465b5", "#8a8f98"]),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "date.converter": "concise",
    "figure.constrained_layout.use": True,
    "figure.figsize": (8.4, 3.2),
    "font.size": 9.5,
    "grid.alpha": 0.35,
    "grid.color": "#8a8f98",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "xtick.color": "#8a8f98",
    "xtick.labelcolor": _INK,
    "ytick.color": "#8a8f98",
    "ytick.labelcolor": _INK,
}
_SVG_SETTINGS: Any = {"svg.hashsalt": "crypto-kedro", "svg.fonttype": "none"}
_ANONYMOUS = {"Date": None, "Creator": None, "Format": None, "Type": None}


class Tone(StrEnum):
    """What a mark says beside its words; never the only carrier of the meaning."""

    GOOD = "good"
    BAD = "bad"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Section:
    """One titled part of a page.

    Args:
        title: heading; also names the link in the table of contents.
        html: trusted markup, as made by the functions of this module; a plain string is escaped, not rendered.
        lead: one or two plain sentences under the heading, empty for none.
    """

    title: str
    html: Markup
    lead: str = ""

    @property
    def anchor(self) -> str:
        """The heading as an id: lower case, words joined by hyphens."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The sentence that a reader should take home, and its tone."""

    text: str
    tone: Tone = Tone.NEUTRAL


def render_page(
    title: str,
    sections: Sequence[Section],
    *,
    subtitle: str = "",
    verdict: Verdict | None = None,
    footer: str = "",
) -> str:
    """Return a complete HTML document of the sections, in their order.

    The same arguments give the same bytes.

    Raises:
        ValueError: two sections would have the same anchor.
    """
    anchors: set[str] = set()
    for section in sections:
        if section.anchor in anchors:
            raise ValueError(f"page {title!r}: a second section is called {section.title!r}")
        anchors.add(section.anchor)
    environment = Environment(
        loader=PackageLoader("crypto_kedro.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("page.html")
    return template.render(
        title=title,
        sections=sections,
        subtitle=subtitle,
        verdict=verdict,
        footer=footer,
    )


def plot_style() -> AbstractContextManager[None]:
    """Return the context in which figures for a page are made; its colours stand on light and dark ground."""
    return matplotlib.rc_context(_PLOT_STYLE)


def figure_html(figure: Figure, *, alt: str, caption: str = "") -> Markup:
    """Return a figure as inline SVG whose black ink follows the page's colour scheme.

    Args:
        figure: made inside ``plot_style()``; it is drawn without its background.
        alt: what the figure shows, for a reader who cannot see it.
        caption: sentence under the figure, empty for none.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context(_SVG_SETTINGS):
        figure.savefig(buffer, format="svg", transparent=True, metadata=_ANONYMOUS)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    view_box = re.search(r'viewBox="([^"]+)"', svg)
    if view_box is None:
        raise ValueError("matplotlib wrote an SVG without a viewBox")
    body = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index(">") + 1 :], flags=re.DOTALL)
    # Matplotlib numbers its groups anew in every figure; several figures share one page, where ids are unique.
    body = re.sub(r'<g id="[^"]*"', "<g", body).replace(_INK, "currentColor")
    note = Markup("<figcaption>{}</figcaption>").format(caption) if caption else Markup()
    return Markup(
        '<figure><div class="scroll" tabindex="0"><svg role="img" aria-label="{}" viewBox="{}">{}</div>{}</figure>'
    ).format(alt, view_box[1], Markup(body.rstrip()), note)


def table_html(columns: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str) -> Markup:
    """Return a table whose first column heads its rows.

    Args:
        columns: one heading a column.
        rows: cells as ``cell_text`` renders them; markup made by this module stays markup.
        caption: what the table holds.

    Raises:
        ValueError: a row is shorter or longer than the headings.
    """
    body = [list(row) for row in rows]
    for number, row in enumerate(body):
        if len(row) != len(columns):
            raise ValueError(f"table {caption!r}: row {number} has {len(row)} cells for {len(columns)} columns")
    numeric = [bool(body) and all(_is_figure(row[column]) for row in body) for column in range(len(columns))]
    head = Markup().join(
        Markup('<th scope="col"{}>{}</th>').format(_align(right), name)
        for name, right in zip(columns, numeric, strict=True)
    )
    lines = Markup().join(Markup("<tr>{}</tr>").format(_row_html(row, numeric)) for row in body)
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="{}"><table><caption>{}</caption>'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(caption, caption, head, lines)


def facts_html(facts: Mapping[str, object]) -> Markup:
    """Return name and value pairs as a definition list."""
    pairs = (
        Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(name, cell_text(value)) for name, value in facts.items()
    )
    return Markup('<dl class="facts">{}</dl>').format(Markup().join(pairs))


def tiles_html(tiles: Sequence[tuple[str, object, str]]) -> Markup:
    """Return a row of key figures, each a (name, value, remark) triple."""
    cells = (
        Markup('<div class="tile"><dt>{}</dt><dd>{}<small>{}</small></dd></div>').format(name, cell_text(value), remark)
        for name, value, remark in tiles
    )
    return Markup('<dl class="tiles">{}</dl>').format(Markup().join(cells))


def badge_html(text: str, tone: Tone) -> Markup:
    """Return a short word set off as a mark."""
    return Markup('<span class="badge {}">{}</span>').format(tone.value, text)


def paragraph_html(text: str) -> Markup:
    """Return escaped text as a paragraph."""
    return Markup("<p>{}</p>").format(text)


def join_html(*parts: Markup) -> Markup:
    """Return several pieces of markup, one after the other."""
    return Markup("\n").join(parts)


def cell_text(value: object) -> Markup:
    """Return a value as a reader expects it: thousands separated, 4 significant digits, nothing left blank."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return Markup('<span class="unmeasured">{}</span>').format(NOT_MEASURED)
    if isinstance(value, bool):
        return Markup("yes" if value else "no")
    if isinstance(value, Integral):
        return Markup(f"{int(value):,}")
    if isinstance(value, float):
        return Markup(f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}")
    return escape(value)


def _is_figure(value: object) -> bool:
    if isinstance(value, Markup):
        return False
    if isinstance(value, str):
        if value == NOT_APPLICABLE:
            return True
        return re.match(r"[-+\u2212]?\d", value) is not None and len(value) < 24 and not re.match(r"\d{4}-\d", value)
    return value is None or (isinstance(value, Real) and not isinstance(value, bool))


def _align(right: bool) -> Markup:
    return Markup(' class="figure"') if right else Markup()


def _row_html(row: Sequence[object], numeric: Sequence[bool]) -> Markup:
    first = Markup('<th scope="row"{}>{}</th>').format(_align(numeric[0]), cell_text(row[0]))
    rest = (
        Markup("<td{}>{}</td>").format(_align(right), cell_text(value))
        for value, right in zip(row[1:], numeric[1:], strict=True)
    )
    return first + Markup().join(rest)
