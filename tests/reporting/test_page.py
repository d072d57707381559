"""The report page: self-contained, escaped, repeatable, and never blank where something is missing."""

import re

import pytest
from markupsafe import Markup
from matplotlib.figure import Figure

from crypto_kedro.reporting.page import (
    Section,
    Tone,
    Verdict,
    badge_html,
    cell_text,
    facts_html,
    figure_html,
    plot_style,
    render_page,
    table_html,
    tiles_html,
)


def line_figure() -> Figure:
    with plot_style():
        figure = Figure()
        axes = figure.subplots()
        axes.plot([0, 1, 2], [1.0, 3.0, 2.0], label="line & dot")
        axes.set_title("A title")
        axes.legend()
    return figure


def test_a_page_links_its_sections_by_their_headings() -> None:
    page = render_page("Report", [Section("Profit & loss", Markup("<p>x</p>")), Section("Gates", Markup("<p>y</p>"))])
    assert '<a href="#profit-loss">Profit &amp; loss</a>' in page
    assert '<h2 id="profit-loss">' in page
    assert page.index('id="profit-loss"') < page.index('id="gates"')


def test_a_page_escapes_text_and_keeps_trusted_markup() -> None:
    page = render_page(
        "<b>",
        [Section("One", Markup("<em>kept</em>"), lead="a < b")],
        subtitle="x & y",
        verdict=Verdict("1 < 2", Tone.BAD),
        footer="<i>",
    )
    assert "<title>&lt;b&gt;</title>" in page
    assert "<em>kept</em>" in page
    assert "a &lt; b" in page
    assert "x &amp; y" in page
    assert '<p class="verdict bad" role="note"><strong>Verdict.</strong> 1 &lt; 2</p>' in page
    assert "<p>&lt;i&gt;</p>" in page


def test_a_plain_string_is_not_taken_for_markup() -> None:
    page = render_page("Report", [Section("One", "<script>alert(1)</script>")])  # type: ignore[arg-type]
    assert "<script>" not in page


def test_a_page_forbids_every_request_and_serves_dark_print_and_phone() -> None:
    page = render_page("Report", [Section("One", Markup("x"))])
    assert "default-src 'none'" in page
    assert not re.search(r"(?:src|href)=\"(?!#)", page)
    for rule in ("prefers-color-scheme: dark", "@media print", "size: A4", "max-width: 40rem"):
        assert rule in page


def test_two_sections_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="Gates"):
        render_page("Report", [Section("Gates", Markup("x")), Section("Gates", Markup("y"))])


def test_a_figure_is_inline_vector_art_with_a_name_and_the_ink_of_the_page() -> None:
    html = figure_html(line_figure(), alt='A "line"', caption="Up & down.")
    assert html.startswith("<figure>")
    assert 'aria-label="A &#34;line&#34;"' in html
    assert "<figcaption>Up &amp; down.</figcaption>" in html
    assert "A title" in html
    assert "#000000" not in html
    assert "<metadata>" not in html
    assert '<g id="' not in html
    assert "http" not in html.replace("http://www.w3.org/", "")


def test_the_same_figure_gives_the_same_bytes() -> None:
    assert figure_html(line_figure(), alt="x") == figure_html(line_figure(), alt="x")


def test_a_table_names_its_columns_and_rows_and_aligns_numbers() -> None:
    html = table_html(["gate", "value"], [["trades", 1234], ["profit", None]], caption="All <gates>")
    assert "<caption>All &lt;gates&gt;</caption>" in html
    assert '<th scope="col">gate</th><th scope="col" class="figure">value</th>' in html
    assert '<th scope="row">trades</th><td class="figure">1,234</td>' in html
    assert "not measured" in html


def test_a_table_aligns_dates_and_words_as_text() -> None:
    html = table_html(["window", "from"], [["fold-1", "2025-01-01 to 2025-02-01"]], caption="Windows")
    assert '"figure"' not in html


def test_a_table_with_a_short_row_is_refused_by_its_name() -> None:
    with pytest.raises(ValueError, match="'Windows': row 1 has 1 cells for 2 columns"):
        table_html(["a", "b"], [["x", 1], ["y"]], caption="Windows")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (390_051, "390,051"),
        (1.083456, "1.083"),
        (1_234_567.8, "1,234,568"),
        (True, "yes"),
        (False, "no"),
        ("a < b", "a &lt; b"),
        (badge_html("pass", Tone.GOOD), '<span class="badge good">pass</span>'),
    ],
)
def test_a_cell_shows_a_value_as_a_reader_expects_it(value: object, text: str) -> None:
    assert cell_text(value) == text


@pytest.mark.parametrize("value", [None, float("nan")])
def test_a_cell_without_a_value_says_so(value: float | None) -> None:
    assert "not measured" in cell_text(value)


def test_facts_and_tiles_are_definition_lists_of_escaped_text() -> None:
    assert "<dt>a&amp;b</dt><dd>7</dd>" in facts_html({"a&b": 7})
    assert "<dt>Trades</dt><dd>12<small>in &lt;b&gt; bars</small></dd>" in tiles_html([("Trades", 12, "in <b> bars")])
