"""What a backtest is set by, beside the market and the model's word."""

from dataclasses import dataclass, field

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.exchange.settings import EngineSettings
from crypto_kedro.trading.money import Jpy
from crypto_kedro.trading.rules import RuleSchedule
from crypto_kedro.trading.settings import TradingSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestPlan:
    """How a backtest trades.

    Args:
        settings: of the decision core.
        schedule: the market's rules by date.
        cash: JPY to start with.
        engine: market impact, latency and the unknowns of the exchange.
        funding_stage: number of the capital stage that a human allowed, from 1.
        limit_target: rest the take-profit as a limit order (maker, may fill in parts, holds its amount) rather than as
            a take-profit order.

    Raises:
        ConfigurationError: the cash is not positive or the stage does not exist.
    """

    settings: TradingSettings
    schedule: RuleSchedule
    cash: Jpy
    engine: EngineSettings = field(default_factory=EngineSettings)
    funding_stage: int = 1
    limit_target: bool = False

    def __post_init__(self) -> None:
        if self.cash.units <= 0:
            raise ConfigurationError(f"backtest: the starting cash is {self.cash} JPY; it must be above 0")
        if not 1 <= self.funding_stage <= len(self.settings.stages):
            raise ConfigurationError(
                f"backtest: funding stage {self.funding_stage} does not exist; there are {len(self.settings.stages)}"
            )
