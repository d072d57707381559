"""An exchange account that only the holder of the lease may change."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from crypto_kedro.exchange.port import (
    Attempt,
    Balances,
    Exchange,
    ForwardedMarketData,
    MarginPositions,
    Placement,
)
from crypto_kedro.session.lease.tenure import Lease
from crypto_kedro.trading.account import AccountState, MarginStatus
from crypto_kedro.trading.orders import Fill, Order, OrderRequest


@runtime_checkable
class OverTheWire(Protocol):
    """An exchange whose requests wait and are signed before they are sent."""

    def ask_before_sending(self, permit: Callable[[], None]) -> None:
        """Ask for a permit, which raises an error when nothing may be sent, once an order or a cancel is signed."""


class FencedExchange(ForwardedMarketData):
    """Lets reads pass, and orders and cancels only while the lease is safely held.

    One whose requests wait before they are signed asks for the lease again then.

    Args:
        exchange: the account.
        lease: the right to change it.
    """

    def __init__(self, exchange: Exchange, lease: Lease) -> None:
        super().__init__(exchange)
        self._exchange = exchange
        self._lease = lease
        if isinstance(exchange, OverTheWire):
            exchange.ask_before_sending(lease.require)

    async def balances(self) -> Balances:
        """Return JPY and BTC on hand."""
        return await self._exchange.balances()

    async def margin_status(self) -> MarginStatus:
        """Return the margin account at the present price."""
        return await self._exchange.margin_status()

    async def positions(self) -> MarginPositions:
        """Return both margin positions."""
        return await self._exchange.positions()

    async def account(self) -> AccountState:
        """Return all of the account."""
        return await self._exchange.account()

    async def open_orders(self) -> tuple[Order, ...]:
        """Return the orders that may still fill."""
        return await self._exchange.open_orders()

    async def order(self, order_id: int) -> Order:
        """Return one order."""
        return await self._exchange.order(order_id)

    async def fills_since(self, since_ms: int) -> tuple[Fill, ...]:
        """Return the account's fills from a moment on."""
        return await self._exchange.fills_since(since_ms)

    async def outcome_of(self, attempt: Attempt) -> Placement:
        """Find out what became of an order whose answer was lost; this only reads."""
        return await self._exchange.outcome_of(attempt)

    async def place(self, request: OrderRequest) -> Placement:
        """Send an order, once.

        Raises:
            LeaseLostError: another process may be trading; nothing was sent.
        """
        self._lease.require()
        return await self._exchange.place(request)

    async def cancel(self, order_id: int) -> Order:
        """Cancel an order.

        Raises:
            LeaseLostError: another process may be trading; nothing was sent.
        """
        self._lease.require()
        return await self._exchange.cancel(order_id)

    async def cancel_many(self, order_ids: Sequence[int]) -> tuple[Order, ...]:
        """Cancel several orders.

        Raises:
            LeaseLostError: another process may be trading; nothing was sent.
        """
        self._lease.require()
        return await self._exchange.cancel_many(order_ids)
