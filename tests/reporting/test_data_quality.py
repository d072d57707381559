"""The data-quality report as a reader meets it."""

import copy
import re
from datetime import date
from html.parser import HTMLParser
from typing import Any

import pandas as pd
import pytest

from crypto_kedro.reporting.data_quality import data_quality_html, missing_minutes_by_day

FIGURES = {"std_bp": 15.68, "excess_kurtosis": 100.0, "abs_acf_1": 0.41, "abs_acf_10": 0.24}
MANIFEST: dict[str, Any] = {
    "source": "file",
    "location": "candles <2018>.parquet",
    "pair": "btc_jpy",
    "sha256": "ab" * 32,
    "bars_sha256": "cd" * 32,
    "schema_version": "1",
    "first": "2018-12-30T00:00:00Z",
    "last": "2019-01-02T23:59:00Z",
    "details": {"start": None, "files": 1},
}
QUALITY: dict[str, Any] = {
    "rows_read": 5_600,
    "duplicates_removed": 3,
    "forming_bars_dropped": 1,
    "candles": 5_596,
    "halt_minutes_filled": 164,
    "bars": 5_760,
    "gaps": [
        {"start": "2018-12-31T23:00:00Z", "end": "2019-01-01T01:30:00Z", "minutes": 150},
        {"start": "2019-01-02T10:00:00Z", "end": "2019-01-02T10:14:00Z", "minutes": 14},
    ],
    "longest_gap_minutes": 150,
    "max_gap_minutes": 60,
    "gaps_not_crossed": 1,
    "zero_volume": {"bars": 56, "share": 0.01, "by_month": {"2018-12": 0.02, "2019-01": 0.005}},
    "price_jpy": {"first": 400_000.0, "last": 410_000.0, "lowest": 390_000.0, "highest": 420_000.0},
    "returns": {"1m": FIGURES, "4h": dict.fromkeys(FIGURES)},
}


@pytest.fixture(scope="module")
def bars_15m() -> pd.DataFrame:
    times = pd.date_range("2018-12-30", periods=384, freq="15min", tz="UTC").as_unit("ms")
    return pd.DataFrame({"timestamp": times, "close": range(400_000, 400_384)})


@pytest.fixture(scope="module")
def page(bars_15m: pd.DataFrame) -> str:
    return data_quality_html(QUALITY, MANIFEST, bars_15m)


class Tables(HTMLParser):
    """The rows of all tables, as lists of texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._inside = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self._inside = True
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.rows[-1][-1] += data


def test_given_an_account_when_reported_then_every_count_stands_in_the_table(page: str) -> None:
    rows = {row[0]: row[1] for row in Tables(page).rows}

    assert rows["Rows read"] == "5,600"
    assert rows["Identical duplicates removed"] == "3"
    assert rows["Unfinished bars dropped"] == "1"
    assert rows["Halt minutes filled"] == "164"
    assert rows["Bars"] == "5,760"


def test_given_halts_when_reported_then_they_are_listed_longest_first_with_whether_they_are_crossed(page: str) -> None:
    rows = [row for row in Tables(page).rows if row[0].startswith(("2018-", "2019-"))]

    assert rows == [
        ["2018-12-31 23:00", "2019-01-01 01:30", "150", "no"],
        ["2019-01-02 10:00", "2019-01-02 10:14", "14", "yes"],
    ]


def test_given_halts_when_reported_then_the_calendar_names_its_worst_day(page: str) -> None:
    assert "3 days have some, the most are 90 on 2019-01-01" in page


def test_given_no_halt_when_reported_then_the_page_says_so(bars_15m: pd.DataFrame) -> None:
    quality = {**QUALITY, "gaps": [], "longest_gap_minutes": 0, "gaps_not_crossed": 0, "halt_minutes_filled": 0}

    assert "There is a candle for every minute." in data_quality_html(quality, MANIFEST, bars_15m)


def test_given_figures_that_could_not_be_measured_when_reported_then_they_are_called_so(page: str) -> None:
    (row,) = [row for row in Tables(page).rows if row[0] == "4h"]

    assert row[1:] == ["not measured"] * 4


def test_given_a_location_with_markup_when_reported_then_it_is_escaped(page: str) -> None:
    assert "candles &lt;2018&gt;.parquet" in page


def test_given_a_synthetic_source_when_reported_then_the_verdict_warns(page: str, bars_15m: pd.DataFrame) -> None:
    synthetic = data_quality_html(QUALITY, {**MANIFEST, "source": "synthetic"}, bars_15m)

    assert "no model of it may trade" in synthetic
    assert "no model of it may trade" not in page


def test_given_the_page_when_opened_offline_then_it_needs_nothing_from_elsewhere(page: str) -> None:
    links = re.findall(r"""(?:src|href)\s*=\s*["']?([^"'\s>]*)""", page)

    assert links
    assert all(link.startswith(("#", "data:image/")) for link in links)
    assert "<script" not in page
    assert len(page) < 500_000


def test_given_the_same_account_when_reported_twice_then_the_bytes_are_the_same(
    page: str, bars_15m: pd.DataFrame
) -> None:
    assert data_quality_html(copy.deepcopy(QUALITY), copy.deepcopy(MANIFEST), bars_15m) == page


def test_given_a_halt_over_midnight_when_counted_by_day_then_each_day_gets_its_own_minutes() -> None:
    assert missing_minutes_by_day(QUALITY["gaps"]) == {
        date(2018, 12, 31): 60,
        date(2019, 1, 1): 90,
        date(2019, 1, 2): 14,
    }
