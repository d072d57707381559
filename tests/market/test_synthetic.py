"""The synthetic market: seeded, like the real one, and unpredictable unless a signal is planted."""

import numpy as np
import pandas as pd
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.market.bars import JST_OFFSET_MS, MINUTE_MS, Bars
from crypto_kedro.market.drawn_market import SIGNAL_BARS, planted_return
from crypto_kedro.market.frame import candles_from_frame, open_times
from crypto_kedro.market.gaps import fill_halts, find_gaps
from crypto_kedro.market.resample import DECISION_MS, resample
from crypto_kedro.market.statistics import return_statistics
from crypto_kedro.market.structure import assemble
from crypto_kedro.market.synthetic import SyntheticMarket, synthetic_candles, synthetic_market
from crypto_kedro.market.validation import validate_candles


@pytest.fixture(scope="module")
def noise() -> SyntheticMarket:
    return synthetic_market(180, seed=7)


@pytest.fixture(scope="module")
def planted() -> SyntheticMarket:
    return synthetic_market(180, seed=7, signal_strength=0.3)


def minute_bars(market: SyntheticMarket) -> Bars:
    return fill_halts(candles_from_frame(market.candles), 1_440, "synthetic")


def decision_returns(market: SyntheticMarket) -> tuple[np.ndarray, np.ndarray]:
    """Return each 15-minute bar's return and the true mean it had at its open."""
    bars = resample(minute_bars(market), DECISION_MS)
    truth = market.expected_return.set_index("timestamp")["expected_return"]
    expected = truth.reindex(pd.to_datetime(bars.open_time, unit="ms", utc=True)).to_numpy()
    return bars.close[1:] / bars.close[:-1] - 1.0, expected[1:]


def test_given_one_seed_when_drawn_twice_then_the_candles_are_identical() -> None:
    pd.testing.assert_frame_equal(synthetic_candles(3, seed=1), synthetic_candles(3, seed=1), check_exact=True)


def test_given_a_seed_when_drawn_then_it_is_the_market_that_it_has_always_been() -> None:
    closes = synthetic_candles(3, seed=7)["close"]
    assert closes.iloc[[0, 1_000, 4_000]].tolist() == [4998802.0, 5074429.0, 5310042.0]


def test_given_two_seeds_when_drawn_then_the_candles_differ() -> None:
    assert not synthetic_candles(3, seed=1).equals(synthetic_candles(3, seed=2))


def test_given_candles_when_validated_then_every_rule_of_the_data_contract_holds(noise: SyntheticMarket) -> None:
    frame, parts = assemble([("synthetic", noise.candles)])

    valid = validate_candles(frame, parts, now_ms=int(open_times(frame)[-1]) + MINUTE_MS)

    assert (valid.duplicates_removed, valid.forming_dropped) == (0, 0)
    assert str(frame["timestamp"].iloc[0]) == "2025-01-01 00:00:00+00:00"


def test_given_candles_when_read_then_prices_are_whole_yen_and_volumes_have_four_decimals(
    noise: SyntheticMarket,
) -> None:
    prices = noise.candles[["open", "high", "low", "close"]].to_numpy()
    volume = noise.candles["volume"].to_numpy()

    assert np.array_equal(prices, np.rint(prices))
    assert np.array_equal(volume, np.round(volume, 4))


def test_given_a_minute_without_trades_when_read_then_it_is_flat_at_the_last_close(noise: SyntheticMarket) -> None:
    bars = minute_bars(noise)
    silent = np.flatnonzero((bars.volume == 0.0) & (bars.gap_minutes == 0))
    silent = silent[silent > 0]

    assert 0.01 < silent.size / len(bars) < 0.025
    for price in (bars.open, bars.high, bars.low, bars.close):
        assert np.array_equal(price[silent], bars.close[silent - 1])


def test_given_half_a_year_when_searched_then_there_are_maintenance_gaps(noise: SyntheticMarket) -> None:
    gaps = find_gaps(open_times(noise.candles))

    assert 3 <= len(gaps) <= 30
    assert max(gap.minutes for gap in gaps) <= 90


@pytest.mark.parametrize(
    ("horizon", "std_bp", "kurtosis", "acf_1"),
    [("1m", 15.7, 100.0, 0.41), ("15m", 52.0, 52.0, 0.43), ("1h", 101.0, 17.0, 0.30), ("4h", 187.0, 8.0, 0.30)],
)
def test_given_half_a_year_when_measured_then_the_returns_are_near_those_of_bitbank_in_2018(
    noise: SyntheticMarket, horizon: str, std_bp: float, kurtosis: float, acf_1: float
) -> None:
    figures = return_statistics(minute_bars(noise))[horizon]

    assert figures["std_bp"] == pytest.approx(std_bp, rel=0.2)
    assert figures["excess_kurtosis"] is not None
    assert kurtosis / 4.0 < figures["excess_kurtosis"] < kurtosis * 4.0
    assert figures["abs_acf_1"] == pytest.approx(acf_1, abs=0.12)


