"""The circuit breaker: a trade too far from the base price stops the market for a while.

bitbank documents the band, and that each further trip of a side within an hour widens that side by ten points up to
50%. The base price and the length of a break are not documented: here the base is the last price before 00:00 JST or
at the last reopening, and the length is a setting.
"""

from enum import StrEnum

from crypto_kedro.exchange.simulator.settings import SimulatorSettings
from crypto_kedro.market.bars import DAY_MS, HOUR_MS, JST_OFFSET_MS
from crypto_kedro.trading.money import PPM

_WIDENING_PPM = 100_000
_WIDEST_PPM = 500_000


class BreakerMode(StrEnum):
    """State of the market in bitbank's words; only `NONE` trades continuously."""

    NONE = "NONE"
    CIRCUIT_BREAK = "CIRCUIT_BREAK"
    FULL_RANGE_CIRCUIT_BREAK = "FULL_RANGE_CIRCUIT_BREAK"
    RESUMPTION = "RESUMPTION"
    LISTING = "LISTING"

    @property
    def has_limits(self) -> bool:
        """Whether the auction that ends the mode is bound to prices."""
        return self in (BreakerMode.CIRCUIT_BREAK, BreakerMode.RESUMPTION)


class CircuitBreaker:
    """Watches the trades of one market; prices in ticks, times in Unix milliseconds UTC.

    Args:
        settings: range and length of a break.
        price: last price.
        now_ms: time of it.

    Attributes:
        mode: state of the market.
        reopen_ms: when continuous trading resumes; None without a break, or when only a word ends it.
    """

    def __init__(self, settings: SimulatorSettings, price: int, now_ms: int) -> None:
        self.mode = BreakerMode.NONE
        self.reopen_ms: int | None = None
        self._base = price
        self._day = _jst_day(now_ms)
        self._range_ppm = settings.breaker_range.ppm
        self._break_ms = settings.break_ms
        self._widened_ppm = {"up": 0, "down": 0}
        self._tripped_at = now_ms - HOUR_MS

    @property
    def is_continuous(self) -> bool:
        """Whether orders are matched as they come."""
        return self.mode is BreakerMode.NONE

    @property
    def limits(self) -> tuple[int, int]:
        """Lowest and highest price that does not trip the breaker."""
        down, up = (min(self._range_ppm + self._widened_ppm[way], _WIDEST_PPM) for way in ("down", "up"))
        return -(-self._base * (PPM - down) // PPM), self._base * (PPM + up) // PPM

    def trips(self, price: int, last: int, now_ms: int) -> bool:
        """Tell whether a trade at a price must not happen; if so, the break has begun.

        Args:
            price: of the trade to come.
            last: price of the trade before it.
            now_ms: time of the trade.
        """
        if _jst_day(now_ms) != self._day:
            self._day, self._base = _jst_day(now_ms), last
        low, high = self.limits
        if low <= price <= high:
            return False
        way, other = ("up", "down") if price > high else ("down", "up")
        again = now_ms - self._tripped_at < HOUR_MS
        self._widened_ppm = {way: self._widened_ppm[way] + _WIDENING_PPM if again else _WIDENING_PPM, other: 0}
        self._tripped_at = now_ms
        self.enter(BreakerMode.CIRCUIT_BREAK, now_ms + self._break_ms)
        return True

    def enter(self, mode: BreakerMode, reopen_ms: int | None) -> None:
        """Enter a mode, until a moment or until the next mode is entered."""
        self.mode = mode
        self.reopen_ms = None if mode is BreakerMode.NONE else reopen_ms

    def reopen(self, price: int) -> None:
        """Resume continuous trading with a price as the new base."""
        self.enter(BreakerMode.NONE, None)
        self._base = price


def _jst_day(now_ms: int) -> int:
    return (now_ms + JST_OFFSET_MS) // DAY_MS
