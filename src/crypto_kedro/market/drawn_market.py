"""A seeded market that moves like bitbank's BTC/JPY, with nothing to predict unless a signal is planted.

Every return is a volatility known beforehand times an independent symmetric draw, so without a planted signal the price
is a martingale: no function of past bars says anything about the direction of the next one. Volatility is the product
of a JST time-of-day profile and four log-normal components (minutes to days), which gives clustering and, with
Student-t draws, fat tails. Source of the idea: Taylor (1986), "Modelling Financial Time Series", ch. 3.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.market.bars import DAY_MS, HOUR_MS, JST_OFFSET_MS, MINUTE_MS, FloatArray, IntArray
from crypto_kedro.market.gaps import Candles
from crypto_kedro.market.moments import day_start_ms, parse_day
from crypto_kedro.market.resample import DECISION_MS

BoolArray = NDArray[np.bool_]

SIGNAL_BARS = 48
SIGNAL_REACH = 4.0
DEFAULT_START = "2025-01-01"

_MINUTES_PER_DAY = DAY_MS // MINUTE_MS
_BLOCK = DECISION_MS // MINUTE_MS
_START_PRICE_JPY = 5_000_000.0
_RETURN_STD = 13.75e-4
_LARGEST_RETURN = 0.2
_OPENING_SHARE = 0.1
_TAIL_DEGREES = 6.0
# Half-lives are in minutes, weights are standard deviations of log volatility.
_VOLATILITY = ((2.8, 0.55), (180.0, 0.30), (400.0, 0.43), (5_800.0, 0.56))
_ZERO_VOLUME_SHARE = 0.016
_DAYS_BETWEEN_HALTS = 16.0
_HALT_MEDIAN_MINUTES = 4.0
_LONGEST_HALT_MINUTES = 90
_VOLUME_MEDIAN_BTC = 0.72
_VOLUME_ON_VOLATILITY = 0.65
_VOLUME_NOISE = ((2.0, 0.45), (40.0, 0.35))
_VOLUME_SCATTER = 0.7
# Mean absolute return and mean volume by hour of the day in JST over the day's mean, bitbank BTC/JPY, 2018.
_VOLATILITY_BY_JST_HOUR = np.array(
    [
        [1.02, 1.07, 1.01, 1.00, 1.00, 1.03, 1.04, 1.14, 1.03, 1.09, 1.01, 0.96],
        [0.92, 0.91, 0.88, 0.85, 0.93, 0.96, 1.02, 1.00, 1.03, 1.01, 1.04, 1.06],
    ]
).ravel()
_VOLUME_BY_JST_HOUR = np.array(
    [
        [1.08, 0.92, 0.77, 0.64, 0.62, 0.66, 0.76, 0.97, 1.00, 1.15, 1.11, 1.07],
        [1.03, 1.02, 0.96, 0.95, 1.01, 1.08, 1.11, 1.13, 1.16, 1.27, 1.30, 1.24],
    ]
).ravel()


@dataclass(frozen=True, slots=True, eq=False)
class DrawnMarket:
    """A drawn market and the truth behind it.

    Args:
        candles: 1-minute candles, prices in whole JPY, volume in BTC with 4 decimals; minutes of a trading halt are
            missing.
        block_time: open time of each 15 minutes, Unix milliseconds UTC, shape (m,).
        expected_return: shape (m,), the true mean of the close of each 15 minutes over the close before, minus one,
            as known at their open.
    """

    candles: Candles
    block_time: IntArray
    expected_return: FloatArray


def draw_market(days: int, seed: int, *, start: str = DEFAULT_START, signal_strength: float = 0.0) -> DrawnMarket:
    """Draw a market; the same arguments give the same candles.

    Args:
        days: number of UTC days, at least 1.
        seed: seed of every draw. The draws do not depend on ``signal_strength``.
        start: first UTC date, ``YYYY-MM-DD``.
        signal_strength: 0 for a martingale, up to 1; see `planted_return`.

    Raises:
        ConfigurationError: an argument is outside its range.
    """
    start_ms = _start_ms(days, start, signal_strength)
    minutes = days * _MINUTES_PER_DAY
    open_time = start_ms + np.arange(minutes, dtype=np.int64) * MINUTE_MS
    volatility_rng, direction_rng, range_rng, volume_rng, halt_rng = np.random.default_rng(seed).spawn(5)

    halted = _halts(halt_rng, minutes)
    sigma = _volatility(volatility_rng, open_time)
    traded = ~halted & ~_without_trades(volume_rng, sigma)
    jump, move = _draw_returns(direction_rng, np.where(traded, sigma, 0.0))
    expected = _plant((1.0 + jump) * (1.0 + move), traded, signal_strength)
    drift = _spread_over_minutes(expected, traded)
    prices = _prices(range_rng, jump, (1.0 + move) * drift, sigma)
    volume = np.where(traded, _volumes(volume_rng, open_time, sigma), 0.0)
    open_, high, low, close = (price[~halted] for price in prices)
    candles = Candles(open_time[~halted], open_, high, low, close, volume[~halted])
    return DrawnMarket(candles, open_time[::_BLOCK], expected)


def planted_return(closes: FloatArray, signal_strength: float) -> float:
    """Return the mean of the next 15-minute return, given the last closes.

    The price is drawn back towards its mean of the last 12 hours: with d the distance of the log close from its mean
    and v the mean absolute log return, both over the window, the mean is ``-signal_strength * v * tanh(d / (4 v))``.
    A strength of 0.2 thus moves the mean of the next bar by at most a fifth of a usual 15-minute move.

    Args:
        closes: the last ``SIGNAL_BARS + 1`` closes of 15-minute bars in JPY, the newest at the end.
        signal_strength: 0 for no signal.
    """
    log_closes = np.log(closes)
    usual_move = float(np.abs(np.diff(log_closes)).mean())
    if usual_move == 0.0:
        return 0.0
    distance = float(log_closes[-1] - log_closes[1:].mean())
    return -signal_strength * usual_move * float(np.tanh(distance / (SIGNAL_REACH * usual_move)))


def _start_ms(days: int, start: str, signal_strength: float) -> int:
    if days < 1:
        raise ConfigurationError(f"data.synthetic.days is {days}; it must be at least 1")
    if not 0.0 <= signal_strength <= 1.0:
        raise ConfigurationError(f"data.synthetic.signal_strength is {signal_strength}; it must be from 0 to 1")
    return day_start_ms(parse_day(start, "data.synthetic.start"))


def _jst_profile(by_hour: FloatArray, open_time: IntArray) -> FloatArray:
    hour = (open_time + JST_OFFSET_MS) % DAY_MS / HOUR_MS
    return np.asarray(np.interp(hour, np.arange(24) + 0.5, by_hour, period=24.0))


def _autoregression(rng: Generator, size: int, half_life_minutes: float) -> FloatArray:
    decay = 0.5 ** (1.0 / half_life_minutes)
    shocks = rng.standard_normal(size)
    shocks[1:] *= np.sqrt(1.0 - decay**2) / (1.0 - decay)
    # To the last bit the exponentially weighted mean of pandas, which goes by the centre of mass: a seed stands for
    # the market that it has always drawn.
    centre_of_mass = 1.0 / (1.0 - decay) - 1.0
    weight = 1.0 / (1.0 + centre_of_mass)
    kept = 1.0 - weight
    return np.fromiter(_smoothed(weight * shocks, float(shocks[0]), kept), np.float64, size)


def _smoothed(shocks: FloatArray, value: float, kept: float) -> Iterator[float]:
    yield value
    for shock in shocks[1:].data:
        value = kept * value + shock
        yield value


def _volatility(rng: Generator, open_time: IntArray) -> FloatArray:
    log_sigma = np.log(_jst_profile(_VOLATILITY_BY_JST_HOUR, open_time))
    for half_life, weight in _VOLATILITY:
        log_sigma = log_sigma + weight * _autoregression(rng, open_time.size, half_life)
    sigma = np.asarray(np.exp(log_sigma))
    sigma *= _RETURN_STD / np.sqrt(np.mean(sigma**2))
    return sigma


def _draw_returns(rng: Generator, sigma: FloatArray) -> tuple[FloatArray, FloatArray]:
    jump = rng.standard_normal(sigma.size) * np.sqrt(_OPENING_SHARE)
    tails = rng.standard_t(_TAIL_DEGREES, sigma.size) * np.sqrt((_TAIL_DEGREES - 2.0) / _TAIL_DEGREES)
    move = tails * np.sqrt(1.0 - _OPENING_SHARE)
    # A symmetric bound keeps the mean at zero.
    bound = _LARGEST_RETURN
    return np.clip(sigma * jump, -bound, bound), np.clip(sigma * move, -bound, bound)


def _halts(rng: Generator, minutes: int) -> BoolArray:
    halted = np.zeros(minutes, dtype=bool)
    count = rng.poisson(minutes / (_DAYS_BETWEEN_HALTS * _MINUTES_PER_DAY))
    starts = rng.integers(1, minutes, count)
    lengths = np.exp(np.log(_HALT_MEDIAN_MINUTES) + 1.3 * rng.standard_normal(count))
    for first, length in zip(starts, np.clip(np.rint(lengths), 1, _LONGEST_HALT_MINUTES).astype(int), strict=True):
        halted[first : first + length] = True
    return halted


def _without_trades(rng: Generator, sigma: FloatArray) -> BoolArray:
    weight = 1.0 / sigma
    return np.asarray(rng.random(sigma.size) < np.minimum(_ZERO_VOLUME_SHARE * weight / weight.mean(), 1.0))


def _plant(growth: FloatArray, traded: BoolArray, signal_strength: float) -> FloatArray:
    """Return the mean return of each 15-minute block, shape (minutes / 15,), from the closes before it."""
    noise = growth.reshape(-1, _BLOCK).prod(axis=1)
    expected = np.zeros(noise.size)
    if signal_strength == 0.0:
        return expected
    has_trades = np.asarray(traded.reshape(-1, _BLOCK).any(axis=1))
    closes = np.empty(noise.size)
    price = _START_PRICE_JPY
    for block in range(noise.size):
        if block > SIGNAL_BARS and has_trades[block]:
            expected[block] = planted_return(closes[block - SIGNAL_BARS - 1 : block], signal_strength)
        price *= noise[block] * (1.0 + expected[block])
        closes[block] = price
    return expected


def _spread_over_minutes(expected: FloatArray, traded: BoolArray) -> FloatArray:
    live = traded.reshape(-1, _BLOCK)
    per_minute = (1.0 + expected) ** (1.0 / np.maximum(live.sum(axis=1), 1))
    return np.where(live, per_minute[:, None], 1.0).ravel()


def _prices(rng: Generator, jump: FloatArray, growth: FloatArray, sigma: FloatArray) -> tuple[FloatArray, ...]:
    """Return open, high, low and close in whole JPY; the extremes are those of a Brownian bridge from open to close."""
    log_close = np.log(_START_PRICE_JPY) + np.cumsum(np.log1p(jump) + np.log(growth))
    log_open = log_close - np.log(growth)
    spread = np.where(growth == 1.0, 0.0, 2.0 * sigma**2)
    middle, half = (log_open + log_close) / 2.0, (log_close - log_open) / 2.0
    up, down = (np.sqrt(half**2 + spread / 4.0 * rng.standard_exponential(sigma.size)) for _ in range(2))
    open_, high, low, close = (
        np.maximum(np.rint(np.exp(log_price)), 1.0) for log_price in (log_open, middle + up, middle - down, log_close)
    )
    # Rounding is monotonic, but exp(middle + half) may land a hair below exp(log_close).
    return open_, np.maximum.reduce([open_, high, close]), np.minimum.reduce([open_, low, close]), close


def _volumes(rng: Generator, open_time: IntArray, sigma: FloatArray) -> FloatArray:
    log_volume = np.log(_VOLUME_MEDIAN_BTC * _jst_profile(_VOLUME_BY_JST_HOUR, open_time))
    log_volume += _VOLUME_ON_VOLATILITY * (np.log(sigma) - np.log(sigma).mean())
    for half_life, weight in _VOLUME_NOISE:
        log_volume += weight * _autoregression(rng, sigma.size, half_life)
    log_volume += _VOLUME_SCATTER * rng.standard_normal(sigma.size)
    return np.maximum(np.rint(np.exp(log_volume) * 1e4), 1.0) / 1e4