def test_given_half_a_year_when_measured_then_volatility_follows_the_hour_in_japan(noise: SyntheticMarket) -> None:
    bars = minute_bars(noise)
    hour = (bars.open_time[1:] + JST_OFFSET_MS) // 3_600_000 % 24
    volume = [np.median(bars.volume[1:][hour == at]) for at in range(24)]

    assert np.argmin(volume) in range(2, 7)
    assert np.argmax(volume) in range(20, 24)


def test_given_volatile_minutes_when_compared_then_volume_rises_with_the_range(noise: SyntheticMarket) -> None:
    candles = noise.candles[noise.candles["high"] > noise.candles["low"]]
    spread = np.log(candles["high"] / candles["low"])

    assert np.corrcoef(np.log(candles["volume"]), np.log(spread))[0, 1] > 0.4


@pytest.mark.parametrize("lag", [1, 2, 4, 16, 48])
def test_given_pure_noise_when_past_directions_are_compared_then_they_say_nothing_about_the_next(lag: int) -> None:
    direction = np.sign(decision_returns(synthetic_market(720, seed=11))[0])

    agreement = float(np.mean(direction[lag:] * direction[:-lag]))

    assert abs(agreement) < 3.5 / np.sqrt(direction.size)


def test_given_pure_noise_when_the_distance_from_the_mean_is_used_then_it_does_not_predict(
    noise: SyntheticMarket, planted: SyntheticMarket
) -> None:
    def t_value(market: SyntheticMarket) -> float:
        close = resample(minute_bars(market), DECISION_MS).close
        windows = sliding_window_view(close, SIGNAL_BARS + 1)[:-1]
        forecast = np.array([planted_return(window, 1.0) for window in windows])
        following = close[SIGNAL_BARS + 1 :] / close[SIGNAL_BARS:-1] - 1.0
        product = np.sign(forecast) * np.sign(following)
        return float(product.mean() / product.std() * np.sqrt(product.size))

    assert abs(t_value(noise)) < 3.0
    assert t_value(planted) > 6.0


def test_given_pure_noise_when_the_truth_is_read_then_every_mean_is_zero(noise: SyntheticMarket) -> None:
    assert (noise.expected_return["expected_return"] == 0.0).all()


def test_given_a_planted_signal_when_recomputed_from_closed_candles_then_it_is_the_recorded_truth(
    planted: SyntheticMarket,
) -> None:
    bars = resample(minute_bars(planted), DECISION_MS)
    truth = planted.expected_return["expected_return"].to_numpy()

    for block in range(SIGNAL_BARS + 1, 4_000, 37):
        from_candles = planted_return(bars.close[block - SIGNAL_BARS - 1 : block], 0.3)
        assert truth[block] == pytest.approx(from_candles, abs=1e-7)
    assert (truth[: SIGNAL_BARS + 1] == 0.0).all()


def test_given_a_planted_signal_when_returns_are_regressed_on_the_truth_then_the_slope_is_one(
    planted: SyntheticMarket,
) -> None:
    returns, expected = decision_returns(planted)
    slope = float(returns @ expected / (expected @ expected))
    deviation = float(np.sqrt(np.sum((returns * expected) ** 2))) / float(expected @ expected)

    assert abs(slope - 1.0) < 3.0 * deviation
    assert deviation < 0.2


def test_given_a_stronger_signal_when_an_omniscient_trader_follows_it_then_he_earns_more() -> None:
    def sharpe(strength: float) -> float:
        returns, expected = decision_returns(synthetic_market(180, seed=3, signal_strength=strength))
        gained = np.sign(expected) * returns
        return float(gained.mean() / gained.std())

    assert 0.0 < sharpe(0.1) < sharpe(0.3) < sharpe(1.0)


def test_given_a_signal_when_drawn_then_volumes_halts_and_silent_minutes_are_those_of_the_noise(
    noise: SyntheticMarket, planted: SyntheticMarket
) -> None:
    pd.testing.assert_frame_equal(noise.candles[["timestamp", "volume"]], planted.candles[["timestamp", "volume"]])


def test_given_a_motionless_price_when_the_signal_is_asked_for_then_it_is_zero() -> None:
    assert planted_return(np.full(SIGNAL_BARS + 1, 5e6), 1.0) == 0.0


@pytest.mark.parametrize(
    ("arguments", "setting"),
    [
        ({"days": 0, "seed": 1}, r"data\.synthetic\.days is 0"),
        ({"days": 1, "seed": 1, "signal_strength": 1.5}, r"data\.synthetic\.signal_strength is 1\.5"),
        ({"days": 1, "seed": 1, "signal_strength": -0.1}, r"data\.synthetic\.signal_strength is -0\.1"),
        ({"days": 1, "seed": 1, "start": "yesterday"}, r"data\.synthetic\.start is 'yesterday'"),
    ],
)
def test_given_an_argument_out_of_range_when_drawn_then_the_setting_is_named(
    arguments: dict[str, int | float | str], setting: str
) -> None:
    with pytest.raises(ConfigurationError, match=setting):
        synthetic_market(**arguments)  # type: ignore[arg-type]
