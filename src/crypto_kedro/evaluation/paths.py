"""Several backtests of one recipe over the same days, by combinatorial purged cross-validation."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from crypto_kedro.evaluation.conditions import Conditions
from crypto_kedro.evaluation.model_trader import account_of, steady_trader
from crypto_kedro.evaluation.span import build_span
from crypto_kedro.features.manager import FeatureManager
from crypto_kedro.learning.combinatorial import CombinatorialFold, CombinatorialPurged, backtest_paths
from crypto_kedro.learning.ensemble import EnsembleRule
from crypto_kedro.learning.performance import measure_account
from crypto_kedro.learning.walk_forward import Examples, RunEach, say, train_rows
from crypto_kedro.market.frame import timestamps
from crypto_kedro.market.resample import DECISION_MS

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def path_signals(
    examples: Examples,
    before_ms: int,
    splitter: CombinatorialPurged,
    rule: EnsembleRule,
    features: FeatureManager,
    run_each: RunEach,
) -> list[pd.DataFrame]:
    """Return what the models of each path say about every labelled bar before the final window, as ``signals`` do.

    Args:
        examples: all rows.
        before_ms: start of the final window, which stays untouched, Unix milliseconds UTC; labels that end after it
            are left out.
        splitter: groups and embargo.
        rule: the recipe of the ensemble.
        features: the feature set.
        run_each: trains the folds, here or in other processes.
    """
    ended = examples.labels["label_end"] <= timestamps(np.array([before_ms]))[0]
    kept = Examples(
        examples.features[ended].reset_index(drop=True),
        examples.labels[ended].reset_index(drop=True),
        examples.observed,
    )
    folds = list(splitter.split(kept.labels))
    said = run_each(partial(_test_fold, kept, rule, features), folds)
    names = [column for column in said[0].columns if column not in {"timestamp", "window"}]
    paths = backtest_paths(folds, [frame[names].to_numpy(dtype=np.float64) for frame in said])
    return [
        pd.DataFrame({"timestamp": kept.labels["timestamp"].array, "window": f"path-{number}"}).join(
            pd.DataFrame(path, columns=names)
        )
        for number, path in enumerate(paths, start=1)
    ]


def trade_paths(
    paths: list[pd.DataFrame], bars_1m: pd.DataFrame, bars_15m: pd.DataFrame, conditions: Conditions
) -> dict[str, Any]:
    """Trade every path and return the distribution of what they earned.

    The leverage of full Kelly is ``unproven_kelly`` throughout, since training lies partly after the test and no
    outcome is earlier than another. Trading ends with the last signal.

    Returns:
        JSON-able: ``paths`` (``net_profit``, ``sharpe``, ``max_drawdown`` and ``trades`` of each) and ``quantiles`` of
        net profit and Sharpe ratio over the paths; a path without a Sharpe ratio counts as 0.
    """
    traded = [_trade_path(signals, bars_1m, bars_15m, conditions) for signals in paths]
    columns = {name: [path[name] or 0.0 for path in traded] for name in ("net_profit", "sharpe")}
    return {
        "paths": traded,
        "quantiles": {
            name: {f"{share:g}": float(np.quantile(values, share)) for share in QUANTILES}
            for name, values in columns.items()
        },
    }


def _test_fold(
    examples: Examples, rule: EnsembleRule, features: FeatureManager, fold: CombinatorialFold
) -> pd.DataFrame:
    ensemble = train_rows(fold.name, fold.train, examples, rule, features, DECISION_MS)
    return say(ensemble, examples.features.iloc[fold.test], fold.name)


def _trade_path(
    signals: pd.DataFrame, bars_1m: pd.DataFrame, bars_15m: pd.DataFrame, conditions: Conditions
) -> dict[str, float | int | None]:
    last = signals["timestamp"].iloc[-1] + pd.Timedelta(milliseconds=DECISION_MS)
    span = build_span(bars_1m, bars_15m[bars_15m["timestamp"] <= last], signals)
    performance = measure_account(account_of(span, steady_trader(span, conditions), conditions))
    return {
        "net_profit": performance.net_profit,
        "sharpe": performance.sharpe,
        "max_drawdown": performance.max_drawdown,
        "trades": performance.trades,
    }
