"""The clock of the market: as fast as real time, so many times faster, or moved by hand."""

from collections.abc import Callable

from crypto_kedro.errors import ConfigurationError


class MarketClock:
    """Derives market time from a real clock.

    Args:
        start_ms: market time now, Unix milliseconds UTC.
        speed: milliseconds of market time in one of real time; 0 moves only by hand.
        wall_ms: real time, Unix milliseconds UTC.

    Raises:
        ConfigurationError: the speed is negative.
    """

    def __init__(self, start_ms: int, speed: float, wall_ms: Callable[[], int]) -> None:
        if speed < 0:
            raise ConfigurationError(f"simulator: speed is {speed}; it must be 0 (step by step) or more")
        self._start_ms = start_ms
        self._speed = speed
        self._wall_ms = wall_ms
        self._wall_start_ms = wall_ms()

    @property
    def is_stepped(self) -> bool:
        """Whether time is moved by hand alone."""
        return self._speed == 0

    def now_ms(self) -> int:
        """Return market time."""
        if self.is_stepped:
            return self._start_ms
        return self._start_ms + int((self._wall_ms() - self._wall_start_ms) * self._speed)

    def step(self, by_ms: int) -> None:
        """Move time by hand.

        Raises:
            ConfigurationError: the clock runs by itself, or would go back.
        """
        if not self.is_stepped or by_ms < 0:
            raise ConfigurationError(
                f"simulator: time cannot be moved by {by_ms} ms; start with speed 0 and move it forward"
            )
        self._start_ms += by_ms
