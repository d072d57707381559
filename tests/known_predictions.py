"""Markets and out-of-sample predictions of known worth, for tests of their judgement."""

import numpy as np
import pandas as pd

from crypto_kedro.market.bars import MINUTE_MS, Bars
from crypto_kedro.market.resample import resample

BAR_MS = 15 * MINUTE_MS
START_MS = 1_735_689_600_000
MODEL_COLUMNS = ["p_short", "p_flat", "p_long"]
PRIOR_COLUMNS = ["prior_short", "prior_flat", "prior_long"]


def minute_walk(days: int, seed: int) -> Bars:
    """1-minute bars from 2025-01-01 UTC, in whole JPY, whose returns are independent draws."""
    rng = np.random.default_rng(seed)
    n = days * 24 * 60
    close = np.rint(5_000_000 * np.exp(np.cumsum(0.001 * rng.standard_t(5, size=n))))
    opened = np.append(5_000_000.0, close[:-1])
    reach = np.rint(1_000 * rng.random((2, n)))
    return Bars(
        MINUTE_MS,
        START_MS + MINUTE_MS * np.arange(n),
        opened,
        np.maximum(opened, close) + reach[0],
        np.minimum(opened, close) - reach[1],
        close,
        np.ones(n),
        np.zeros(n, dtype=np.int64),
    )


def random_walk(days: int, seed: int) -> Bars:
    """The same market in bars of 15 minutes."""
    return resample(minute_walk(days, seed), BAR_MS)


def predict(labels: pd.DataFrame, knowledge: float, seed: int) -> pd.DataFrame:
    """Predict labels in three folds and a final window.

    Args:
        labels: with ``timestamp`` and ``label``.
        knowledge: share of the labels that the model is told, all probabilities being calibrated to that; at 0 it
            says the prior, and is wrongly sure of a random class in 3% of the rows.
        seed: of the random numbers.
    """
    rng = np.random.default_rng(seed)
    label = labels["label"].to_numpy(dtype=np.int64)
    n = len(label)
    prior = np.bincount(label, minlength=3) / n
    told = np.where(rng.random(n) < knowledge, label, rng.choice(3, size=n, p=prior))
    confidence = np.full(n, knowledge) if knowledge else 0.6 * (rng.random(n) < 0.03)
    probabilities = confidence[:, None] * np.eye(3)[told] + (1 - confidence[:, None]) * prior
    window = np.array(["fold-1", "fold-2", "fold-3", "final"], dtype=object)
    return pd.DataFrame(
        {
            "timestamp": labels["timestamp"],
            "window": window[np.arange(n) * 4 // n],
            **dict(zip(MODEL_COLUMNS, probabilities.T, strict=True)),
            **dict(zip(PRIOR_COLUMNS, prior, strict=True)),
            "label": labels["label"],
            "weight": rng.uniform(0.1, 1.0, size=n),
        }
    )


def signals_of(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return what three models of one opinion would have said at the predicted bars."""
    said = predictions[["timestamp", "window", *MODEL_COLUMNS]].copy()
    for name in ("lightgbm", "xgboost", "random_forest"):
        said[[column.replace("p_", f"{name}_", 1) for column in MODEL_COLUMNS]] = said[MODEL_COLUMNS]
    return said
