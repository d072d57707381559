"""What everybody sees: ticker, book, trades and candles, and the candles that become trades."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from served import PRICE, START_MS, Served, script

from crypto_kedro.errors import DataError
from crypto_kedro.exchange.simulator.markets import market
from crypto_kedro.exchange.simulator.order_book import levels_above, levels_below, touch_around
from crypto_kedro.exchange.simulator.price_source import CandleSource, ScriptSource, trades_of_bar
from crypto_kedro.market.bars import MINUTE_MS, Bars
from crypto_kedro.market.moments import day_start_ms, parse_day
from crypto_kedro.trading.money import Rate
from crypto_kedro.trading.orders import Side
from crypto_kedro.trading.quotes import BarRow, TradePrint

DAY = "20260528"


def bars(count: int, start_ms: int = START_MS - 30 * MINUTE_MS, seed: int = 7) -> Bars:
    """A random walk of one-minute bars in whole ticks and lots."""
    random = np.random.default_rng(seed)
    close = np.rint(PRICE * np.exp(np.cumsum(random.normal(0, 0.001, count))))
    opened = np.concatenate(([float(PRICE)], close[:-1]))
    reach = np.rint(np.abs(random.normal(0, 0.0005, (2, count))) * close)
    return Bars(
        MINUTE_MS,
        start_ms + np.arange(count, dtype=np.int64) * MINUTE_MS,
        opened,
        np.maximum(opened, close) + reach[0],
        np.minimum(opened, close) - reach[1],
        close,
        random.integers(4, 90_000, count) / 1e4,
        np.zeros(count, dtype=np.int64),
    )


def test_the_ticker_covers_the_last_24_hours(serve: Callable[..., Served]) -> None:
    simulator = serve(script((60, 15_200_000, "1", "buy"), (120, 14_900_000, "2", "sell"), (90_000, PRICE, "4", "buy")))
    simulator.pass_seconds(120)
    assert simulator.client.public("/btc_jpy/ticker").data == {
        "sell": "14901490",
        "buy": "14900000",
        "high": "15200000",
        "low": "14900000",
        "open": str(PRICE),
        "last": "14900000",
        "vol": "3.0000",
        "timestamp": START_MS + 120_000,
    }
    simulator.pass_seconds(90_000 - 120)
    later = simulator.client.public("/tickers_jpy").data[0]
    assert (later["pair"], later["vol"], later["open"], later["high"]) == ("btc_jpy", "4.0000", "14900000", str(PRICE))


def test_the_book_shows_200_levels_a_side_and_never_crosses(quiet: Served) -> None:
    book = quiet.client.public("/btc_jpy/depth").data
    asks, bids = ([int(price) for price, _ in book[side]] for side in ("asks", "bids"))
    assert (len(asks), len(bids)) == (200, 200)
    assert asks == sorted(set(asks))
    assert bids == sorted(set(bids), reverse=True)
    assert bids[0] < asks[0]
    assert isinstance(book["sequenceId"], str)


def test_own_resting_orders_stand_in_the_book(quiet: Served) -> None:
    quiet.client.order("buy", "limit", "0.0123", price="14999000")
    quiet.client.order("sell", "limit", "0.1", price=str(PRICE + 1_000_000))
    book = quiet.client.public("/btc_jpy/depth").data
    assert book["bids"][0] == ["14999000", "0.0123"]
    assert quiet.client.public("/btc_jpy/ticker").data["buy"] == "14999000"


def test_what_a_taker_took_is_gone_until_the_market_trades(serve: Callable[..., Served]) -> None:
    simulator = serve(script((5, PRICE, "0.1", "buy")))
    simulator.client.order("buy", "market", "0.02")
    assert simulator.client.public("/btc_jpy/depth").data["asks"][0] == [str(PRICE), "0.4800"]
    simulator.pass_seconds(5)
    assert simulator.client.public("/btc_jpy/depth").data["asks"][0] == [str(PRICE), "0.5000"]


def test_the_sequence_id_grows_with_every_change(quiet: Served) -> None:
    def sequence() -> int:
        return int(quiet.client.public("/btc_jpy/depth").data["sequenceId"])

    before = sequence()
    assert sequence() == before
    quiet.client.order("buy", "limit", "0.01", price="14000000")
    assert sequence() > before


@given(st.integers(1_000, 100_000_000), st.integers(1, 10_000_000))
def test_levels_rise_from_the_touch_and_stay_where_they_are(price: int, move: int) -> None:
    asks = levels_above(price, 5_000, 5_000)
    assert all(near[0] < far[0] for near, far in pairwise(asks))
    bids = levels_below(price, 5_000, 5_000)
    assert all(near[0] > far[0] > 0 for near, far in pairwise(bids))
    near_by = dict(levels_above(price + move % 50 + 1, 5_000, 5_000)[1:])
    shared = [(at, lots) for at, lots in asks[1:] if at in near_by]
    assert all(near_by[at] == lots for at, lots in shared)


@given(st.integers(2, 100_000_000), st.sampled_from(Side))
def test_a_taker_met_the_side_it_took(price: int, side: Side) -> None:
    bid, ask = touch_around(price, side, Rate.of("0.0001"))
    assert 0 < bid < ask
    assert price == (ask if side is Side.BUY else bid)


def test_transactions_are_listed_newest_first_with_own_taking_among_them(serve: Callable[..., Served]) -> None:
    simulator = serve(script((5, 14_990_000, "0.1", "sell")))
    simulator.pass_seconds(5)
    simulator.client.order("buy", "market", "0.02")
    listed = simulator.client.public("/btc_jpy/transactions").data["transactions"]
    assert [(row["side"], row["price"], row["amount"]) for row in listed] == [
        ("buy", "14991499", "0.0200"),
        ("sell", "14990000", "0.1000"),
    ]
    assert listed[0]["transaction_id"] > listed[1]["transaction_id"]
    assert simulator.client.public(f"/btc_jpy/transactions/{DAY}").data["transactions"] == listed


@pytest.mark.parametrize(
    "path",
    [
        "/btc_jpy/transactions/20260527",
        "/btc_jpy/transactions/yesterday",
        "/btc_jpy/candlestick/1min/20260527",
        "/btc_jpy/candlestick/1min/20260529",
        "/btc_jpy/candlestick/1min/2026",
        "/btc_jpy/candlestick/1day/20260528",
        "/btc_jpy/candlestick/1min/20261399",
        "/btc_jpy/candlestick/2min/20260528",
        "/btc_jpy/ticker/",
        "/xrp_jpy/ticker",
        "/",
    ],
)
def test_what_is_not_there_is_not_found(quiet: Served, path: str) -> None:
    answer = quiet.client.public(path)
    assert (answer.code, answer.status) == (10000, 404)


def test_candles_are_rebuilt_exactly_from_the_trades(serve: Callable[..., Served]) -> None:
    source = bars(90)
    simulator = serve(CandleSource(source, "walk", START_MS))
    simulator.pass_seconds(60 * 60)
    answer = simulator.client.public(f"/btc_jpy/candlestick/1min/{DAY}").data
    rows = answer["candlestick"][0]["ohlcv"]
    columns = (source.open, source.high, source.low, source.close)
    expected = [
        [*(str(int(column[index])) for column in columns), f"{source.volume[index]:.4f}", int(source.open_time[index])]
        for index in range(90)
    ]
    assert rows[:90] == expected
    assert answer["timestamp"] == START_MS + 3_600_000


def test_longer_candles_hold_the_shorter_ones(serve: Callable[..., Served]) -> None:
    simulator = serve(CandleSource(bars(90), "walk", START_MS))
    simulator.pass_seconds(60 * 60)

    def rows(kind: str, period: str) -> list[list[str | int]]:
        answer = simulator.client.public(f"/btc_jpy/candlestick/{kind}/{period}").data["candlestick"][0]
        assert answer["type"] == kind
        found: list[list[str | int]] = answer["ohlcv"]
        return found

    minutes = rows("1min", DAY)
    for kind, period, width in (("15min", DAY, 15), ("1hour", DAY, 60), ("4hour", "2026", 240), ("1day", "2026", 1440)):
        for opened, high, low, closed, volume, at in rows(kind, period):
            inside = [row for row in minutes if int(at) <= int(row[5]) < int(at) + width * MINUTE_MS]
            assert int(at) % (width * MINUTE_MS) == 0
            assert (opened, closed) == (inside[0][0], inside[-1][3])
            assert int(high) == max(int(row[1]) for row in inside)
            assert int(low) == min(int(row[2]) for row in inside)
            assert float(volume) == pytest.approx(sum(float(row[4]) for row in inside))
    assert [row[5] for row in rows("1month", "2026")] == [day_start_ms(parse_day("2026-05-01", "month"))]
    (week,) = rows("1week", "2026")
    assert week[5] == day_start_ms(parse_day("2026-05-25", "week"))


def test_a_minute_without_trades_is_flat(serve: Callable[..., Served]) -> None:
    simulator = serve(script((5, 14_990_000, "0.1", "sell")))
    simulator.pass_seconds(90)
    rows = simulator.client.public(f"/btc_jpy/candlestick/1min/{DAY}").data["candlestick"][0]["ohlcv"]
    assert rows[-1] == ["14990000"] * 4 + ["0.0000", START_MS + 60_000]


@given(st.integers(1_000, 10**8), st.integers(0, 900), st.integers(0, 900), st.integers(0, 900), st.integers(1, 10**7))
def test_the_trades_of_a_bar_have_its_prices_and_volume(base: int, a: int, b: int, c: int, volume: int) -> None:
    low, *_, high = sorted((base, base + a, base + b, base + c))
    bar = BarRow(START_MS, START_MS + MINUTE_MS, base + a, high, low, base + b, volume)
    trades = list(trades_of_bar(bar))
    prices = [trade.price_ticks for trade in trades]
    assert (prices[0], max(prices), min(prices), prices[-1]) == (base + a, high, low, base + b)
    assert sum(trade.amount_lots for trade in trades) == max(volume, 4)
    moments = [trade.executed_at_ms for trade in trades]
    assert moments == sorted(set(moments))
    assert moments[0] == START_MS
    assert moments[-1] < START_MS + MINUTE_MS


def test_a_bar_without_volume_has_no_trades() -> None:
    assert list(trades_of_bar(BarRow(START_MS, START_MS + MINUTE_MS, PRICE, PRICE, PRICE, PRICE, 0))) == []


def test_a_start_outside_of_the_candles_is_refused() -> None:
    with pytest.raises(DataError, match="choose another start"):
        CandleSource(bars(90), "walk", START_MS - 31 * MINUTE_MS)
    with pytest.raises(DataError, match="choose another start"):
        CandleSource(bars(90), "walk", START_MS + 90 * MINUTE_MS)


def test_a_script_that_goes_back_in_time_is_refused() -> None:
    early = TradePrint(START_MS - 1, PRICE, 1, Side.BUY)
    with pytest.raises(DataError, match="must ascend"):
        ScriptSource([early], START_MS, PRICE)


def test_the_synthetic_market_is_entered_now_with_a_month_of_history() -> None:
    source = market("synthetic", None, seed=3, now_ms=START_MS + 59_999)
    assert source.start_ms == START_MS
    assert source.history is not None
    assert len(source.history) >= 30 * 1_440
    again = market("synthetic", str(START_MS), seed=3, now_ms=START_MS + 10**9)
    assert [next(source.trades()) for _ in range(3)] == [next(again.trades()) for _ in range(3)]


def test_a_file_of_real_candles_is_played(real_candles_path: object) -> None:
    source = market(str(real_candles_path), "2018-03-01", seed=0, now_ms=0)
    assert source.start_ms == day_start_ms(parse_day("2018-03-01", "start"))
    first = next(source.trades())
    assert first.executed_at_ms - source.start_ms < 10 * MINUTE_MS
    assert abs(first.price_ticks / source.opening_price - 1) < 0.02
