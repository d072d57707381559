"""Features as a pandas frame."""

import pandas as pd

from crypto_kedro.features.batch import FeatureMatrix
from crypto_kedro.market.frame import timestamps


def feature_frame(matrix: FeatureMatrix) -> pd.DataFrame:
    """Return the valid rows: ``timestamp`` (open time, datetime64[ms, UTC]), then one float64 column a feature."""
    valid = matrix.valid
    columns = {name: matrix.values[valid, column] for column, name in enumerate(matrix.names)}
    return pd.DataFrame({"timestamp": timestamps(matrix.open_time[valid]), **columns})
