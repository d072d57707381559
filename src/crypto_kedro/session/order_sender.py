"""Carries the steps between account and wish to the matching engine of a backtest."""

from crypto_kedro.exchange.matching import MatchingEngine
from crypto_kedro.session.reconcile import TRIGGER_MET, Step, entering, leaving, left_over, protecting
from crypto_kedro.session.records import RefusedRequest, Sending
from crypto_kedro.trading.account import AccountState, MarginState, Position
from crypto_kedro.trading.decision import Target
from crypto_kedro.trading.orders import OrderRequest, OrderType, Refusal, RefusalCode
from crypto_kedro.trading.protection import Protection


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
        self._carry_out(entering(target))

    def leave(self, account: AccountState, position: Position, reason: str) -> None:
        """Send the market order that closes a position, unless one is under way; what holds its amount goes first.

        While the cancel of what holds the amount is under way the exit waits; `protect` sends it once the amount is
        free.
        """
        for step in leaving(account.open_orders, position.side, position.amount, reason):
            self._exit_waits = None
            self._carry_out(step)

    def drop_closing_orders(self, account: AccountState) -> None:
        """Cancel the orders that a closed position left behind."""
        self._exit_waits = None
        if account.open_orders:
            for step in left_over(account.open_orders):
                self._carry_out(step)

    def protect(self, account: AccountState, position: Position, protection: Protection, reason: str) -> bool | None:
        """Let stop and target rest at the exchange; while an exit is under way or waits only the stop.

        A trigger that the price already meets is refused; the market order that it would have become is sent.

        Returns:
            True when this settled the position in the sense of `is_settled`; None when only the account can tell.
        """
        before = len(self.sendings)
        side = position.side
        orders = [order for order in account.open_orders if order.request.position_side is side]
        steps = protecting(
            orders,
            side,
            position.amount,
            protection,
            reason,
            limit_target=self._limit_target,
            leaves=self._exit_waits is not None,
            under_way=self._cancelling,
        )
        for step in steps:
            refusal = self._carry_out(step)
            if refusal is not None and refusal.code is RefusalCode.TRIGGER_WOULD_FIRE:
                self.leave(account, position, self._exit_waits or TRIGGER_MET)
                return None
        if self._exit_waits is not None:
            self.leave(account, position, self._exit_waits)
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

    def _carry_out(self, step: Step) -> Refusal | None:
        """Do one step; return why its order was refused."""
        request = step.request
        for order_id in step.first:
            self._cancel(order_id)
        if request is not None:
            if step.first and self._latency_ms:
                self._exit_waits = step.reason
                return None
            refusal = self._send(request, step)
            if refusal is not None:
                return refusal
        for order_id in step.then:
            self._cancel(order_id)
        return None

    def _send(self, request: OrderRequest, step: Step) -> Refusal | None:
        now_ms = self._engine.now_ms
        answer = self._engine.place(request)
        sending = Sending(step.purpose, str(step.reason), now_ms)
        if isinstance(answer, Refusal):
            self.refused.append(RefusedRequest(sending, answer))
            return answer
        self.sendings[answer.order_id] = sending
        self._arrives_at_ms = now_ms + self._latency_ms
        return None

    def _cancel(self, order_id: int) -> None:
        if order_id not in self._cancelling:
            self._cancelling.add(order_id)
            self._engine.cancel(order_id)
            self._arrives_at_ms = self._engine.now_ms + self._latency_ms
