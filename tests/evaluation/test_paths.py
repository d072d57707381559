"""Paths of the combinatorial cross-validation: each covers the days before the final window once, and is traded."""

import numpy as np
import pandas as pd
import pytest
from judged import CONDITIONS, known, market
from known_predictions import signals_of
from taught_market import INTERVAL_MS, SMALL_RULE, feature_manager, taught_examples

from crypto_kedro.evaluation.paths import path_signals, trade_paths
from crypto_kedro.learning.combinatorial import CombinatorialPurged
from crypto_kedro.learning.walk_forward import one_by_one
from crypto_kedro.market.frame import frame_from_bars, open_times

SPLITTER = CombinatorialPurged(n_groups=4, n_test_groups=2, embargo_hours=6)


@pytest.fixture(scope="module")
def paths() -> list[pd.DataFrame]:
    examples = taught_examples(days=24)
    before_ms = int(open_times(examples.labels)[-1]) - 3 * 96 * INTERVAL_MS
    return path_signals(examples, before_ms, SPLITTER, SMALL_RULE, feature_manager(), one_by_one)


def test_every_path_speaks_of_the_same_bars_and_of_none_of_the_final_window(paths: list[pd.DataFrame]) -> None:
    labels = taught_examples(days=24).labels
    final = pd.Timestamp(int(open_times(labels)[-1]) - 3 * 96 * INTERVAL_MS, unit="ms", tz="UTC")
    expected = labels.loc[labels["label_end"] <= final, "timestamp"].tolist()
    assert len(paths) == SPLITTER.n_paths == 3
    assert all(path["timestamp"].tolist() == expected for path in paths)


def test_paths_are_made_of_different_models_and_hold_probabilities(paths: list[pd.DataFrame]) -> None:
    for path in paths:
        for prefix in ("p", "lightgbm", "xgboost", "random_forest"):
            columns = [f"{prefix}_{name}" for name in ("short", "flat", "long")]
            np.testing.assert_allclose(path[columns].sum(axis=1), 1.0, atol=1e-6)
    assert not np.array_equal(paths[0]["p_long"], paths[1]["p_long"])


def test_paths_are_traded_and_summed_up() -> None:
    minutes, bars = (frame_from_bars(frame) for frame in market()[:2])
    knowing, silent = (signals_of(known(knowledge)) for knowledge in (0.75, 0.05))
    figures = trade_paths([knowing, silent], minutes, bars, CONDITIONS)
    assert figures["paths"][0]["net_profit"] > 0
    assert figures["paths"][1] == {"net_profit": 0.0, "sharpe": None, "max_drawdown": 0.0, "trades": 0}
    assert figures["quantiles"]["net_profit"]["0.5"] == pytest.approx(figures["paths"][0]["net_profit"] / 2)
