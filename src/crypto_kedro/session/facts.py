"""What the decision core is told about closed bars: the same function for one live bar and for a whole history."""

from typing import NamedTuple

import numpy as np

from crypto_kedro.features.kernels import atr
from crypto_kedro.market.bars import Bars, FloatArray
from crypto_kedro.trading.observation import ExchangeStatus
from crypto_kedro.trading.signal import SignalFacts


class ModelWord(NamedTuple):
    """What the model says about n bars; a row of NaN is a bar that it cannot judge.

    Args:
        calibrated: probabilities of short, flat and long after the vote and the calibration, shape (n, 3).
        models: those of each single model, before both, each of shape (n, 3).
    """

    calibrated: FloatArray
    models: tuple[FloatArray, ...]


def signal_facts(bars: Bars, word: ModelWord, atr_period: int, spread: float) -> SignalFacts[FloatArray]:
    """Return the facts of the last n bars, as known the moment each of them closes.

    Args:
        bars: decision bars; those before the last n only serve the average true range.
        word: of the last n bars.
        atr_period: bars of Wilder's average true range.
        spread: best ask less best bid, as a fraction of the price.
    """
    n = len(word.calibrated)
    told = slice(len(bars) - n, None)
    before = np.append(np.nan, bars.close[:-1])
    zero = np.zeros(n)
    return SignalFacts(
        bar_close_ms=bars.close_time[told].astype(np.float64),
        age_ms=zero,
        close=bars.close[told],
        atr=atr(bars, atr_period)[told],
        spread=zero + spread,
        last_return=bars.close[told] / before[told] - 1.0,
        gap_minutes=bars.gap_minutes[told].astype(np.float64),
        status=zero + ExchangeStatus.NORMAL.value,
        short=_column(word.calibrated, 0),
        flat=_column(word.calibrated, 1),
        long=_column(word.calibrated, 2),
        models=tuple((_column(own, 0), _column(own, 1), _column(own, 2)) for own in word.models),
    )


def _column(probabilities: FloatArray, column: int) -> FloatArray:
    return np.ascontiguousarray(probabilities[:, column], dtype=np.float64)
