"""The whole tree of parameters."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import model_validator

from crypto_kedro.parameters.group import ParameterGroup
from crypto_kedro.parameters.judgement import (
    ComputeParameters,
    EvaluationParameters,
    GateParameters,
    GateTrialParameters,
)
from crypto_kedro.parameters.monitoring import MonitoringParameters
from crypto_kedro.parameters.research import (
    DataParameters,
    FeatureParameters,
    LabelParameters,
    TrackingParameters,
    TrainingParameters,
    TuningParameters,
)
from crypto_kedro.parameters.sentences import SourceOf, validate
from crypto_kedro.parameters.session import SessionParameters
from crypto_kedro.parameters.trading import CostParameters, TradingParameters


class Parameters(ParameterGroup):
    """All of ``conf/*/parameters*.yml``."""

    data: DataParameters
    features: FeatureParameters
    labels: LabelParameters
    training: TrainingParameters
    tuning: TuningParameters
    evaluation: EvaluationParameters
    gates: GateParameters
    costs: CostParameters
    trading: TradingParameters
    tracking: TrackingParameters
    compute: ComputeParameters
    gate_trial: GateTrialParameters
    monitoring: MonitoringParameters
    session: SessionParameters | None = None

    @model_validator(mode="after")
    def _one_gap_rule(self) -> Self:
        """Windows, labels and the quality report must mean the same halts."""
        limits = {
            "data.max_gap_minutes": self.data.max_gap_minutes,
            "features.max_gap_minutes": self.features.max_gap_minutes,
            "labels.max_gap_minutes": self.labels.max_gap_minutes,
        }
        if len(set(limits.values())) > 1:
            shown = ", ".join(f"{name}={limit}" for name, limit in limits.items())
            raise ValueError(f"the limits of a tolerable halt differ ({shown}); give all three the same value")
        return self


def validate_parameters(raw: Mapping[str, Any], source_of: SourceOf | None = None) -> Parameters:
    """Return the typed parameters.

    Args:
        raw: as read.
        source_of: gives the file that sets a path of keys, for the sentence about a mistake.

    Raises:
        ConfigurationError: a key is unknown (the nearest known one is named), missing, or has a value out of range.
    """
    return validate(Parameters, raw, "parameters", source_of)
