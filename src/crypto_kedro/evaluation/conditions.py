"""What trading costs and how the trader is set, in the terms of the core and the engine."""

from dataclasses import dataclass, replace

from crypto_kedro.exchange.settings import EngineSettings
from crypto_kedro.market.costs import CostSchedule
from crypto_kedro.session.plan import BacktestPlan
from crypto_kedro.trading.bitbank_rules import bitbank_btc_jpy_schedule
from crypto_kedro.trading.money import PPM, Jpy, Rate
from crypto_kedro.trading.settings import TradingSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Everything beside the history that an evaluation trades under.

    Args:
        settings: of the decision core.
        costs: fees, interest, spread and slippage by date.
        engine: how the exchange behaves; its slippage comes from ``costs``.
        capital: JPY to start with.
        unproven_kelly: leverage taken for full Kelly until there are outcomes to reckon it from; 0 waits for them.
        limit_target: as `BacktestPlan` takes it.
    """

    settings: TradingSettings
    costs: CostSchedule
    engine: EngineSettings
    capital: Jpy
    unproven_kelly: float
    limit_target: bool = False

    def at_cost_scale(self, scale: float) -> "Conditions":
        """Return the same conditions with every cost multiplied, which the trader knows of."""
        return replace(self, costs=replace(self.costs, scale=self.costs.scale * scale))

    @property
    def spread(self) -> float:
        """Best ask less best bid, as a fraction of the price."""
        return 2.0 * self.costs.half_spread * self.costs.scale

    def plan(self) -> BacktestPlan:
        """Return how the backtest trades."""
        costs, settings = self.costs, self.settings
        impact = costs.scale * (costs.half_spread + costs.slippage)
        return BacktestPlan(
            settings=replace(settings, signal=replace(settings.signal, slippage=costs.scale * costs.slippage)),
            schedule=bitbank_btc_jpy_schedule(costs.rates, cost_scale=costs.scale),
            cash=self.capital,
            engine=replace(self.engine, slippage=Rate(round(impact * PPM))),
            limit_target=self.limit_target,
        )
