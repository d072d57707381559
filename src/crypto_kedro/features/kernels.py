"""The formulas of the features, on closed bars only; every kernel is one function registered in `KERNELS`.

A kernel takes an `Indicators` and its parameters and returns one float64 a bar. It declares what its value depends on
as a `Dependency`, from which the rows with an incomplete or interrupted history are found.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from crypto_kedro.features.anchored import ema_alpha, warmup_bars, wilder_alpha
from crypto_kedro.features.dependency import Dependency
from crypto_kedro.features.indicators import Indicators
from crypto_kedro.features.rolling import lagged, rolling_max, rolling_mean, rolling_min, rolling_rank, rolling_sum
from crypto_kedro.market.bars import DAY_MS, JST_OFFSET_MS, MINUTE_MS, Bars, FloatArray, IntArray

_MINUTES_A_DAY = DAY_MS // MINUTE_MS
# Tables from scalar `math` calls: numpy's vector sine may differ from its scalar one in the last bit.
_SINE_OF_MINUTE = np.array([math.sin(math.tau * minute / _MINUTES_A_DAY) for minute in range(_MINUTES_A_DAY)])
_COSINE_OF_MINUTE = np.array([math.cos(math.tau * minute / _MINUTES_A_DAY) for minute in range(_MINUTES_A_DAY)])


@dataclass(frozen=True, slots=True)
class Kernel:
    """A formula of the catalogue.

    Args:
        compute: ``compute(indicators, **parameters)``, shape (n,).
        depends_on: ``depends_on(**parameters)``.
        parameters: name of each parameter and its type; floats are greater than zero.
        least: smallest value of its integer parameters.
        version: raised whenever the values change, so that a model refuses features it was not trained on.
    """

    compute: Callable[..., FloatArray]
    depends_on: Callable[..., Dependency]
    parameters: Mapping[str, type[int] | type[float]]
    least: int = 1
    version: int = 1


def atr(bars: Bars, period: int) -> FloatArray:
    """Average true range (Wilder, 1978) of each bar in JPY, shape (n,).

    The value at a bar depends on `atr_dependency` bars only; it is NaN where they are not all there. Trading halts are
    not looked at.
    """
    return Indicators(bars).atr(period)


def atr_dependency(period: int) -> Dependency:
    """Return the bars that `atr` depends on."""
    return Dependency(1, warmup_bars(wilder_alpha(period)) + 1)


def _close(series: Indicators) -> FloatArray:
    return series.bars.close


def _volume(series: Indicators) -> FloatArray:
    return series.bars.volume


def _simple_return(series: Indicators, period: int) -> FloatArray:
    return series.bars.close / lagged(series.bars.close, period) - 1.0


def _rsi(series: Indicators, period: int) -> FloatArray:
    """Relative strength index (Wilder, 1978), 0..100; 50 where the price has not moved."""
    gain = series.anchored(np.maximum(series.change, 0.0), wilder_alpha(period))
    loss = series.anchored(np.abs(np.minimum(series.change, 0.0)), wilder_alpha(period))
    moved = gain + loss
    still = moved == 0.0
    return np.where(still, 50.0, 100.0 * gain / np.where(still, 1.0, moved))


def _macd(series: Indicators, fast: int, slow: int) -> FloatArray:
    return series.ema(fast) - series.ema(slow)


def _macd_signal(series: Indicators, fast: int, slow: int, signal: int) -> FloatArray:
    return series.anchored(_macd(series, fast, slow), ema_alpha(signal))


def _atr(series: Indicators, period: int) -> FloatArray:
    return series.atr(period)


def _atr_fraction(series: Indicators, period: int) -> FloatArray:
    return series.atr(period) / series.bars.close


def _ema(series: Indicators, period: int) -> FloatArray:
    return series.ema(period)


def _zscore(series: Indicators, period: int, floor_jpy: float) -> FloatArray:
    """Distance of the close from its mean in standard deviations, the deviation being at least `floor_jpy`."""
    distance = series.bars.close - series.mean_close(period)
    return distance / np.maximum(series.std_close(period), floor_jpy)


def _bollinger_position(series: Indicators, period: int, width: float, floor_jpy: float) -> FloatArray:
    """Where the close lies between the Bollinger bands: 0 at the lower, 1 at the upper, 0.5 at the mean."""
    return 0.5 + _zscore(series, period, floor_jpy) / (2.0 * width)


def _mean_distance(series: Indicators, period: int, atr_period: int, floor_jpy: float) -> FloatArray:
    """Distance of the close from its mean in ATR, the ATR being at least `floor_jpy`."""
    distance = series.bars.close - series.mean_close(period)
    return distance / np.maximum(series.atr(atr_period), floor_jpy)


def _range_distance(series: Indicators, period: int, floor_jpy: float) -> FloatArray:
    """Distance of the close from its mean in mean true ranges of the same bars, at least `floor_jpy`."""
    distance = series.bars.close - series.mean_close(period)
    return distance / np.maximum(series.mean_true_range(period), floor_jpy)


def _range_position(series: Indicators, period: int) -> FloatArray:
    """Where the close lies between the lowest low (0) and the highest high (1); 0.5 if they are equal."""
    lowest = rolling_min(series.bars.low, period)
    width = rolling_max(series.bars.high, period) - lowest
    still = width == 0.0
    return np.where(still, 0.5, (series.bars.close - lowest) / np.where(still, 1.0, width))


def _range_ratio(series: Indicators, short: int, long: int, floor_jpy: float) -> FloatArray:
    """Mean true range of the last `short` bars over that of the last `long`, each at least `floor_jpy`."""
    recent = np.maximum(series.mean_true_range(short), floor_jpy)
    return recent / np.maximum(series.mean_true_range(long), floor_jpy)


def _efficiency(series: Indicators, period: int) -> FloatArray:
    """Net move over the path travelled (Kaufman, 1995), 0..1; 0 if the price has not moved."""
    net = np.abs(series.bars.close - lagged(series.bars.close, period))
    path = rolling_sum(np.abs(series.change), period)
    still = path == 0.0
    return np.where(still, 0.0, net / np.where(still, 1.0, path))


def _volume_ratio(series: Indicators, period: int) -> FloatArray:
    """Volume over its mean; 1 if nothing was traded in the whole window."""
    mean = rolling_mean(series.bars.volume, period)
    silent = mean == 0.0
    return np.where(silent, 1.0, series.bars.volume / np.where(silent, 1.0, mean))


def _volume_rank(series: Indicators, period: int) -> FloatArray:
    return rolling_rank(series.bars.volume, period)


def _minute_jst(series: Indicators) -> IntArray:
    """Minute of the Japanese day at which each bar closes and a decision on it is taken."""
    return (series.bars.close_time + JST_OFFSET_MS) // MINUTE_MS % _MINUTES_A_DAY


def _jst_sine(series: Indicators) -> FloatArray:
    return _SINE_OF_MINUTE[_minute_jst(series)]


def _jst_cosine(series: Indicators) -> FloatArray:
    return _COSINE_OF_MINUTE[_minute_jst(series)]


def _of_this_bar() -> Dependency:
    return Dependency()


def _of_window(period: int, **_: float) -> Dependency:
    return Dependency(period - 1)


def _of_changes(period: int, **_: float) -> Dependency:
    return Dependency(period)


def _of_ranges(short: int, long: int, **_: float) -> Dependency:
    return Dependency(max(short, long))


def _of_mean_distance(period: int, atr_period: int, **_: float) -> Dependency:
    return Dependency(max(period - 1, 1), atr_dependency(atr_period).bars_before_block)


def _of_ema(period: int) -> Dependency:
    return Dependency(0, warmup_bars(ema_alpha(period)))


def _of_macd(fast: int, slow: int) -> Dependency:
    return Dependency(0, max(warmup_bars(ema_alpha(fast)), warmup_bars(ema_alpha(slow))))


def _of_macd_signal(fast: int, slow: int, signal: int) -> Dependency:
    return Dependency(0, _of_macd(fast, slow).bars_before_block + warmup_bars(ema_alpha(signal)))


KERNELS: Mapping[str, Kernel] = MappingProxyType(
    {
        "close": Kernel(_close, _of_this_bar, {}),
        "volume": Kernel(_volume, _of_this_bar, {}),
        "simple_return": Kernel(_simple_return, _of_changes, {"period": int}),
        "rsi": Kernel(_rsi, atr_dependency, {"period": int}),
        "macd": Kernel(_macd, _of_macd, {"fast": int, "slow": int}),
        "macd_signal": Kernel(_macd_signal, _of_macd_signal, {"fast": int, "slow": int, "signal": int}),
        "atr": Kernel(_atr, atr_dependency, {"period": int}),
        "atr_fraction": Kernel(_atr_fraction, atr_dependency, {"period": int}),
        "ema": Kernel(_ema, _of_ema, {"period": int}),
        "zscore": Kernel(_zscore, _of_window, {"period": int, "floor_jpy": float}),
        "bollinger_position": Kernel(
            _bollinger_position, _of_window, {"period": int, "width": float, "floor_jpy": float}
        ),
        "mean_distance": Kernel(
            _mean_distance, _of_mean_distance, {"period": int, "atr_period": int, "floor_jpy": float}
        ),
        "range_distance": Kernel(_range_distance, _of_changes, {"period": int, "floor_jpy": float}),
        "range_position": Kernel(_range_position, _of_window, {"period": int}),
        "range_ratio": Kernel(_range_ratio, _of_ranges, {"short": int, "long": int, "floor_jpy": float}),
        "efficiency": Kernel(_efficiency, _of_changes, {"period": int}),
        "volume_ratio": Kernel(_volume_ratio, _of_window, {"period": int}),
        "volume_rank": Kernel(_volume_rank, _of_window, {"period": int}, least=2),
        "jst_sine": Kernel(_jst_sine, _of_this_bar, {}),
        "jst_cosine": Kernel(_jst_cosine, _of_this_bar, {}),
    }
)
