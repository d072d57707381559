"""The champion in the challenger's untouched window."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from crypto_kedro.evaluation.conditions import Conditions
from crypto_kedro.evaluation.model_trader import account_of, steady_trader
from crypto_kedro.evaluation.span import build_span
from crypto_kedro.learning.gates import NO_CHAMPION
from crypto_kedro.learning.performance import measure_account
from crypto_kedro.learning.splits import FINAL_WINDOW
from crypto_kedro.learning.walk_forward import signal_table
from crypto_kedro.serving.bundle import ModelBundle


def measure_rival(
    champion: Mapping[str, Any],
    features: pd.DataFrame,
    signals: pd.DataFrame,
    bars_1m: pd.DataFrame,
    bars_15m: pd.DataFrame,
    conditions: Conditions,
    kelly: float,
) -> dict[str, Any]:
    """Trade the final window with the champion's word, on an account of its own, with the challenger's leverage.

    Args:
        champion: ``version`` and ``bundle`` of the champion, both None if there is none.
        features: ``timestamp`` and one column a feature.
        signals: of the challenger, whose final window is the one that is traded.
        bars_1m: execution bars.
        bars_15m: decision bars.
        conditions: settings, costs and capital.
        kelly: leverage of full Kelly that the challenger had in the final window.

    Returns:
        ``version`` (`NO_CHAMPION` if there is none) and ``net_profit`` (None if it cannot be compared, as when the
        champion was made for other features).
    """
    bundle: ModelBundle | None = champion["bundle"]
    if bundle is None:
        return {"version": NO_CHAMPION, "net_profit": None}
    final = signals.loc[signals["window"] == FINAL_WINDOW, "timestamp"]
    rows = features[features["timestamp"].isin(final)]
    if rows.empty or not set(bundle.feature_names) <= set(features.columns):
        return {"version": champion["version"], "net_profit": None}
    values = rows[list(bundle.feature_names)].to_numpy(dtype=np.float64)
    said = signal_table(rows["timestamp"], FINAL_WINDOW, bundle.predict_proba(values), bundle.predict_by_model(values))
    span = build_span(bars_1m, bars_15m, said)
    trader = steady_trader(span, replace(conditions, unproven_kelly=kelly))
    performance = measure_account(account_of(span, trader, conditions))
    return {"version": champion["version"], "net_profit": performance.net_profit}
