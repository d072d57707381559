"""Every parameter, typed: an unknown key or a value out of range stops a run before it begins."""

from crypto_kedro.parameters.group import Fraction, ParameterGroup
from crypto_kedro.parameters.judgement import (
    ComputeParameters,
    EvaluationParameters,
    GateParameters,
    GateTrialParameters,
    MatchingParameters,
    PlantedParameters,
)
from crypto_kedro.parameters.research import (
    DataParameters,
    FeatureParameters,
    LabelParameters,
    SearchRangeParameters,
    SyntheticParameters,
    TrackingParameters,
    TrainingParameters,
    TuningParameters,
)
from crypto_kedro.parameters.trading import (
    CostParameters,
    DatedRates,
    GuardParameters,
    SizingParameters,
    StageParameters,
    TradingParameters,
)
from crypto_kedro.parameters.tree import Parameters, validate_parameters

__all__ = [
    "ComputeParameters",
    "CostParameters",
    "DataParameters",
    "DatedRates",
    "EvaluationParameters",
    "FeatureParameters",
    "Fraction",
    "GateParameters",
    "GateTrialParameters",
    "GuardParameters",
    "LabelParameters",
    "MatchingParameters",
    "ParameterGroup",
    "Parameters",
    "PlantedParameters",
    "SearchRangeParameters",
    "SizingParameters",
    "StageParameters",
    "SyntheticParameters",
    "TrackingParameters",
    "TradingParameters",
    "TrainingParameters",
    "TuningParameters",
    "validate_parameters",
]
