"""Settings of the simulator: access, limits, the account to start with, and what is not known about bitbank."""

from dataclasses import dataclass, field

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.exchange.settings import EngineSettings
from crypto_kedro.market.bars import MINUTE_MS
from crypto_kedro.trading.bitbank_rules import bitbank_btc_jpy_schedule
from crypto_kedro.trading.money import PPM, Btc, Jpy, Rate
from crypto_kedro.trading.rules import RuleSchedule

PAIR = "btc_jpy"
MARGIN_PAIRS = (PAIR, "xrp_jpy", "eth_jpy", "doge_jpy", "sol_jpy")

_CASH = Jpy.of(1_000_000)
_NO_BTC = Btc(0)
_ENGINE = EngineSettings()
_SPREAD = Rate.of("0.0001")
_TOUCH_AMOUNT = Btc.of("0.5")
_BREAKER_RANGE = Rate.of("0.2")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key and its secret; every key opens the same account."""

    key: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorSettings:
    """How the simulated exchange behaves; the defaults follow what is documented or was measured.

    Args:
        keys: keys that may trade.
        cash, btc: balances to start with.
        schedule: rules of the market by date.
        engine: settings of the matching engine.
        queries_per_second, updates_per_second: limits of the account in real time; None lifts one.
        error_status: HTTP status of errors that the service handled.
        malformed_status: HTTP status of a body that is no JSON object.
        reused_nonce_code: error code of a nonce that does not increase.
        acknowledge_first: whether the answer to a new order shows it before it meets the market.
        list_inactive: whether active_orders lists sleeping orders.
        partial_cancels: whether cancel_orders carries out what it can of a mixed batch, or fails as a whole.
        kept_orders: ended orders that can still be looked up, to the minute; three months after its end none can.
        spread: distance of the best prices as a fraction of the price.
        touch_amount: amount shown at each best price after a trade.
        price_band: orders priced beyond this multiple or fraction of the last price are refused.
        breaker_range: move from the base price that trips the circuit breaker.
        break_ms: length of a circuit break in milliseconds of market time.

    Raises:
        ConfigurationError: a value is outside its range.
    """

    keys: tuple[ApiKey, ...]
    cash: Jpy = _CASH
    btc: Btc = _NO_BTC
    schedule: RuleSchedule = field(default_factory=bitbank_btc_jpy_schedule)
    engine: EngineSettings = _ENGINE
    queries_per_second: int | None = 10
    updates_per_second: int | None = 6
    error_status: int = 200
    malformed_status: int = 400
    reused_nonce_code: int = 20001
    acknowledge_first: bool = True
    list_inactive: bool = True
    partial_cancels: bool = True
    kept_orders: int = 10_000
    spread: Rate = _SPREAD
    touch_amount: Btc = _TOUCH_AMOUNT
    price_band: int = 10
    breaker_range: Rate = _BREAKER_RANGE
    break_ms: int = 10 * MINUTE_MS

    def __post_init__(self) -> None:
        if not self.keys:
            raise ConfigurationError("simulator: keys is empty; name at least one key that may trade")
        for name in ("queries_per_second", "updates_per_second"):
            limit = getattr(self, name)
            if limit is not None and limit < 1:
                raise ConfigurationError(f"simulator: {name} is {limit}; it must be at least 1, or None for no limit")
        if not 0 < self.spread.ppm < PPM or not 0 < self.breaker_range.ppm < PPM:
            raise ConfigurationError(
                f"simulator: spread ({self.spread}) and breaker_range ({self.breaker_range}) must lie between 0 and 1"
            )
        if min(self.touch_amount.lots, self.break_ms, self.kept_orders) < 1 or self.price_band < 2:
            raise ConfigurationError(
                "simulator: touch_amount, break_ms and kept_orders must be positive and price_band at least 2, got "
                f"{self.touch_amount}, {self.break_ms}, {self.kept_orders} and {self.price_band}"
            )
