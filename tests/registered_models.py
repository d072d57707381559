"""Versions registered and judged in a real MLflow store, as training and evaluation do it."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from matplotlib.figure import Figure

from crypto_kedro.parameters import (
    CostParameters,
    FeatureParameters,
    LabelParameters,
    MatchingParameters,
    TradingParameters,
)
from crypto_kedro.serving.bundle import ModelBundle
from crypto_kedro.tracking.judged_settings import settings_of
from crypto_kedro.tracking.registry import Candidate, record_verdict, register
from crypto_kedro.tracking.run import finish, start

PROJECT = Path(__file__).parents[1]


def base_settings() -> dict[str, Any]:
    """Return the settings of ``conf/base``."""
    groups: dict[str, Any] = {}
    for file in (PROJECT / "conf" / "base").glob("parameters_*.yml"):
        groups |= yaml.safe_load(file.read_text(encoding="utf-8"))
    return settings_of(
        FeatureParameters(**groups["features"]),
        LabelParameters(**groups["labels"]),
        TradingParameters(**groups["trading"]),
        CostParameters(**groups["costs"]),
        MatchingParameters(**groups["evaluation"]["matching"]),
    )


def settings_with(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `SETTINGS` with some values set by their dotted names."""
    settings = copy.deepcopy(SETTINGS)
    for name, value in changes.items():
        *groups, key = name.split(".")
        place: Any = settings
        for group in groups:
            place = place[int(group) if group.isdigit() else group]
        place[key] = value
    return settings


CODE = {"git_sha": "a" * 40, "git_dirty": "false"}
SETTINGS = base_settings()
"""Of ``conf/base``, under which `judged` judges."""
_SCORES = {"log_loss": 1.0}
_REPORT: dict[str, Any] = {
    "windows": {"final": {"metrics": _SCORES, "prior": _SCORES, "models": {}}},
    "total": {"metrics": _SCORES, "prior": _SCORES, "models": {}},
    "importances": {},
    "parameters": {"labels": SETTINGS["labels"]},
}
_GATES = ("calibrated", "profitable")


def trained(bundle: ModelBundle, name: str, source: str = "file") -> dict[str, Any]:
    """Register a version, which becomes the challenger; ``source`` is that of its candles."""
    start("training", CODE, {})
    candles = {"source": source, "sha256": "d" * 64}
    registered = register(
        Candidate(
            registered_model=name,
            bundle=bundle,
            feature_manifest={"feature_set": "stationary12", "hash": bundle.feature_set_hash, "data": candles},
            predictions_sha256="p" * 64,
            example=pd.DataFrame(np.zeros((2, len(bundle.feature_names))), columns=list(bundle.feature_names)),
            report=_REPORT,
            figures={"empty": Figure()},
            dry_run=False,
        )
    )
    finish("FINISHED")
    return registered


def judged(
    registered: dict[str, Any], *failed: str, kelly: float | None = None, settings: dict[str, Any] = SETTINGS
) -> None:
    """Judge a version by two gates, ``calibrated`` and ``profitable``; without a failure it becomes the champion."""
    gates = [
        {"name": name, "verdict": "fail" if name in failed else "pass", "explanation": "So.", "threshold": "> 0"}
        for name in _GATES
    ]
    start("evaluation", {}, {})
    figures = {"windows": {"final": {} if kelly is None else {"kelly": kelly}}}
    record_verdict(registered, {"passed": not failed, "failed": list(failed), "gates": gates}, figures, settings)
    finish("FINISHED")
