"""The public face of a feature set, for people and for models that must be given exactly its columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crypto_kedro.errors import FeatureError
from crypto_kedro.features.catalogue import FeatureSet

if TYPE_CHECKING:
    import pandas as pd


class FeatureManager:
    """Names, order and categories of a feature set, and the check that a frame holds exactly it.

    Args:
        feature_set: from `load_feature_set`.
    """

    def __init__(self, feature_set: FeatureSet) -> None:
        self.feature_set = feature_set

    def get_feature_names(self) -> list[str]:
        """Return the names in the order in which a model takes them."""
        return list(self.feature_set.names)

    def get_feature_count(self) -> int:
        """Return the number of features."""
        return len(self.feature_set.features)

    def get_feature_categories(self) -> dict[str, list[str]]:
        """Return the names of each category, in order."""
        categories: dict[str, list[str]] = {}
        for feature in self.feature_set.features:
            categories.setdefault(feature.category, []).append(feature.name)
        return categories

    def validate_features(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the frame as it is if its columns are exactly the features, in order, finite and float64.

        Args:
            frame: shape (n, features), and optionally a column ``timestamp`` (UTC) before them.

        Raises:
            FeatureError: a feature is missing, extra, repeated, out of order, of another type, NaN or infinite.
        """
        columns = [str(column) for column in frame.columns]
        self._check_columns(columns[1:] if columns[:1] == ["timestamp"] else columns)
        for name in self.feature_set.names:
            if frame[name].dtype != np.float64:
                raise FeatureError(f"feature {name!r} has dtype {frame[name].dtype}; features are float64")
            broken = ~np.isfinite(frame[name].to_numpy())
            if broken.any():
                row = int(np.argmax(broken))
                raise FeatureError(
                    f"feature {name!r} is {frame[name].iloc[row]} in {self._row(frame, row)} "
                    f"({int(broken.sum())} such rows); drop the rows without a full history, do not fill them"
                )
        return frame

    def _check_columns(self, columns: list[str]) -> None:
        expected = self.get_feature_names()
        of_set = f"of feature set {self.feature_set.name!r}"
        for name in expected:
            if name not in columns:
                raise FeatureError(f"feature {name!r} {of_set} is missing from the frame")
        for position, name in enumerate(columns):
            if name not in expected:
                raise FeatureError(f"column {name!r} is not a feature {of_set}; take it out of the frame")
            if name in columns[:position]:
                raise FeatureError(f"feature {name!r} is in the frame more than once")
        for position, (name, right) in enumerate(zip(columns, expected, strict=True), start=1):
            if name != right:
                raise FeatureError(f"feature {name!r} stands at place {position}, where {right!r} {of_set} belongs")

    @staticmethod
    def _row(frame: pd.DataFrame, row: int) -> str:
        if "timestamp" in frame.columns:
            return f"row {row} (bar opened at {frame['timestamp'].iloc[row]})"
        return f"row {row}"
