"""The formulas: beside TA-Lib where it has them, by hand where it has not, and in a market that stands still."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import talib

from crypto_kedro.features.indicators import Indicators
from crypto_kedro.features.kernels import KERNELS, atr, atr_dependency
from crypto_kedro.market.bars import HOUR_MS, MINUTE_MS, Bars, FloatArray

# TA-Lib starts its recursions at the first bar; so many bars later the start has no weight left.
SETTLED = 1_500


def values(bars: Bars, kernel: str, **parameters: float) -> FloatArray:
    return KERNELS[kernel].compute(Indicators(bars), **parameters)


def few_bars(close: list[float], volume: list[float] | None = None, spread: float = 0.0) -> Bars:
    size = len(close)
    prices = np.array(close)
    return Bars(
        interval_ms=15 * MINUTE_MS,
        open_time=np.arange(size, dtype=np.int64) * 15 * MINUTE_MS,
        open=prices,
        high=prices + spread,
        low=prices - spread,
        close=prices,
        volume=np.array(volume) if volume is not None else np.ones(size),
        gap_minutes=np.zeros(size, dtype=np.int64),
    )


def bollinger_position(bars: Bars) -> FloatArray:
    upper, _, lower = talib.BBANDS(bars.close, 20, 2.0, 2.0)
    apart = upper - lower >= 4.0
    return np.where(apart, (bars.close - lower) / np.where(apart, upper - lower, 1.0), np.nan)


ORACLES: dict[str, tuple[str, dict[str, float], Callable[[Bars], FloatArray]]] = {
    "EMA(20)": ("ema", {"period": 20}, lambda bars: talib.EMA(bars.close, 20)),
    "EMA(50)": ("ema", {"period": 50}, lambda bars: talib.EMA(bars.close, 50)),
    "RSI(14)": ("rsi", {"period": 14}, lambda bars: talib.RSI(bars.close, 14)),
    "ATR(14)": ("atr", {"period": 14}, lambda bars: talib.ATR(bars.high, bars.low, bars.close, 14)),
    "MACD(12, 26)": ("macd", {"fast": 12, "slow": 26}, lambda bars: talib.MACD(bars.close, 12, 26, 9)[0]),
    "MACD signal(9)": (
        "macd_signal",
        {"fast": 12, "slow": 26, "signal": 9},
        lambda bars: talib.MACD(bars.close, 12, 26, 9)[1],
    ),
    "BBANDS(20, 2)": ("bollinger_position", {"period": 20, "width": 2.0, "floor_jpy": 1.0}, bollinger_position),
    "SMA(20) of volume": ("volume_ratio", {"period": 20}, lambda bars: bars.volume / talib.SMA(bars.volume, 20)),
    "ROCP(4)": ("simple_return", {"period": 4}, lambda bars: talib.ROCP(bars.close, 4)),
}


@pytest.mark.parametrize("indicator", ORACLES)
def test_given_a_market_when_computed_then_the_indicator_agrees_with_talib(
    market: tuple[Bars, Bars], indicator: str
) -> None:
    bars, _ = market
    kernel, parameters, oracle = ORACLES[indicator]
    silent = talib.SMA(bars.volume, 20) < 1e-9

    ours = values(bars, kernel, **parameters)[SETTLED:]
    theirs = np.where(silent, np.nan, oracle(bars))[SETTLED:]

    compared = ~np.isnan(theirs)
    assert np.mean(compared) > 0.95
    # An indicator that crosses zero has no relative error there, so its usual size is the measure.
    tolerance = 1e-9 * np.maximum(np.abs(theirs[compared]), np.std(theirs[compared]))
    assert np.all(np.abs(ours[compared] - theirs[compared]) <= tolerance)


def test_given_a_market_when_bollinger_position_is_known_then_zscore_is_its_linear_image(
    market: tuple[Bars, Bars],
) -> None:
    bars, _ = market

    position = values(bars, "bollinger_position", period=20, width=2.0, floor_jpy=1.0)[19:]
    zscore = values(bars, "zscore", period=20, floor_jpy=1.0)[19:]

    np.testing.assert_allclose(position, 0.5 + zscore / 4.0, rtol=0.0, atol=1e-15)


STILL = {
    "rsi": ({"period": 14}, 50.0),
    "zscore": ({"period": 20, "floor_jpy": 1.0}, 0.0),
    "bollinger_position": ({"period": 20, "width": 2.0, "floor_jpy": 1.0}, 0.5),
    "mean_distance": ({"period": 96, "atr_period": 14, "floor_jpy": 1.0}, 0.0),
    "range_distance": ({"period": 24, "floor_jpy": 1.0}, 0.0),
    "range_position": ({"period": 4}, 0.5),
    "range_ratio": ({"short": 6, "long": 30, "floor_jpy": 1.0}, 1.0),
    "efficiency": ({"period": 16}, 0.0),
    "volume_ratio": ({"period": 20}, 1.0),
    "volume_rank": ({"period": 96}, 0.5),
    "atr_fraction": ({"period": 14}, 0.0),
    "simple_return": ({"period": 1}, 0.0),
}


@pytest.mark.parametrize("kernel", STILL)
def test_given_a_market_that_stands_still_when_computed_then_the_value_is_the_documented_one(kernel: str) -> None:
    parameters, expected = STILL[kernel]
    bars = few_bars([1_234_567.0] * 700, volume=[0.0] * 700)

    assert values(bars, kernel, **parameters)[-1] == pytest.approx(expected, abs=1e-8)


def test_given_three_bars_when_computed_then_returns_and_positions_are_as_by_hand() -> None:
    bars = few_bars([100.0, 120.0, 90.0], volume=[1.0, 3.0, 2.0], spread=10.0)

    assert values(bars, "simple_return", period=1)[-1] == pytest.approx(-0.25)
    # lows 90, 110, 80 and highs 110, 130, 100: the close of 90 stands 10 above the lowest in a range of 50
    assert values(bars, "range_position", period=3)[-1] == pytest.approx(0.2)
    # net move 10 over a path of 20 + 30
    assert values(bars, "efficiency", period=2)[-1] == pytest.approx(0.2)
    # true ranges 30 (from 100 to 130) and 40 (from 120 to 80)
    assert values(bars, "range_ratio", short=1, long=2, floor_jpy=1.0)[-1] == pytest.approx(40.0 / 35.0)
    # mean of 120 and 90 is 105
    assert values(bars, "range_distance", period=2, floor_jpy=1.0)[-1] == pytest.approx(-15.0 / 35.0)
    assert values(bars, "volume_rank", period=3)[-1] == pytest.approx(0.5)


def test_given_a_bar_that_closes_at_six_in_japan_when_computed_then_the_clock_stands_at_a_quarter() -> None:
    bars = few_bars([100.0])
    six_jst = replace(bars, open_time=np.array([21 * HOUR_MS - bars.interval_ms]))

    assert values(six_jst, "jst_sine")[0] == pytest.approx(1.0)
    assert values(six_jst, "jst_cosine")[0] == pytest.approx(0.0, abs=1e-12)


def test_given_an_incomplete_history_when_atr_is_asked_then_it_is_unknown_until_its_window_is_full(
    random_walk: Callable[..., Bars],
) -> None:
    bars = random_walk(days=8, seed=1)

    known = ~np.isnan(atr(bars, 14))

    index = bars.open_time // bars.interval_ms
    np.testing.assert_array_equal(known, atr_dependency(14).oldest(index) >= index[0])
    assert 0 < known.sum() < len(bars)
