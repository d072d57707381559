"""The feature catalogue, its kernels and their computation, the same for history and for the live window.

Importing this room does not import pandas; `crypto_kedro.features.frame` does.
"""

from crypto_kedro.features.batch import Absence, FeatureMatrix, compute_features
from crypto_kedro.features.catalogue import FeatureSet, FeatureSpec, load_feature_set
from crypto_kedro.features.manager import FeatureManager

__all__ = [
    "Absence",
    "FeatureManager",
    "FeatureMatrix",
    "FeatureSet",
    "FeatureSpec",
    "compute_features",
    "load_feature_set",
]
