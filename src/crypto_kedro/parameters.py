"""Every parameter, typed: an unknown key or a value out of range stops a run before it begins."""

import difflib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.exchange.settings import EngineSettings
from crypto_kedro.market.bars import HOUR_MS
from crypto_kedro.market.costs import CostSchedule, FeeRates
from crypto_kedro.trading.money import Jpy, Rate
from crypto_kedro.trading.observation import ExchangeStatus
from crypto_kedro.trading.settings import (
    BarrierRule,
    FundingStage,
    GuardRule,
    SignalRule,
    SizingRule,
    TradingSettings,
)

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


class SearchRangeParameters(ParameterGroup):
    """Values that a setting may take; see `SearchRange`."""

    low: float
    high: float
    log: bool


class TuningParameters(ParameterGroup):
    """How the settings of the models are searched; see `TuningRule`. ``storage`` is the path of a SQLite file."""

    enabled: bool
    trials: int = Field(ge=1, le=10_000)
    seconds: float | None = Field(gt=0.0)
    inner_folds: int = Field(ge=2, le=20)
    seed: int = Field(ge=0)
    storage: str = Field(min_length=1)
    space: dict[str, dict[str, SearchRangeParameters]]


class MatchingParameters(ParameterGroup):
    """What history does not tell of the exchange; see `EngineSettings`, and `BacktestPlan` for ``limit_target``."""

    latency_ms: int = Field(ge=0)
    volume_share: Annotated[float, Field(gt=0.0, le=1.0)] | None
    fill_at_touch: bool
    limit_target: bool

    def engine(self) -> EngineSettings:
        """Return the settings as the engine takes them, without slippage."""
        share = None if self.volume_share is None else _rate(self.volume_share)
        return EngineSettings(latency_ms=self.latency_ms, volume_share=share, fill_at_touch=self.fill_at_touch)


class EvaluationParameters(ParameterGroup):
    """How out-of-sample predictions are judged."""

    capital_jpy: int = Field(ge=1)
    cost_scales: tuple[Annotated[float, Field(ge=0.0, le=10.0)], ...]
    matching: MatchingParameters
    candidate_thresholds: tuple[Annotated[float, Field(gt=0.0, lt=1.0)], ...]
    overfitting_blocks: int = Field(ge=2, le=20, multiple_of=2)
    random_traders: int = Field(ge=20, le=10_000)
    confidence_level: float = Field(gt=0.5, lt=1.0)
    bootstrap_replications: int = Field(ge=100, le=100_000)
    bootstrap_mean_days: float = Field(ge=1.0, le=60.0)
    seed: int = Field(ge=0)


class GateParameters(ParameterGroup):
    """Thresholds of the gates between challenger and champion; see `crypto_kedro.learning.gates.GateLimits`."""

    allow_synthetic: bool
    max_halt_share: Fraction
    max_inference_difference: Fraction
    min_trades: int = Field(ge=1)
    min_days: int = Field(ge=1)
    min_folds_better_than_prior: Fraction
    min_net_profit: float
    min_stressed_net_profit: float
    min_deflated_sharpe: Fraction
    max_overfitting: Fraction
    random_percentile: float = Field(ge=0.0, lt=100.0)
    max_drawdown: Fraction
    min_windows_profitable: Fraction
    min_regimes_profitable: Fraction
    max_largest_trade_share: Fraction
    max_calibration_error: Fraction
    max_overconfidence: Fraction


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


class SizingParameters(ParameterGroup):
    """How much to trade; see `SizingRule`, and `Conditions` for ``unproven_kelly``."""

    risk_fraction: float = Field(gt=0.0, le=1.0)
    kelly_multiplier: float = Field(gt=0.0, le=1.0)
    max_leverage: float = Field(gt=0.0, le=2.0)
    margin_floor: float = Field(gt=0.0)
    unproven_kelly: float = Field(ge=0.0, le=2.0)


