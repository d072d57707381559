"""How the trader decides: barriers, signal, sizing, guards and funding stages; plain values, checked when built."""

import math
from dataclasses import dataclass, field

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.market.bars import HOUR_MS, MINUTE_MS
from crypto_kedro.trading.money import Jpy, Rate, UnitError

LEVERAGE_LIMIT = Rate.of(2)
"""No setting can allow more; bitbank's limit for individuals."""


def _require(holds: bool, setting: str, value: object, expected: str) -> None:
    if not holds:
        raise ConfigurationError(f"trading.{setting} is {value}; it must be {expected}")


def _require_rate(value: object, setting: str) -> None:
    if type(value) is not Rate:
        raise UnitError(f"trading.{setting} must be a Rate, got {value!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BarrierRule:
    """Where a trade ends; the first four mean what they mean to the labels that the model learned from.

    Args:
        atr_period: bars of Wilder's average true range that scales the distances; the observation brings its value.
        take_profit_atr: distance of the take-profit from the entry, in ATR of the signal bar.
        stop_loss_atr: distance of the stop-loss from the entry, in ATR of the signal bar.
        max_bars: bars that a trade may last.
        bar_ms: length of a decision bar in milliseconds.
        trailing_atr: distance at which the stop follows the closing price, in ATR; None leaves it where it is.

    Raises:
        ConfigurationError: a value is not positive.
    """

    atr_period: int = 14
    take_profit_atr: float = 2.0
    stop_loss_atr: float = 2.0
    max_bars: int = 24
    bar_ms: int = 15 * MINUTE_MS
    trailing_atr: float | None = None

    def __post_init__(self) -> None:
        for name in ("atr_period", "take_profit_atr", "stop_loss_atr", "max_bars", "bar_ms", "trailing_atr"):
            value = getattr(self, name)
            _require(value is None or 0 < value < math.inf, f"barriers.{name}", value, "above 0")

    def expires_at_ms(self, opened_at_ms: int) -> int:
        """Return the close of the last bar that a trade may see, counting the bar in which it was opened."""
        return (opened_at_ms // self.bar_ms + self.max_bars) * self.bar_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalRule:
    """When the model's word is good enough.

    Args:
        confidence_threshold: smallest calibrated probability of the side to take.
        min_agreement: smallest share of the models whose likeliest class is that side.
        min_expected_value: the expected value, a fraction of the notional after all costs, must be above it.
        flat_outcome_atr: mean result before costs, in ATR, of a trade on a bar whose true class is flat.
        slippage: fraction of the price lost on each side beyond the spread.

    Raises:
        ConfigurationError: a value is outside its range.
    """

    confidence_threshold: float = 0.65
    min_agreement: float = 0.6
    min_expected_value: float = 0.0
    flat_outcome_atr: float = -0.1
    slippage: float = 0.0001

    def __post_init__(self) -> None:
        threshold = self.confidence_threshold
        _require(0 < threshold <= 1, "signal.confidence_threshold", threshold, "above 0, at most 1")
        _require(0 <= self.min_agreement <= 1, "signal.min_agreement", self.min_agreement, "between 0 and 1")
        _require(0 <= self.slippage <= 0.05, "signal.slippage", self.slippage, "between 0 and 0.05")
        for name in ("min_expected_value", "flat_outcome_atr"):
            value = getattr(self, name)
            _require(math.isfinite(value), f"signal.{name}", value, "a finite number")


@dataclass(frozen=True, slots=True, kw_only=True)
class SizingRule:
    """How much to trade.

    Args:
        risk_fraction: share of the capital that a stopped trade may cost, its fees included.
        kelly_multiplier: share of the full Kelly leverage that is used.
        max_leverage: largest notional per JPY of capital; never above 2.
        margin_floor: smallest margin ratio (balance over position product) that an entry may leave.

    Raises:
        UnitError: a rate has the wrong type.
        ConfigurationError: a value is outside its range.
    """

    risk_fraction: Rate = field(default_factory=lambda: Rate.of("0.01"))
    kelly_multiplier: float = 0.25
    max_leverage: Rate = field(default_factory=lambda: Rate.of(1))
    margin_floor: Rate = field(default_factory=lambda: Rate.of("0.6"))

    def __post_init__(self) -> None:
        for name in ("risk_fraction", "max_leverage", "margin_floor"):
            _require_rate(getattr(self, name), f"sizing.{name}")
        _require(0 < self.risk_fraction.ppm <= 10**6, "sizing.risk_fraction", self.risk_fraction, "above 0, at most 1")
        _require(0 < self.kelly_multiplier <= 1, "sizing.kelly_multiplier", self.kelly_multiplier, "above 0, at most 1")
        _require(
            0 < self.max_leverage.ppm <= LEVERAGE_LIMIT.ppm,
            "sizing.max_leverage",
            self.max_leverage,
            f"above 0, at most {LEVERAGE_LIMIT}",
        )
        _require(self.margin_floor.ppm > 0, "sizing.margin_floor", self.margin_floor, "above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRule:
    """When the trader keeps out of the market. Losses are fractions of the capital; at its limit a loss guard stops.

    Args:
        max_data_age_ms: oldest bar, from its close to the decision.
        max_gap_minutes: longest trading halt that may touch the bar.
        worst_status: worst exchange status, see `ExchangeStatus`, at which to enter.
        max_spread: widest spread, as a fraction of the price.
        max_jump: largest return of the last bar, either way.
        max_volatility: largest average true range, as a fraction of the price.
        max_daily_loss, max_weekly_loss: of the capital at the start of the JST day, the JST week (from Monday).
        max_drawdown: fall from the peak; reaching it halts until a human resets it.
        max_losses_in_a_row, loss_pause_ms: after so many losing trades, wait so long since the last one.
        max_trades_a_day: entries in one JST day.

    Raises:
        ConfigurationError: a value is outside its range.
    """

    max_data_age_ms: int = 2 * MINUTE_MS
    max_gap_minutes: int = 5
    worst_status: int = 0
    max_spread: float = 0.001
    max_jump: float = 0.04
    max_volatility: float = 0.03
    max_daily_loss: float = 0.03
    max_weekly_loss: float = 0.07
    max_drawdown: float = 0.2
    max_losses_in_a_row: int = 5
    loss_pause_ms: int = 24 * HOUR_MS
    max_trades_a_day: int = 20

    def __post_init__(self) -> None:
        for name in ("max_data_age_ms", "max_gap_minutes", "worst_status", "loss_pause_ms"):
            _require(getattr(self, name) >= 0, f"guards.{name}", getattr(self, name), "at least 0")
        for name in ("max_spread", "max_jump", "max_volatility"):
            _require(0 < getattr(self, name) < 1, f"guards.{name}", getattr(self, name), "between 0 and 1")
        for name in ("max_daily_loss", "max_weekly_loss", "max_drawdown"):
            _require(0 < getattr(self, name) <= 1, f"guards.{name}", getattr(self, name), "above 0, at most 1")
        for name in ("max_losses_in_a_row", "max_trades_a_day"):
            _require(getattr(self, name) >= 1, f"guards.{name}", getattr(self, name), "at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingStage:
    """One step of the capital, and the evidence that allows it.

    Args:
        capital: JPY that may be traded; what the account holds beyond it is left alone.
        min_trades: closed trades so far.
        min_days: days since trading began.
        max_drawdown: the deepest drawdown since the last reset must be below it.

    Raises:
        UnitError: the capital is no `Jpy`.
        ConfigurationError: a value is outside its range.
    """

    capital: Jpy
    min_trades: int = 0
    min_days: int = 0
    max_drawdown: float = 1.0

    def __post_init__(self) -> None:
        if type(self.capital) is not Jpy:
            raise UnitError(f"trading.stages: capital must be a Jpy, got {self.capital!r}")
        _require(self.capital.units > 0, "stages.capital", self.capital, "above 0")
        _require(self.min_trades >= 0, "stages.min_trades", self.min_trades, "at least 0")
        _require(self.min_days >= 0, "stages.min_days", self.min_days, "at least 0")
        _require(0 < self.max_drawdown <= 1, "stages.max_drawdown", self.max_drawdown, "above 0, at most 1")


DEFAULT_STAGES = (
    FundingStage(capital=Jpy.of(10_000)),
    FundingStage(capital=Jpy.of(100_000), min_trades=50, min_days=30, max_drawdown=0.1),
    FundingStage(capital=Jpy.of(500_000), min_trades=200, min_days=90, max_drawdown=0.1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingSettings:
    """Everything that the decision core is set by.

    Args:
        barriers, signal, sizing, guards: see the classes.
        stages: ascending in capital and in evidence; stage 1 is the first and asks for none.

    Raises:
        ConfigurationError: the stages are out of order, or the widest stop would lie below zero.
    """

    barriers: BarrierRule = field(default_factory=BarrierRule)
    signal: SignalRule = field(default_factory=SignalRule)
    sizing: SizingRule = field(default_factory=SizingRule)
    guards: GuardRule = field(default_factory=GuardRule)
    stages: tuple[FundingStage, ...] = DEFAULT_STAGES

    def __post_init__(self) -> None:
        if not self.stages or self.stages[0].min_trades or self.stages[0].min_days or self.stages[0].max_drawdown < 1:
            raise ConfigurationError("trading.stages: the first stage must exist and ask for no evidence")
        for lower, upper in zip(self.stages, self.stages[1:], strict=False):
            if (
                upper.capital <= lower.capital
                or upper.min_trades < lower.min_trades
                or upper.min_days < lower.min_days
                or upper.max_drawdown > lower.max_drawdown
            ):
                raise ConfigurationError(
                    f"trading.stages: the stage of {upper.capital} JPY must have more capital and ask for no less "
                    f"evidence than the stage of {lower.capital} JPY before it"
                )
        widest = self.barriers.stop_loss_atr * self.guards.max_volatility
        if not widest < 1:
            raise ConfigurationError(
                f"trading: barriers.stop_loss_atr times guards.max_volatility is {widest:g}; "
                "it must be below 1, or a stop could lie below a price of zero"
            )

    def stage_capital(self, stage: int) -> Jpy:
        """Return the capital of a stage, counted from 1; none for one that does not exist."""
        return self.stages[stage - 1].capital if 1 <= stage <= len(self.stages) else Jpy(0)
