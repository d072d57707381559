"""A tick and a single cycle do not end while a position may be open for which no stop was seen."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desks import KEY, LONG, SETTINGS, Market, at_work, desk_at, market

from crypto_kedro.exchange.bitbank import BitbankExchange, BitbankSettings, Credentials
from crypto_kedro.exchange.port import RetryLaterError
from crypto_kedro.session.clock import wall_clock_ms
from crypto_kedro.session.cycle import CycleTerms
from crypto_kedro.session.ending import EndRequest
from crypto_kedro.session.ownership import ForeignOrders
from crypto_kedro.session.waking import Mode
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.orders import Fill, OrderRequest

LAG_MS = 1_500
PROTECTED = ["stop_loss", "take_profit"]


@pytest.fixture
def exchange() -> Iterator[Market]:
    with market() as serving:
        yield serving


class Late:
    """An exchange whose account, or whose history, knows of an entry a moment later.

    Args:
        exchange: the real one.
        account: whether the account is late.
        fills: whether the history is late.
        broken: reads of the account that fail after the entry.
    """

    def __init__(
        self, exchange: BitbankExchange, *, account: bool = False, fills: bool = False, broken: int = 0
    ) -> None:
        self._exchange = exchange
        self._account, self._fills, self._broken = account, fills, broken
        self._before: AccountState | None = None
        self._entered_ms: int | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exchange, name)

    @property
    def _is_late(self) -> bool:
        return self._entered_ms is not None and wall_clock_ms() - self._entered_ms < LAG_MS

    async def place(self, request: OrderRequest) -> Any:
        placement = await self._exchange.place(request)
        if request.opens:
            self._entered_ms = wall_clock_ms()
        return placement

    async def account(self) -> AccountState:
        if self._entered_ms is not None and self._broken:
            self._broken -= 1
            raise RetryLaterError("bitbank GET margin/positions: HTTP 502", outcome_known=False)
        if self._is_late and self._account and self._before is not None:
            return self._before
        account = await self._exchange.account()
        if self._entered_ms is None:
            self._before = account
        return account

    async def fills_since(self, moment_ms: int) -> tuple[Fill, ...]:
        fills = await self._exchange.fills_since(moment_ms)
        return () if self._is_late and self._fills else fills


def resting_after(exchange: Market, folder: Path, mode: Mode, **late: Any) -> list[str]:
    """Let a trader enter at a late exchange; return what rests once it has ended."""
    url = exchange.url
    settings = BitbankSettings(public_url=url, private_url=url, stream_url=url, private_stream_url=url)
    terms = CycleTerms(settings=SETTINGS, funding_stage=1, kelly=2.0, foreign_orders=ForeignOrders.RESPECT)

    async def story() -> list[str]:
        async with (
            BitbankExchange(settings, Credentials(KEY.key, KEY.secret)) as real,
            desk_at(
                url, folder, mode, opinion=LONG, listens=False, exchange=Late(real, **late), cycle_terms=terms
            ) as desk,
        ):
            if mode is Mode.TICK:
                async with at_work(desk):
                    await desk.tick()
            else:
                await desk.work(EndRequest())
            account = await real.account()
            assert account.long.amount
            return sorted(str(order.request.type) for order in account.open_orders)

    return asyncio.run(story())


def test_given_an_account_that_breaks_off_after_the_entry_when_ticked_then_the_position_is_protected(
    exchange: Market, tmp_path: Path
) -> None:
    assert resting_after(exchange, tmp_path, Mode.TICK, broken=1) == PROTECTED


@pytest.mark.parametrize("mode", [Mode.TICK, Mode.ONCE])
def test_given_an_entry_that_shows_late_when_cycled_once_then_the_position_is_protected(
    exchange: Market, tmp_path: Path, mode: Mode
) -> None:
    assert resting_after(exchange, tmp_path, mode, account=True, fills=True) == PROTECTED


def test_given_a_history_that_is_late_when_ticked_then_the_position_is_protected(
    exchange: Market, tmp_path: Path
) -> None:
    assert resting_after(exchange, tmp_path, Mode.TICK, fills=True) == PROTECTED
