"""The market's rules and rates, and how they changed over time."""

from bisect import bisect_right
from dataclasses import dataclass
from decimal import Decimal

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.trading.money import PPM, Btc, Price, Rate, UnitError
from crypto_kedro.trading.orders import Liquidity, PositionSide


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketRules:
    """What the exchange says about BTC/JPY at one time; read from it, or dated in a schedule for history.

    Args:
        price_step, amount_step: every price and amount of an order is a multiple of these.
        min_amount: smallest order.
        max_limit_amount, max_market_amount: largest order with and without a limit price.
        spot_maker_fee ... margin_close_taker_fee: fee rates on the product; negative is a rebate.
        long_interest_per_day, short_interest_per_day: charged on the opening product at every 00:00 JST.
        initial_margin: margin needed per JPY of position when opening; 0.5 allows leverage 2.
        margin_call: below this margin ratio the daily judgement makes a call.
        losscut: below this margin ratio the exchange liquidates.
        crypto_collateral: share of the market value of held BTC that counts as margin.
        market_buy_allowance: head-room of free JPY that a spot market buy needs beyond its estimated cost.
        max_open_orders: largest number of simultaneous orders.

    Raises:
        UnitError: a field has the wrong unit.
        ConfigurationError: a field is outside its range.

    Source: bitbank API, ``/spot/pairs`` and ``/user/margin/status``.
    """

    price_step: Price
    amount_step: Btc
    min_amount: Btc
    max_limit_amount: Btc
    max_market_amount: Btc
    spot_maker_fee: Rate
    spot_taker_fee: Rate
    margin_open_maker_fee: Rate
    margin_open_taker_fee: Rate
    margin_close_maker_fee: Rate
    margin_close_taker_fee: Rate
    long_interest_per_day: Rate
    short_interest_per_day: Rate
    initial_margin: Rate
    margin_call: Rate
    losscut: Rate
    crypto_collateral: Rate
    market_buy_allowance: Rate
    max_open_orders: int

    def __post_init__(self) -> None:
        for name, unit in MarketRules.__annotations__.items():
            if type(getattr(self, name)) is not unit:
                raise UnitError(f"market rules: {name} must be a {unit.__name__}, got {getattr(self, name)!r}")
        if min(self.price_step.ticks, self.amount_step.lots, self.min_amount.lots, self.max_open_orders) < 1:
            raise ConfigurationError("market rules: steps, minimum amount and order count must be positive")
        if not 0 < self.losscut.ppm <= self.margin_call.ppm <= self.initial_margin.ppm <= PPM:
            raise ConfigurationError(
                "market rules: expected 0 < losscut <= margin_call <= initial_margin <= 1, got "
                f"{self.losscut}, {self.margin_call}, {self.initial_margin}"
            )

    @property
    def leverage_cap(self) -> Decimal:
        """Largest position product per JPY of margin."""
        return Decimal(PPM) / Decimal(self.initial_margin.ppm)

    def fee(self, position_side: PositionSide | None, opening: bool, liquidity: Liquidity) -> Rate:
        """Return the fee rate of one execution; ``position_side`` None is spot."""
        maker = liquidity is Liquidity.MAKER
        if position_side is None:
            return self.spot_maker_fee if maker else self.spot_taker_fee
        if opening:
            return self.margin_open_maker_fee if maker else self.margin_open_taker_fee
        return self.margin_close_maker_fee if maker else self.margin_close_taker_fee

    def interest_per_day(self, position_side: PositionSide) -> Rate:
        """Return the daily interest rate of a position."""
        return self.long_interest_per_day if position_side.is_long else self.short_interest_per_day


@dataclass(frozen=True, slots=True)
class RuleSchedule:
    """The rules in force from each moment on.

    Args:
        since_ms: Unix milliseconds UTC, ascending without repeats; the first also covers everything before it.
        rules: as many as there are moments.

    Raises:
        ConfigurationError: empty, of unequal lengths, or out of order.
    """

    since_ms: tuple[int, ...]
    rules: tuple[MarketRules, ...]

    def __post_init__(self) -> None:
        if not self.rules or len(self.rules) != len(self.since_ms):
            raise ConfigurationError("rule schedule: needs at least one moment, and one set of rules per moment")
        if list(self.since_ms) != sorted(set(self.since_ms)):
            raise ConfigurationError("rule schedule: the moments must ascend without repeats")

    @classmethod
    def constant(cls, rules: MarketRules) -> "RuleSchedule":
        """Build the schedule of rules that never change."""
        return cls((0,), (rules,))

    def at(self, moment_ms: int) -> MarketRules:
        """Return the rules in force at a moment (Unix milliseconds UTC)."""
        return self.rules[bisect_right(self.since_ms, moment_ms, 1) - 1]

    def next_change_after(self, moment_ms: int) -> int | None:
        """Return the first later moment at which the rules change, None when they never do."""
        at = bisect_right(self.since_ms, moment_ms, 1)
        return self.since_ms[at] if at < len(self.since_ms) else None
