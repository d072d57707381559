"""Parameters of costs and of the trader."""

from datetime import UTC, date, datetime
from typing import Literal

from pydantic import Field

from crypto_kedro.market.bars import HOUR_MS
from crypto_kedro.market.costs import CostSchedule, FeeRates
from crypto_kedro.market.resample import DECISION_MS
from crypto_kedro.parameters.group import Fraction, ParameterGroup, exact_rate
from crypto_kedro.parameters.research import LabelParameters
from crypto_kedro.trading.money import Jpy
from crypto_kedro.trading.observation import ExchangeStatus
from crypto_kedro.trading.settings import (
    BarrierRule,
    FundingStage,
    GuardRule,
    SignalRule,
    SizingRule,
    TradingSettings,
)


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

    def settings(self, labels: LabelParameters, confidence_threshold: float, slippage: float) -> TradingSettings:
        """Return the settings as the decision core takes them; a trade ends where its label ends."""
        guards = self.guards.model_dump()
        guards["max_data_age_ms"] = 1000 * guards.pop("max_data_age_seconds")
        guards["loss_pause_ms"] = HOUR_MS * guards.pop("loss_pause_hours")
        guards["worst_status"] = ExchangeStatus[guards["worst_status"]].value
        return TradingSettings(
            barriers=BarrierRule(
                atr_period=labels.atr_period,
                take_profit_atr=labels.take_profit_atr,
                stop_loss_atr=labels.stop_loss_atr,
                max_bars=labels.max_bars,
                bar_ms=DECISION_MS,
                trailing_atr=self.trailing_atr,
            ),
            signal=SignalRule(
                confidence_threshold=confidence_threshold,
                min_agreement=self.min_agreement,
                min_expected_value=self.min_expected_value,
                flat_outcome_atr=self.flat_outcome_atr,
                slippage=slippage,
            ),
            sizing=SizingRule(
                risk_fraction=exact_rate(self.sizing.risk_fraction),
                kelly_multiplier=self.sizing.kelly_multiplier,
                max_leverage=exact_rate(self.sizing.max_leverage),
                margin_floor=exact_rate(self.sizing.margin_floor),
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
