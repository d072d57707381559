"""The backtest sections of a report: right numbers, no script in the page, a zoomable figure beside it."""

import re
from dataclasses import replace

import pandas as pd
import pytest

from crypto_kedro.learning.performance import AccountHistory, measure_account
from crypto_kedro.reporting.backtest_sections import (
    backtest_sections,
    cost_section,
    funnel_section,
    monthly_section,
    trades_page,
    trades_plotly,
    trades_section,
)
from crypto_kedro.reporting.page import render_page

DIED = {"gap_minutes": 700, "confidence": 25_000, "expected_value": 120, "position_lots": 150}


def history(trades: int = 2) -> AccountHistory:
    at = pd.date_range("2018-01-31T12:00", periods=96, freq="15min", tz="UTC").as_unit("ms")
    equity = pd.DataFrame(
        {"timestamp": at, "equity_jpy": 100_000.0, "position_btc": 0.0, "close_jpy": 1_000_000.0 + 100 * at.hour}
    )
    equity.loc[50:, "equity_jpy"] = 100_440.0
    table = pd.DataFrame(
        {
            "side": [1, -1],
            "opened_at": at[[4, 20]],
            "closed_at": at[[10, 50]],
            "entry_price_jpy": [1_000_000.0, 1_010_000.0],
            "exit_price_jpy": [1_030_000.0, 990_000.0],
            "amount_btc": [0.01, 0.01],
            "gross_jpy": [300.0, 200.0],
            "fee_jpy": [24.0, 24.0],
            "interest_jpy": [0.0, 4.0],
            "net_jpy": [276.0, 172.0],
            "exit_reason": ["take_profit", "time_limit"],
            "mae_jpy": [-40.0, -10.0],
            "mfe_jpy": [310.0, 250.0],
        }
    )
    return AccountHistory(equity, table.iloc[:trades], 100_000.0)


def rows_of(html: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", html)
    return [[re.sub("<.*?>", "", cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row)] for row in rows]


@pytest.mark.parametrize("trades", [0, 2])
def test_the_sections_make_a_page_without_script_or_request(trades: int) -> None:
    record = history(trades)
    page = render_page("Backtest", backtest_sections(record, measure_account(record), 26_000, DIED, "trades.html"))
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=\"(?!#)", page)
    assert ">nan<" not in page


def test_the_same_record_gives_the_same_bytes() -> None:
    first, second = (
        render_page("Backtest", backtest_sections(record, measure_account(record), 26_000, DIED))
        for record in (history(), history())
    )
    assert first == second


def test_the_funnel_tells_how_many_bars_each_gate_stopped() -> None:
    section = funnel_section(26_000, DIED)
    assert section.lead == (
        "Of 26,000 bars: 300 signals, 120 stopped by expected value, 150 stopped by position lots, "
        "30 passed every gate."
    )
    assert rows_of(section.html)[1:] == [
        ["gap minutes", "26,000", "700", "25,300", "2.7%"],
        ["confidence", "25,300", "25,000", "300", "96.2%"],
        ["expected value", "300", "120", "180", "0.5%"],
        ["position lots", "180", "150", "30", "0.6%"],
    ]


def test_a_funnel_that_stops_more_bars_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="25970 of 100 bars died"):
        funnel_section(100, DIED)


def test_the_cost_table_leads_from_gross_to_the_accounts_net() -> None:
    performance = replace(measure_account(history()), net_profit_jpy=440.0)
    assert rows_of(cost_section(performance).html)[1:] == [
        ["Gross of closed trades", "+500"],
        ["Fees", "-48"],
        ["Interest", "-4"],
        ["Net of closed trades", "+448"],
        ["Position open at the end", "-8"],
        ["Net profit of the account", "+440"],
    ]


def test_months_show_the_account_and_the_trades_closed_in_them() -> None:
    rows = rows_of(monthly_section(history()).html)[1:]
    assert rows[0][:5] == ["2018-01", "+0", "+0.00%", "0.0%", "1"]
    assert rows[1][:5] == ["2018-02", "+440", "+0.44%", "0.0%", "1"]


def test_trades_are_grouped_by_their_exit_and_point_to_the_zoomable_file() -> None:
    section = trades_section(history(), "trades.html")
    assert "trades.html" in section.lead
    assert rows_of(section.html)[1:] == [
        ["take_profit", "1", "+276", "-40", "+310"],
        ["time_limit", "1", "+172", "-10", "+250"],
    ]


def test_the_zoomable_figure_draws_each_trade_from_entry_to_exit() -> None:
    price, longs, shorts = trades_plotly(history()).data
    assert price.x[0] == "2018-01-31T12:15:00"
    assert longs.x == ("2018-01-31T13:00:00", "2018-01-31T14:30:00", None)
    assert longs.y == (1_000_000.0, 1_030_000.0, None)
    assert shorts.text[0] == "short 0.01 BTC, time_limit, net +172 JPY"


def test_the_zoomable_page_brings_its_own_script_and_repeats_to_the_byte() -> None:
    page = trades_page(history())
    assert not re.search(r"<(?:script|link)[^>]+(?:src|href)=", page)
    assert len(page) < 6_000_000
    assert page == trades_page(history())
