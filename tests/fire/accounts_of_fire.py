"""The account that a trader under siege works with, and bugs that betray it, by which the judge is judged."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from shared_clock import SharedClock

from crypto_kedro.exchange.bitbank import BitbankExchange, BitbankSettings, Credentials
from crypto_kedro.exchange.port import ExchangeError, NotPlaced, Placement, RetryLaterError, Ticker
from crypto_kedro.session.journal import Journal
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.orders import Fill, OrderRequest

_WAIT_MS = 10_000


class RestlessAccount(BitbankExchange):
    """An account whose time passes when the exchange does not answer, so that a maintenance comes to its end.

    Args:
        settings, credentials: see `BitbankExchange`.
        clock: of the trader.
    """

    def __init__(self, settings: BitbankSettings, credentials: Credentials, clock: SharedClock) -> None:
        super().__init__(settings, credentials, now_ms=clock, sleep=clock.sleep)
        self._clock = clock

    async def account(self) -> AccountState:
        with self._impatience():
            return await super().account()

    async def fills_since(self, since_ms: int) -> tuple[Fill, ...]:
        with self._impatience():
            return await super().fills_since(since_ms)

    async def ticker(self) -> Ticker:
        with self._impatience():
            return await super().ticker()

    @contextmanager
    def _impatience(self) -> Iterator[None]:
        """Let time pass after a failure of what a beginning session repeats for ever."""
        try:
            yield
        except ExchangeError:
            self._clock.move(_WAIT_MS)
            raise


class SendsTwice(RestlessAccount):
    """Each entry goes out twice."""

    async def place(self, request: OrderRequest) -> Placement:
        placement = await super().place(request)
        if request.opens:
            await super().place(request)
        return placement


class OnlyEnters(RestlessAccount):
    """Neither a stop nor anything else that closes is ever sent."""

    async def place(self, request: OrderRequest) -> Placement:
        if request.closes:
            return NotPlaced(RetryLaterError("the order was forgotten"))
        return await super().place(request)


class LosesFills(RestlessAccount):
    """Every second fill is never told."""

    async def fills_since(self, since_ms: int) -> tuple[Fill, ...]:
        fills = await super().fills_since(since_ms)
        return tuple(fill for fill in fills if fill.trade_id // 2 % 2)


def die_when_storage_fails() -> None:
    """Let this process end the moment that its journal cannot be written, whatever is open."""

    def die(*_: object) -> None:
        os._exit(1)

    Journal._keep = die  # type: ignore[method-assign]


TRAITORS = {"sends twice": SendsTwice, "only enters": OnlyEnters, "loses fills": LosesFills}
