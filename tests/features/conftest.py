"""Bars to compute features on: a seeded random walk that is always there, and the real candles where they are."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crypto_kedro.features import FeatureSet, load_feature_set
from crypto_kedro.market.bars import DAY_MS, MINUTE_MS, Bars
from crypto_kedro.market.frame import candles_from_frame
from crypto_kedro.market.gaps import fill_halts
from crypto_kedro.market.resample import CONTEXT_MS, DECISION_MS, resample

CATALOGUE = Path(__file__).parents[2] / "conf" / "base" / "feature_order.json"
BARS_A_DAY = DAY_MS // DECISION_MS


@pytest.fixture(scope="session")
def catalogue_path() -> Path:
    return CATALOGUE


@pytest.fixture(params=["classic12", "stationary12"])
def feature_set(request: pytest.FixtureRequest) -> FeatureSet:
    return load_feature_set(CATALOGUE, request.param)


@pytest.fixture(scope="session")
def random_walk() -> Callable[..., Bars]:
    return _random_walk


@pytest.fixture(params=["random walk", "real"])
def market(request: pytest.FixtureRequest) -> tuple[Bars, Bars]:
    """Decision and context bars, from each source in turn."""
    if request.param == "real":
        return _real_market(request.getfixturevalue("real_candles_path"))
    decision = _random_walk(days=120, seed=7)
    return decision, resample(decision, CONTEXT_MS)


def _random_walk(days: int, seed: int, start_day: int = 19_000) -> Bars:
    """Whole-yen bars with a still stretch, silent bars, a short halt (30 minutes) and a long one (90 minutes)."""
    rng = np.random.default_rng(seed)
    size = days * BARS_A_DAY
    step = rng.standard_t(4, size) * 0.003
    still = slice(size // 3, size // 3 + 150)
    step[still] = 0.0
    close = np.round(3_000_000.0 * np.exp(np.cumsum(step)))
    opened = np.concatenate([close[:1], close[:-1]])
    reach = np.abs(rng.normal(0.0, 0.001, (2, size))) * close
    reach[:, still] = 0.0
    volume = np.round(rng.exponential(3.0, size) * (rng.random(size) > 0.05), 4)
    volume[still] = 0.0
    gap_minutes = np.zeros(size, dtype=np.int64)
    gap_minutes[size // 4 : size // 4 + 2] = 30
    gap_minutes[size // 2 : size // 2 + 6] = 90
    return Bars(
        interval_ms=DECISION_MS,
        open_time=start_day * DAY_MS + np.arange(size, dtype=np.int64) * DECISION_MS,
        open=opened,
        high=np.round(np.maximum(opened, close) + reach[0]),
        low=np.round(np.minimum(opened, close) - reach[1]),
        close=close,
        volume=volume,
        gap_minutes=gap_minutes,
    )


@cache
def _real_market(path: Path) -> tuple[Bars, Bars]:
    candles = candles_from_frame(pd.read_parquet(path))
    minutes = fill_halts(candles, max_halt_minutes=DAY_MS // MINUTE_MS, location=path.name)
    return resample(minutes, DECISION_MS), resample(minutes, CONTEXT_MS)
