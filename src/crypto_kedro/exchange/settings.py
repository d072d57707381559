"""Settings of the matching engine: market impact, latency, and what is not known about bitbank."""

from dataclasses import dataclass
from enum import StrEnum

from crypto_kedro.errors import ConfigurationError, CryptoKedroError
from crypto_kedro.trading.money import PPM, Price, Rate

_NO_SLIPPAGE = Rate(0)
_NO_TICKS = Price(0)


class EngineError(CryptoKedroError):
    """The matching engine was driven in a way that no exchange could be."""


class StopConflict(StrEnum):
    """What becomes of a fired closing order whose amount a resting closing order holds, or the position lacks."""

    CANCEL = "cancel"
    """It ends as CANCELED_UNFILLED and the position stays open, as a live trader has seen."""
    YIELD = "yield"
    """Resting closing orders are cancelled, newest first, and what is left of the position is closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """How the engine treats what history does not tell; the defaults are the pessimistic side.

    Args:
        slippage: fraction of the price that every taker loses to spread and impact, rounded up to a tick.
        slippage_ticks: fixed part of that loss.
        latency_ms: time a request needs to reach the exchange.
        volume_share: share of a bar's or a trade's volume that our orders may take; None takes any amount.
        fill_at_touch: whether a resting limit fills when the price is reached, rather than traded through.
        touch_limits_takers: with a known top of the book, whether a taker finds only the amount shown there.
        stop_conflict: outcome of a fired closing order that finds too little of its position.
        cancel_orphans: whether sleeping closing orders are dropped when their position is gone.
        judgement_hour_jst: hour of the daily margin-call judgement.
        call_grace_hours: time to meet a margin call before the position is liquidated.

    Raises:
        ConfigurationError: a value is outside its range.
    """

    slippage: Rate = _NO_SLIPPAGE
    slippage_ticks: Price = _NO_TICKS
    latency_ms: int = 0
    volume_share: Rate | None = None
    fill_at_touch: bool = False
    touch_limits_takers: bool = True
    stop_conflict: StopConflict = StopConflict.CANCEL
    cancel_orphans: bool = False
    judgement_hour_jst: int = 15
    call_grace_hours: int = 24

    def __post_init__(self) -> None:
        if not 0 <= self.slippage.ppm < PPM or self.slippage_ticks.ticks < 0 or self.latency_ms < 0:
            raise ConfigurationError(
                "matching engine: slippage must lie in [0, 1) and slippage_ticks and latency_ms must not be negative, "
                f"got {self.slippage}, {self.slippage_ticks} and {self.latency_ms}"
            )
        if self.volume_share is not None and not 0 < self.volume_share.ppm <= PPM:
            raise ConfigurationError(f"matching engine: volume_share must lie in (0, 1], got {self.volume_share}")
        if not 0 <= self.judgement_hour_jst < 24 or self.call_grace_hours < 0:
            raise ConfigurationError(
                "matching engine: judgement_hour_jst must lie in 0..23 and call_grace_hours must not be negative, "
                f"got {self.judgement_hour_jst} and {self.call_grace_hours}"
            )
