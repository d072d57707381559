"""Series derived from bars that several features share."""

from collections.abc import Callable

import numpy as np

from crypto_kedro.features.anchored import anchored_mean, ema_alpha, wilder_alpha
from crypto_kedro.features.rolling import lagged, rolling_mean, rolling_std
from crypto_kedro.market.bars import Bars, FloatArray


class Indicators:
    """Bars with the series derived from them that several kernels share, each computed once.

    Args:
        bars: closed bars without missing grid points.
    """

    def __init__(self, bars: Bars) -> None:
        self.bars = bars
        self._series: dict[tuple[str, int], FloatArray] = {}

    def _once(self, name: str, period: int, compute: Callable[[], FloatArray]) -> FloatArray:
        if (name, period) not in self._series:
            self._series[name, period] = compute()
        return self._series[name, period]

    def anchored(self, values: FloatArray, alpha: float) -> FloatArray:
        """`anchored_mean` of a series that runs along the bars."""
        first = int(self.bars.open_time[0] // self.bars.interval_ms) if len(self.bars) else 0
        return anchored_mean(values, first, alpha)

    @property
    def change(self) -> FloatArray:
        """Close minus the previous close, JPY."""
        return self._once("change", 1, lambda: self.bars.close - lagged(self.bars.close, 1))

    @property
    def true_range(self) -> FloatArray:
        """High to low of the bar and the previous close together, JPY."""
        return self._once("true_range", 1, self._true_range)

    def _true_range(self) -> FloatArray:
        previous = lagged(self.bars.close, 1)
        return np.maximum(self.bars.high, previous) - np.minimum(self.bars.low, previous)

    def atr(self, period: int) -> FloatArray:
        """Wilder's mean of the true range, JPY."""
        return self._once("atr", period, lambda: self.anchored(self.true_range, wilder_alpha(period)))

    def ema(self, period: int) -> FloatArray:
        """Exponential mean of the close, JPY."""
        return self._once("ema", period, lambda: self.anchored(self.bars.close, ema_alpha(period)))

    def mean_close(self, period: int) -> FloatArray:
        """Mean of the last closes, JPY."""
        return self._once("mean_close", period, lambda: rolling_mean(self.bars.close, period))

    def std_close(self, period: int) -> FloatArray:
        """Population standard deviation of the last closes, JPY."""
        return self._once("std_close", period, lambda: rolling_std(self.bars.close, self.mean_close(period), period))

    def mean_true_range(self, period: int) -> FloatArray:
        """Mean of the last true ranges, JPY."""
        return self._once("mean_true_range", period, lambda: rolling_mean(self.true_range, period))
