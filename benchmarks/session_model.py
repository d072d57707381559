"""The model's word: one row through the ensemble, and the features of one live window with it."""

import time
from pathlib import Path

import numpy as np
from session_parts import Figures, live_model, spread_ms

from crypto_kedro.market.bars import DAY_MS
from crypto_kedro.market.frame import candles_from_frame
from crypto_kedro.market.gaps import fill_halts
from crypto_kedro.market.resample import CONTEXT_MS
from crypto_kedro.market.synthetic import synthetic_candles

LONGEST_HALT_MINUTES = 10_000


def measure(project: Path, calls: int = 500, windows: int = 60) -> Figures:
    """Return the time of one prediction, and of resampling, features and prediction for a window."""
    model = live_model(project)
    rows = np.random.default_rng(1).normal(size=(calls, 1, len(model.bundle.feature_names)))
    model.bundle.predict_proba(rows[0])
    predicted = []
    for row in rows:
        started = time.perf_counter()
        model.bundle.predict_proba(row)
        predicted.append(time.perf_counter() - started)
    span_ms = -(-model.history_ms // CONTEXT_MS) * CONTEXT_MS
    candles = candles_from_frame(synthetic_candles(-(-span_ms // DAY_MS) + 2, 7))
    minutes = fill_halts(candles, LONGEST_HALT_MINUTES, "synthetic")
    known = []
    for _ in range(windows):
        started = time.perf_counter()
        facts = model.facts(minutes[: span_ms // 60_000], 0.0)
        known.append(time.perf_counter() - started)
    assert facts is not None
    return {
        **spread_ms("inference", predicted),
        **spread_ms("window_features_and_inference", known),
        "window_days": round(span_ms / DAY_MS, 1),
        "features": len(model.bundle.feature_names),
    }
