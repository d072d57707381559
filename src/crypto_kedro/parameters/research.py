"""Parameters of data, features, labels, training and tuning."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from crypto_kedro.parameters.group import ParameterGroup


class SyntheticParameters(ParameterGroup):
    """The synthetic market; a signal strength of 0 is pure noise."""

    days: int = Field(ge=1, le=3650)
    seed: int = Field(ge=0)
    signal_strength: float = Field(ge=0.0, le=10.0)


class CandleParameters(ParameterGroup):
    """Where the candles come from."""

    source: Literal["synthetic", "file", "bitbank"]
    path: str | None
    pair: str = Field(min_length=3)
    start: date | None
    end: date | None
    synthetic: SyntheticParameters


class DataParameters(CandleParameters):
    """Where the candles come from and which gaps in them are tolerable."""

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
    min_training_share: float = Field(ge=0.0, lt=1.0)
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


class TrackingParameters(ParameterGroup):
    """Where MLflow keeps runs and models."""

    uri: str = Field(min_length=1)
    artifact_root: str = Field(min_length=1)
    experiment: str = Field(min_length=1)
    registered_model: str = Field(min_length=1)
