"""Nodes of the features pipeline."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from crypto_kedro.errors import FeatureError, LineageError
from crypto_kedro.features import FeatureManager, FeatureMatrix, FeatureSet, compute_features, load_feature_set
from crypto_kedro.features.frame import feature_frame
from crypto_kedro.market.fingerprint import frame_sha256
from crypto_kedro.market.frame import bars_from_frame, open_times
from crypto_kedro.market.moments import utc_iso
from crypto_kedro.market.resample import CONTEXT_MS, DECISION_MS
from crypto_kedro.parameters import FeatureParameters
from crypto_kedro.reporting.feature_figures import distributions


def make_features(
    bars_15m: pd.DataFrame,
    bars_4h: pd.DataFrame,
    data_manifest: dict[str, Any],
    feature_catalogue: dict[str, Any],
    parameters: FeatureParameters,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Compute the configured feature set for every bar with a full, uninterrupted history.

    Args:
        bars_15m: bars on which decisions are taken.
        bars_4h: bars that give context.
        data_manifest: what the data pipeline says about both.
        feature_catalogue: content of ``feature_order.json``.
        parameters: the group ``features``.

    Returns:
        The features: ``timestamp`` (open time, UTC) and one float64 column a feature; and their manifest.

    Raises:
        LineageError: the bars are not those of the manifest.
        FeatureError: the catalogue is malformed, or no bar has a full history.
    """
    _check_hash(bars_15m, data_manifest, "bars_15m")
    _check_hash(bars_4h, data_manifest, "bars_4h")
    manager = FeatureManager(load_feature_set(feature_catalogue, parameters.feature_set))
    matrix = compute_features(
        manager.feature_set,
        bars_from_frame(bars_15m, DECISION_MS),
        bars_from_frame(bars_4h, CONTEXT_MS),
        parameters.max_gap_minutes,
    )
    features = manager.validate_features(_known_rows(matrix, manager.feature_set))
    features.attrs = dict(bars_15m.attrs)
    manifest = _describe(features, manager, matrix, parameters.max_gap_minutes)
    return features, manifest | {"parameters": parameters.model_dump(mode="json"), "data": data_manifest}


def draw_feature_overview(features: pd.DataFrame, feature_manifest: dict[str, Any]) -> go.Figure:
    """Return the distribution of every feature, coloured by category."""
    return distributions(features, feature_manifest["categories"])


def _check_hash(frame: pd.DataFrame, data_manifest: dict[str, Any], name: str) -> None:
    if frame_sha256(frame) != data_manifest.get(f"{name}_sha256"):
        raise LineageError(
            f"features: {name} is not the table that data_manifest describes; run `kedro run --pipelines data` first"
        )


def _known_rows(matrix: FeatureMatrix, feature_set: FeatureSet) -> pd.DataFrame:
    if not matrix.valid.any():
        raise FeatureError(
            f"features: none of {matrix.open_time.size:,} bars has a full history ({dict(matrix.absent_rows)}); supply "
            f"more candles, {feature_set.name} looks back {feature_set.decision_window_bars} bars of 15 minutes and "
            f"{feature_set.context_window_bars} of 4 hours, or raise features.max_gap_minutes"
        )
    return feature_frame(matrix)


def _describe(
    features: pd.DataFrame, manager: FeatureManager, matrix: FeatureMatrix, max_gap_minutes: int
) -> dict[str, Any]:
    opened = open_times(features)
    return {
        "feature_set": manager.feature_set.name,
        "hash": manager.feature_set.hash,
        "names": manager.get_feature_names(),
        "categories": manager.get_feature_categories(),
        "max_gap_minutes": max_gap_minutes,
        "rows": len(features),
        "dropped_rows": dict(matrix.absent_rows),
        "first": utc_iso(int(opened[0])),
        "last": utc_iso(int(opened[-1])),
        "features_sha256": frame_sha256(features),
    }
