"""Finding out what became of an order whose answer was lost.

bitbank knows no client order id, so an order is recognised by what was asked for and by the time of its acceptance.
The exchange refuses a request that is older than its time window or that carries a time a second or more in the
future. Hence an order that exists was accepted no sooner than a second before its sending and no later than a
window after it, and once that has passed without a trace, it never will.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from crypto_kedro.exchange.bitbank.settings import BitbankSettings
from crypto_kedro.exchange.port import (
    Attempt,
    ExchangeError,
    NotPlaced,
    Placed,
    Placement,
    RefusedError,
    RetryLaterError,
    RetryNowError,
    Unknown,
)
from crypto_kedro.trading.orders import Fill, Order, OrderRequest

FUTURE_TOLERANCE_MS = 1_000
"""How far the exchange lets the time of a request lie in its future."""


_FINGERPRINT = ("side", "position_side", "type", "price", "trigger_price")


class OrderReader(Protocol):
    """The reads that a search needs."""

    async def open_orders(self) -> tuple[Order, ...]:
        """Return the orders that may still fill."""

    async def fills_since(self, since_ms: int) -> tuple[Fill, ...]:
        """Return the fills from a moment on, Unix milliseconds UTC."""

    async def order(self, order_id: int) -> Order:
        """Return one order."""


class LostOrderSearch:
    """Looks for lost orders among the open orders and the fills.

    An order that ended without a fill leaves no trace there: it counts as not placed, for nothing rests and nothing
    was traded.

    Args:
        reader: the account.
        settings: time window, settling time and patience.
        now_ms: clock, Unix milliseconds UTC.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        reader: OrderReader,
        settings: BitbankSettings,
        now_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._reader = reader
        self._settings = settings
        self._now_ms = now_ms
        self._sleep = sleep

    async def outcome(self, attempt: Attempt) -> Placement:
        """Search until the order is found, cannot exist any more, or patience ends.

        An error met on the way tells about a question of the search and nothing about the order, which stays unknown.
        """
        must_show_ms = attempt.sent_before_ms + self._latest_acceptance_ms + self._settings.settle_ms
        give_up_ms = max(must_show_ms, self._now_ms()) + int(self._settings.search_s * 1000)
        while True:
            looked_at_ms = self._now_ms()
            try:
                outcome = self._judged(attempt, await self._candidates(attempt), looked_at_ms >= must_show_ms)
            except (RetryNowError, RetryLaterError, RefusedError) as error:
                outcome = Unknown(attempt, str(error))
            except ExchangeError as error:
                # It needs a human, so asking again at once would only delay whoever waits for the outcome.
                return Unknown(attempt, str(error))
            if not isinstance(outcome, Unknown) or self._now_ms() >= give_up_ms:
                return outcome
            await self._sleep(self._settings.poll_s)

    @property
    def _latest_acceptance_ms(self) -> int:
        return self._settings.time_window_ms + FUTURE_TOLERANCE_MS

    def _judged(self, attempt: Attempt, candidates: list[Order], must_show: bool) -> Placement:
        if len(candidates) == 1:
            return Placed(candidates[0])
        if candidates:
            ids = ", ".join(str(order.order_id) for order in candidates)
            return Unknown(attempt, f"orders {ids} all look like the one that was sent")
        if not must_show:
            return Unknown(attempt, "it may still arrive")
        if attempt.request.type.has_trigger and not self._settings.lists_sleeping_orders:
            return Unknown(attempt, "the exchange does not list sleeping orders")
        reason = f"the {attempt.request.type} order did not arrive, or ended without a fill; it may be sent again"
        return NotPlaced(ExchangeError(f"bitbank: {reason}"))

    async def _candidates(self, attempt: Attempt) -> list[Order]:
        earliest = attempt.sent_after_ms - FUTURE_TOLERANCE_MS
        latest = attempt.sent_before_ms + self._latest_acceptance_ms
        found = {order.order_id: order for order in await self._reader.open_orders()}
        executed = {fill.order_id for fill in await self._reader.fills_since(earliest)}
        for order_id in executed - found.keys() - attempt.other_order_ids:
            found[order_id] = await self._reader.order(order_id)
        return [
            order
            for order_id, order in found.items()
            if order_id not in attempt.other_order_ids
            and earliest <= order.ordered_at_ms <= latest
            and is_same(order.request, attempt.request)
        ]


def is_same(found: OrderRequest, sent: OrderRequest) -> bool:
    """Compare two requests, leaving out what the exchange itself may set.

    ``post_only`` is dropped outside continuous trading, and the amount of a whole-position order is fixed when it
    wakes.
    """
    alike = all(getattr(found, name) == getattr(sent, name) for name in _FINGERPRINT)
    return alike and (sent.amount is None or found.amount == sent.amount)
