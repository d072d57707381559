"""Figures of returns, against pandas and by hand."""

import numpy as np
import pandas as pd
import pytest

from crypto_kedro.market.bars import MINUTE_MS, Bars
from crypto_kedro.market.statistics import return_statistics


def bars_with(close: np.ndarray) -> Bars:
    zeros = np.zeros(close.size)
    open_time = np.arange(close.size, dtype=np.int64) * MINUTE_MS
    return Bars(MINUTE_MS, open_time, close, close, close, close, zeros, zeros.astype(np.int64))


def test_given_random_returns_when_measured_then_the_figures_agree_with_pandas() -> None:
    returns = pd.Series(np.random.default_rng(5).standard_t(4, 20_000) * 1e-3)
    close = 1e6 * np.exp(np.concatenate([[0.0], returns.cumsum()]))

    figures = return_statistics(bars_with(close))["1m"]

    assert figures["std_bp"] == pytest.approx(returns.std(ddof=0) * 1e4)
    assert figures["excess_kurtosis"] == pytest.approx(returns.kurt(), rel=0.01)
    assert figures["abs_acf_1"] == pytest.approx(returns.abs().autocorr(1), abs=1e-3)
    assert figures["abs_acf_10"] == pytest.approx(returns.abs().autocorr(10), abs=1e-3)


@pytest.mark.parametrize("close", [np.full(500, 1e6), np.array([1.0, 2.0, 3.0])])
def test_given_motionless_or_few_bars_when_measured_then_the_figures_are_none(close: np.ndarray) -> None:
    figures = return_statistics(bars_with(close))

    assert set(figures) == {"1m", "15m", "1h", "4h"}
    assert all(value is None for horizon in figures.values() for value in horizon.values())
