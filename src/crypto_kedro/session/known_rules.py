"""The market's rules, remembered for when the exchange does not tell them."""

from collections.abc import Callable

from crypto_kedro.exchange.port import MarketData, RetryLaterError, RetryNowError
from crypto_kedro.market.bars import DAY_MS, HOUR_MS
from crypto_kedro.trading.rules import MarketRules

_FRESH_MS = HOUR_MS
_USABLE_MS = DAY_MS


class KnownRules:
    """Gives the rules in force, or those that were in force not long ago.

    A stop is reckoned in steps of the price, which hardly ever change: it does not wait for the public side of the
    exchange. A decision does.

    Args:
        market: tells the rules.
        now_ms: the session's clock, Unix milliseconds UTC.
        on_stale: is told, once until they are fresh again, that old rules are used, in one sentence.
    """

    def __init__(self, market: MarketData, now_ms: Callable[[], int], on_stale: Callable[[str], None]) -> None:
        self._market = market
        self._now_ms = now_ms
        self._on_stale = on_stale
        self._rules: MarketRules | None = None
        self._told_at_ms = 0
        self._is_stale = False

    def remember(self, rules: MarketRules, told_at_ms: int) -> None:
        """Take note of rules that the exchange told at a moment, Unix milliseconds UTC."""
        self._rules, self._told_at_ms = rules, told_at_ms
        self._is_stale = False

    async def in_force(self) -> MarketRules:
        """Return the rules as the exchange tells them now.

        Raises:
            ExchangeError: it does not tell them.
        """
        rules = await self._market.rules()
        self.remember(rules, self._now_ms())
        return rules

    async def known(self) -> MarketRules:
        """Return the rules without asking while they are fresh, and those of the last day while nobody answers.

        Raises:
            ExchangeError: the exchange does not tell them, and what is remembered is too old.
        """
        rules, age_ms = self._rules, self._now_ms() - self._told_at_ms
        if rules is not None and age_ms < _FRESH_MS:
            return rules
        try:
            return await self.in_force()
        except (RetryLaterError, RetryNowError) as error:
            if rules is None or age_ms >= _USABLE_MS:
                raise
            if not self._is_stale:
                self._is_stale = True
                self._on_stale(f"The rules of {age_ms // 60_000} minutes ago protect positions meanwhile: {error}")
            return rules
