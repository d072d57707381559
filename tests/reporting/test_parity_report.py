"""The page and the terminal's table about a session and its backtest, from a record written by hand."""

import io
from typing import Any

import pytest
from rich.console import Console

from crypto_kedro.reporting.parity_report import equity_figure, parity_html, print_parity

MOMENT_MS = 1_772_496_000_000


def difference(number: int, cause: str, because: int | None = None, **changed: Any) -> dict[str, Any]:
    return {
        "number": number,
        "kind": "fill_price",
        "at": "2026-03-03T00:00:00Z",
        "at_ms": MOMENT_MS,
        "what": "entry",
        "live": "6738918",
        "backtest": "6738603",
        "cause": cause,
        "evidence": f"evidence {number}.",
        "because": because,
        **changed,
    }


def record(*differences: dict[str, Any]) -> dict[str, Any]:
    counts: dict[str, dict[str, int]] = {}
    for one in differences:
        by_cause = counts.setdefault(one["kind"], {})
        by_cause[one["cause"]] = by_cause.get(one["cause"], 0) + 1
    return {
        "verdict": "Said in one sentence.",
        "sessions": [
            {
                "session_id": "paper-1",
                "environment": "paper",
                "model": "btc-jpy-ensemble version 1",
                "started_at": "2026-03-03T00:00:18Z",
                "until": "2026-03-03T01:15:35Z",
                "ended": "asked to end",
            }
        ],
        "compared": {name: {"live": 6, "backtest": 7} for name in ("bars", "orders", "executions", "round_trips")},
        "differences": len(differences),
        "unexplained": sum(one["cause"] == "unexplained" for one in differences),
        "counts": counts,
        "adverse_ppm": 46.7,
        "spread_ppm": {"observed": 99.9, "assumed": 200.0},
        "equity_gap_jpy": -3.5,
        "list": list(differences),
        "equity": {
            "at_ms": [MOMENT_MS, MOMENT_MS + 900_000],
            "live": [100_000.0, 99_996.5],
            "backtest": [100_000.0, 100_000.0],
        },
    }


def printed(told: dict[str, Any]) -> str:
    console = Console(file=io.StringIO(), width=160)
    print_parity(told, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_given_no_difference_when_reported_then_the_page_says_so_and_nothing_is_printed() -> None:
    page = parity_html(record())
    assert "Said in one sentence." in page
    assert "Nothing differs" in page
    assert printed(record()) == ""


def test_given_differences_when_reported_then_the_page_lists_each_with_its_evidence_and_explains_the_causes() -> None:
    page = parity_html(record(difference(1, "cost"), difference(2, "knock_on", because=1, kind="order", backtest=None)))
    assert "evidence 1." in page
    assert "evidence 2." in page
    assert "spread, slippage and delay" in page
    assert "-3.50 JPY" in page
    assert "foreign_order" not in page


def test_given_something_unexplained_when_reported_then_it_is_marked_and_printed_first() -> None:
    told = record(difference(1, "cost"), difference(2, "unexplained", what="target"))
    assert '<span class="badge bad">unexplained</span>' in parity_html(told)
    text = printed(told)
    assert text.index("unexplained") < text.index("cost")


def test_given_consequences_when_printed_then_only_their_number_is_told() -> None:
    text = printed(record(difference(1, "cost"), *(difference(n, "knock_on", because=1) for n in range(2, 12))))
    assert "knock_on" not in text
    assert "10 more follow from these" in text


def test_given_more_roots_than_fit_when_printed_then_the_rest_is_counted() -> None:
    text = printed(record(*(difference(n, "cost") for n in range(1, 31))))
    assert "10 more" in text


def test_given_two_equities_when_drawn_then_both_and_their_gap_are_shown() -> None:
    upper, lower = equity_figure(record()).axes
    live, backtest = (line.get_ydata() for line in upper.lines[:2])
    assert list(live) == [100_000.0, 99_996.5]
    assert list(backtest) == [100_000.0, 100_000.0]
    assert list(lower.lines[0].get_ydata()) == pytest.approx([0.0, -3.5])
