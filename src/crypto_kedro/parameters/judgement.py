"""Parameters of evaluation, gates and the trial of the gates."""

from typing import Annotated, Literal

from pydantic import Field

from crypto_kedro.compute import Backend, Compute
from crypto_kedro.exchange.settings import EngineSettings
from crypto_kedro.parameters.group import Fraction, ParameterGroup, exact_rate


class MatchingParameters(ParameterGroup):
    """What history does not tell of the exchange; see `EngineSettings`, and `BacktestPlan` for ``limit_target``."""

    latency_ms: int = Field(ge=0)
    volume_share: Annotated[float, Field(gt=0.0, le=1.0)] | None
    fill_at_touch: bool
    limit_target: bool

    def engine(self) -> EngineSettings:
        """Return the settings as the engine takes them, without slippage."""
        share = None if self.volume_share is None else exact_rate(self.volume_share)
        return EngineSettings(latency_ms=self.latency_ms, volume_share=share, fill_at_touch=self.fill_at_touch)


class CombinatorialParameters(ParameterGroup):
    """Cross-validation over combinations of groups; see `crypto_kedro.learning.combinatorial.CombinatorialPurged`."""

    enabled: bool
    n_groups: int = Field(ge=2, le=20)
    n_test_groups: int = Field(ge=1, le=19)


class EvaluationParameters(ParameterGroup):
    """How out-of-sample predictions are judged."""

    capital_jpy: int = Field(ge=1)
    cost_scales: tuple[Annotated[float, Field(ge=0.0, le=10.0)], ...]
    matching: MatchingParameters
    combinatorial: CombinatorialParameters
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


class ComputeParameters(ParameterGroup):
    """Where work that falls into independent parts is done; see `crypto_kedro.compute.Compute`."""

    backend: Literal["sequential", "joblib", "dask"]
    workers: int = Field(ge=1, le=1024)
    dask_address: str | None

    def where(self) -> Compute:
        """Return the same as the work takes it."""
        return Compute(Backend(self.backend), self.workers, self.dask_address)


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
