"""The whole tree of parameters, and the one sentence about what is wrong in it."""

import difflib
from collections.abc import Mapping
from typing import Any, Self, get_args

from pydantic import BaseModel, ValidationError, model_validator

from crypto_kedro.errors import ConfigurationError
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


def validate_parameters(raw: Mapping[str, Any]) -> Parameters:
    """Return the typed parameters.

    Raises:
        ConfigurationError: a key is unknown (the nearest known one is named), missing, or has a value out of range.
    """
    try:
        return Parameters.model_validate(raw)
    except ValidationError as error:
        problems = error.errors()
        more = f" ({len(problems) - 1} more after this one)" if len(problems) > 1 else ""
        raise ConfigurationError(_sentence(dict(problems[0])) + more) from None


def _sentence(problem: Mapping[str, Any]) -> str:
    path = [str(step) for step in problem["loc"]]
    name = ".".join(path)
    if problem["type"] == "extra_forbidden":
        known = _keys_at(path[:-1])
        near = difflib.get_close_matches(path[-1], known, n=1)
        hint = f"did you mean {'.'.join([*path[:-1], near[0]])}?" if near else f"known here: {', '.join(known)}"
        return f"parameters: unknown key {name}; {hint}"
    if problem["type"] == "missing":
        return f"parameters: {name} is missing; set it in conf/local or restore conf/base"
    if problem["type"] == "value_error":
        return f"parameters: {problem['ctx']['error']}"
    reason = problem["msg"][0].lower() + problem["msg"][1:]
    return f"parameters: {name} is {problem['input']!r}, but {reason}; correct it in conf/ or in --params"


def _keys_at(path: list[str]) -> list[str]:
    """Return the keys that the group at ``path`` knows."""
    group: Any = Parameters
    for step in path:
        if step.isdigit():
            continue
        group = _group_of(group.model_fields[step].annotation)
    return list(group.model_fields)


def _group_of(annotation: Any) -> Any:
    """Return the group inside ``Group``, ``tuple[Group, ...]`` or ``Group | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for found in map(_group_of, get_args(annotation)) if found is not None), None)
