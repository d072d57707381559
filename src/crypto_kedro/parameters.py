"""Every parameter, typed: an unknown key or a value out of range stops a run before it begins."""

import difflib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.market.costs import CostSchedule, FeeRates

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class ParameterGroup(BaseModel):
    """Base of all groups: frozen, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SyntheticParameters(ParameterGroup):
    """The synthetic market; a signal strength of 0 is pure noise."""

    days: int = Field(ge=1, le=3650)
    seed: int = Field(ge=0)
    signal_strength: float = Field(ge=0.0, le=10.0)


class DataParameters(ParameterGroup):
    """Where the candles come from and which gaps in them are tolerable."""

    source: Literal["synthetic", "file", "bitbank"]
    path: str | None
    pair: str = Field(min_length=3)
    start: date | None
    end: date | None
    synthetic: SyntheticParameters
    max_halt_minutes: int = Field(ge=1)
    max_gap_minutes: int = Field(ge=0)


class FeatureParameters(ParameterGroup):
    """Which features are computed."""

    feature_set: str
    max_gap_minutes: int = Field(ge=0)


class LabelParameters(ParameterGroup):
    """Where the simulated trades behind the labels end."""

    atr_period: int = Field(ge=2, le=500)
    take_profit_atr: float = Field(gt=0.0, le=50.0)
    stop_loss_atr: float = Field(gt=0.0, le=50.0)
    max_bars: int = Field(ge=1, le=960)
    max_gap_minutes: int = Field(ge=0)


class TrainingParameters(ParameterGroup):
    """Windows, models and calibration; the settings of each model are checked where the models are known."""

    training_days: int = Field(ge=1)
    min_training_days: int = Field(ge=1)
    n_folds: int = Field(ge=1, le=100)
    final_days: int = Field(ge=1)
    embargo_hours: int = Field(ge=0)
    confidence_threshold: float = Field(gt=0.0, lt=1.0)
    seed: int = Field(ge=0)
    threads: int = Field(ge=1, le=256)
    dry_run: bool
    weights: dict[str, Annotated[float, Field(gt=0.0)]] = Field(min_length=1)
    models: dict[str, dict[str, int | float]]
    min_class_rows: int = Field(ge=1)
    calibration_fraction: float = Field(gt=0.0, lt=1.0)
    calibration_strength: float = Field(gt=0.0)
    calibration_prior_rows: float = Field(gt=0.0)
    recomputed_rows: int = Field(ge=1)
    max_foresight: float = Field(gt=0.0, le=1.0)


class EvaluationParameters(ParameterGroup):
    """How out-of-sample predictions are judged."""

    random_traders: int = Field(ge=20, le=10_000)
    confidence_level: float = Field(gt=0.5, lt=1.0)
    bootstrap_replications: int = Field(ge=100, le=100_000)
    bootstrap_mean_days: float = Field(ge=1.0, le=60.0)
    seed: int = Field(ge=0)


class GateParameters(ParameterGroup):
    """Thresholds of the gates between challenger and champion; see `crypto_kedro.learning.gates.GateLimits`."""

    allow_synthetic: bool
    min_trades: int = Field(ge=1)
    min_folds_better_than_prior: Fraction
    min_net_profit: float
    random_percentile: float = Field(ge=0.0, lt=100.0)
    max_drawdown: Fraction
    max_calibration_error: Fraction
    min_final_net_profit: float


class DatedRates(ParameterGroup):
    """Fees and interest in force from the start of a UTC day on, as fractions."""

    since: date
    maker: float = Field(ge=-0.01, le=0.01)
    taker: float = Field(ge=-0.01, le=0.01)
    interest_per_day: float = Field(ge=0.0, le=0.01)


class CostParameters(ParameterGroup):
    """What a trade costs."""

    rates: tuple[DatedRates, ...] = Field(min_length=1)
    half_spread: float = Field(ge=0.0, le=0.05)
    slippage: float = Field(ge=0.0, le=0.05)

    def schedule(self, scale: float = 1.0) -> CostSchedule:
        """Return the costs as the rooms take them, multiplied by ``scale``."""
        rates = tuple(
            FeeRates(
                since_ms=int(datetime(*row.since.timetuple()[:3], tzinfo=UTC).timestamp() * 1000),
                maker=row.maker,
                taker=row.taker,
                interest_per_day=row.interest_per_day,
            )
            for row in self.rates
        )
        return CostSchedule(rates, self.half_spread, self.slippage, scale)


class TrackingParameters(ParameterGroup):
    """Where MLflow keeps runs and models."""

    uri: str = Field(min_length=1)
    artifact_root: str = Field(min_length=1)
    experiment: str = Field(min_length=1)
    registered_model: str = Field(min_length=1)


class Parameters(ParameterGroup):
    """All of ``conf/*/parameters*.yml``."""

    data: DataParameters
    features: FeatureParameters
    labels: LabelParameters
    training: TrainingParameters
    evaluation: EvaluationParameters
    gates: GateParameters
    costs: CostParameters
    tracking: TrackingParameters

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
