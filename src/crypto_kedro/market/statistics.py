"""How a market moves: the figures by which real and synthetic bars are compared."""

import numpy as np

from crypto_kedro.market.bars import HOUR_MS, MINUTE_MS, Bars, FloatArray
from crypto_kedro.market.resample import CONTEXT_MS, DECISION_MS, resample

HORIZONS = {"1m": MINUTE_MS, "15m": DECISION_MS, "1h": HOUR_MS, "4h": CONTEXT_MS}

_BASIS_POINT = 1e-4
_LAGS = (1, 10)


def return_statistics(bars: Bars) -> dict[str, dict[str, float | None]]:
    """Return for each horizon the figures of its log returns from close to close.

    Returns:
        ``1m``, ``15m``, ``1h`` and ``4h``, each with std_bp (standard deviation in basis points), excess_kurtosis,
        and abs_acf_1 and abs_acf_10 (autocorrelation of the absolute return at these lags); None where there are too
        few or motionless bars.
    """
    return {name: _figures(resample(bars, interval_ms).close) for name, interval_ms in HORIZONS.items()}


def _figures(close: FloatArray) -> dict[str, float | None]:
    returns = np.diff(np.log(close))
    if returns.size <= max(_LAGS) + 1 or np.ptp(np.abs(returns)) == 0.0:
        return {"std_bp": None, "excess_kurtosis": None, **{f"abs_acf_{lag}": None for lag in _LAGS}}
    centred = returns - returns.mean()
    variance = float(np.mean(centred**2))
    return {
        "std_bp": variance**0.5 / _BASIS_POINT,
        "excess_kurtosis": float(np.mean(centred**4)) / variance**2 - 3.0,
        **{f"abs_acf_{lag}": _autocorrelation(np.abs(returns), lag) for lag in _LAGS},
    }


def _autocorrelation(values: FloatArray, lag: int) -> float:
    centred = values - values.mean()
    return float(np.sum(centred[lag:] * centred[:-lag]) / np.sum(centred**2))