class GuardParameters(ParameterGroup):
    """When to keep out of the market; see `GuardRule`."""

    max_data_age_seconds: int = Field(ge=0)
    max_gap_minutes: int = Field(ge=0)
    worst_status: Literal["NORMAL", "BUSY", "VERY_BUSY"]
    max_spread: float = Field(gt=0.0, lt=1.0)
    max_jump: float = Field(gt=0.0, lt=1.0)
    max_volatility: float = Field(gt=0.0, lt=1.0)
    max_daily_loss: float = Field(gt=0.0, le=1.0)
    max_weekly_loss: float = Field(gt=0.0, le=1.0)
    max_drawdown: float = Field(gt=0.0, le=1.0)
    max_losses_in_a_row: int = Field(ge=1)
    loss_pause_hours: int = Field(ge=0)
    max_trades_a_day: int = Field(ge=1)


class StageParameters(ParameterGroup):
    """One step of the capital; see `FundingStage`."""

    capital: int = Field(ge=1)
    min_trades: int = Field(ge=0)
    min_days: int = Field(ge=0)
    max_drawdown: float = Field(gt=0.0, le=1.0)


class TradingParameters(ParameterGroup):
    """How the trader decides."""

    min_agreement: Fraction
    min_expected_value: float
    flat_outcome_atr: float
    trailing_atr: float | None = Field(gt=0.0)
    sizing: SizingParameters
    guards: GuardParameters
    stages: tuple[StageParameters, ...] = Field(min_length=1)

    def settings(self, barriers: BarrierRule, confidence_threshold: float, slippage: float) -> TradingSettings:
        """Return the settings as the decision core takes them; the barriers bring ``trailing_atr`` of their own."""
        guards = self.guards.model_dump()
        guards["max_data_age_ms"] = 1000 * guards.pop("max_data_age_seconds")
        guards["loss_pause_ms"] = HOUR_MS * guards.pop("loss_pause_hours")
        guards["worst_status"] = ExchangeStatus[guards["worst_status"]].value
        return TradingSettings(
            barriers=barriers,
            signal=SignalRule(
                confidence_threshold=confidence_threshold,
                min_agreement=self.min_agreement,
                min_expected_value=self.min_expected_value,
                flat_outcome_atr=self.flat_outcome_atr,
                slippage=slippage,
            ),
            sizing=SizingRule(
                risk_fraction=_rate(self.sizing.risk_fraction),
                kelly_multiplier=self.sizing.kelly_multiplier,
                max_leverage=_rate(self.sizing.max_leverage),
                margin_floor=_rate(self.sizing.margin_floor),
            ),
            guards=GuardRule(**guards),
            stages=tuple(
                FundingStage(
                    capital=Jpy.of(stage.capital),
                    min_trades=stage.min_trades,
                    min_days=stage.min_days,
                    max_drawdown=stage.max_drawdown,
                )
                for stage in self.stages
            ),
        )


class TrackingParameters(ParameterGroup):
    """Where MLflow keeps runs and models."""

    uri: str = Field(min_length=1)
    artifact_root: str = Field(min_length=1)
    experiment: str = Field(min_length=1)
    registered_model: str = Field(min_length=1)


class ComputeParameters(ParameterGroup):
    """Where work that falls into independent parts is done; see `crypto_kedro.compute.Compute`."""

    backend: Literal["sequential", "joblib", "dask"]
    workers: int = Field(ge=1, le=1024)
    dask_address: str | None


class PlantedParameters(ParameterGroup):
    """Markets with a planted signal of one strength."""

    name: str = Field(min_length=1)
    signal_strength: float = Field(gt=0.0, le=1.0)
    markets: int = Field(ge=1)


class GateTrialParameters(ParameterGroup):
    """The markets on which the gates are tried."""

    days: int = Field(ge=1, le=3650)
    first_seed: int = Field(ge=0)
    noise_markets: int = Field(ge=1)
    planted: tuple[PlantedParameters, ...]
    confidence_level: float = Field(gt=0.5, lt=1.0)


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


def _rate(value: float) -> Rate:
    """Return a fraction from YAML as a rate; ``repr`` of a float is its shortest decimal."""
    return Rate.of(Decimal(repr(value)))


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
