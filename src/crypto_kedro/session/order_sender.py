"""Carries decisions to the exchange: sends what is missing, cancels what is left over, never leaves a stop away."""

from collections.abc import Sequence

from crypto_kedro.exchange.matching import MatchingEngine
from crypto_kedro.session.records import Purpose, RefusedRequest, Sending
from crypto_kedro.trading.account import AccountState, MarginState, Position
from crypto_kedro.trading.decision import Reason, Target
from crypto_kedro.trading.orders import Order, OrderRequest, OrderType, Refusal, RefusalCode
from crypto_kedro.trading.protection import Protection

TRIGGER_MET = "trigger_met"
"""Reason of a market order sent because the trigger order in its place would have fired at once."""


class OrderSender:
    """Sends the difference between the account and what it should be; sending twice changes nothing.

    The stop is an order for the whole position, so that it covers what partial fills leave. It stays at the exchange
    until the position is gone, also while an exit is under way: a sleeping order holds nothing.

    Args:
        engine: the exchange.
        limit_target: rest the target as a limit order, which may fill in parts and holds its amount, rather than as a
            take-profit order.
        latency_ms: time until a request reaches the exchange.

    Attributes:
        sendings: why each accepted order was sent, by its id.
        refused: requests that were not accepted.
    """

    __slots__ = (
        "_arrives_at_ms",
        "_cancelling",
        "_engine",
        "_exit_waits",
        "_latency_ms",
        "_limit_target",
        "refused",
        "sendings",
    )

    def __init__(self, engine: MatchingEngine, *, limit_target: bool, latency_ms: int) -> None:
        self._engine = engine
        self._limit_target = limit_target
        self._latency_ms = latency_ms
        self._arrives_at_ms = 0
        self._cancelling: set[int] = set()
        self._exit_waits: str | None = None
        self.sendings: dict[int, Sending] = {}
        self.refused: list[RefusedRequest] = []

    def enter(self, target: Target) -> None:
        """Send the market order that opens a position."""
        side = target.side
        request = OrderRequest(side=side.opening_side, type=OrderType.MARKET, amount=target.amount, position_side=side)
        self._send(request, Purpose.ENTRY, Reason.SIGNAL)

    def leave(self, account: AccountState, position: Position, reason: str) -> None:
        """Send the market order that closes a position, unless one is under way; what holds its amount goes first.

        While the cancel of what holds the amount is under way the exit waits; `protect` sends it once the amount is
        free.
        """
        side = position.side
        closing = [order for order in account.open_orders if order.request.closes]
        if any(order.request.type is OrderType.MARKET and order.request.position_side is side for order in closing):
            return
        holding = [order for order in closing if order.request.type is OrderType.LIMIT]
        for order in holding:
            self._cancel(order)
        if holding and self._latency_ms:
            self._exit_waits = reason
            return
        self._exit_waits = None
        request = OrderRequest(
            side=side.closing_side, type=OrderType.MARKET, amount=position.amount, position_side=side
        )
        self._send(request, Purpose.EXIT, reason)

    def drop_closing_orders(self, account: AccountState) -> None:
        """Cancel the orders that a closed position left behind."""
        self._exit_waits = None
        for order in account.open_orders:
            if order.request.closes:
                self._cancel(order)

    def protect(self, account: AccountState, position: Position, protection: Protection, reason: str) -> bool | None:
        """Let stop and target rest at the exchange; while an exit is under way or waits only the stop.

        A trigger that the price already meets is refused; the market order that it would have become is sent.

        Returns:
            True when this settled the position in the sense of `is_settled`; None when only the account can tell.
        """
        before = len(self.sendings)
        side = position.side
        orders = [order for order in account.open_orders if order.request.position_side is side]
        stop = OrderRequest(
            side=side.closing_side, type=OrderType.STOP_LOSS, trigger_price=protection.stop, position_side=side
        )
        met = self._replace(orders, stop, Purpose.STOP, reason)
        if self._exit_waits is not None:
            self.leave(account, position, self._exit_waits)
            return None
        leaving = any(order.request.type is OrderType.MARKET for order in orders)
        if not met and not leaving and protection.take_profit is not None:
            met = self._replace(orders, self._target(position, protection), Purpose.TARGET, reason)
        if met:
            self.leave(account, position, TRIGGER_MET)
            return None
        both_rest = not account.open_orders and not self._latency_ms and len(self.sendings) == before + 2
        return True if both_rest and self._is_healthy(account) else None

    def is_settled(self, account: AccountState, position: Position, opened_at_ms: int) -> bool:
        """Whether exactly one stop and one target rest for the only position, arrived and on a healthy account.

        Args:
            account: as reported.
            position: the open one.
            opened_at_ms: open of the newest bar in which orders could arrive, Unix milliseconds UTC.
        """
        orders = account.open_orders
        if len(orders) != 2 or not self._is_healthy(account):
            return False
        if self._latency_ms and opened_at_ms < self._arrives_at_ms:
            return False
        kinds = [order.request.type for order in orders]
        target = OrderType.LIMIT if self._limit_target else OrderType.TAKE_PROFIT
        return (
            OrderType.STOP_LOSS in kinds
            and target in kinds
            and all(order.request.closes and order.request.position_side is position.side for order in orders)
        )

    @staticmethod
    def _is_healthy(account: AccountState) -> bool:
        """Whether the margin is in order and only one side is open."""
        has_both = account.long.amount.lots and account.short.amount.lots
        return account.margin.state is MarginState.NORMAL and not has_both

    def _target(self, position: Position, protection: Protection) -> OrderRequest:
        side = position.side
        if self._limit_target:
            return OrderRequest(
                side=side.closing_side,
                type=OrderType.LIMIT,
                amount=position.amount,
                price=protection.take_profit,
                position_side=side,
            )
        return OrderRequest(
            side=side.closing_side,
            type=OrderType.TAKE_PROFIT,
            trigger_price=protection.take_profit,
            position_side=side,
        )

    def _replace(self, orders: Sequence[Order], wanted: OrderRequest, purpose: Purpose, reason: str) -> bool:
        """Let the wanted order be the only one of its kind; return whether its trigger is already met.

        The new order is sent before the old one is cancelled, so that the position is protected throughout.
        """
        others = []
        found = False
        for order in orders:
            request = order.request
            if request.type is not wanted.type or not request.closes:
                continue
            if order.order_id in self._cancelling:
                if request.type is OrderType.LIMIT:
                    # It holds the amount until its cancel arrives, which is when the next visit comes.
                    return False
                continue
            if request.trigger_price == wanted.trigger_price and request.price == wanted.price:
                found = True
            else:
                others.append(order)
        refusal = None if found else self._send(wanted, purpose, reason)
        if refusal is None:
            for order in others:
                self._cancel(order)
        return refusal is not None and refusal.code is RefusalCode.TRIGGER_WOULD_FIRE

    def _send(self, request: OrderRequest, purpose: Purpose, reason: str) -> Refusal | None:
        now_ms = self._engine.now_ms
        answer = self._engine.place(request)
        sending = Sending(purpose, str(reason), now_ms)
        if isinstance(answer, Refusal):
            self.refused.append(RefusedRequest(sending, answer))
            return answer
        self.sendings[answer.order_id] = sending
        self._arrives_at_ms = now_ms + self._latency_ms
        return None

    def _cancel(self, order: Order) -> None:
        if order.order_id not in self._cancelling:
            self._cancelling.add(order.order_id)
            self._engine.cancel(order.order_id)
            self._arrives_at_ms = self._engine.now_ms + self._latency_ms
