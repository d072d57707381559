"""The registered model as MLflow loads it: this code over a bundle, never a pickle."""

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from crypto_kedro.serving.bundle import load_bundle
from crypto_kedro.serving.probability import CLASS_NAMES

BUNDLE_ARTIFACT = "bundle"


class EnsembleModel(PythonModel):
    """Calibrated probabilities of short, flat and long from a frame of features."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load and verify the bundle."""
        self._bundle = load_bundle(Path(context.artifacts[BUNDLE_ARTIFACT]))

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return one row of probabilities for each row of features.

        Args:
            context: given by MLflow, not used.
            model_input: the feature columns by name, in any order.
            params: given by MLflow, not used.
        """
        features = model_input[list(self._bundle.feature_names)].to_numpy(dtype="float64")
        return pd.DataFrame(self._bundle.predict_proba(features), columns=list(CLASS_NAMES), index=model_input.index)


set_model(EnsembleModel())
