"""An account at bitbank as an `Exchange`: spot and margin of BTC/JPY over REST."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from crypto_kedro.exchange.bitbank import checked, shapes
from crypto_kedro.exchange.bitbank.checked import reading_private, require
from crypto_kedro.exchange.bitbank.credentials import Credentials
from crypto_kedro.exchange.bitbank.market_data import BitbankMarketData, wall_clock_ms
from crypto_kedro.exchange.bitbank.plausibility import require_past
from crypto_kedro.exchange.bitbank.recovery import LostOrderSearch, is_same
from crypto_kedro.exchange.bitbank.settings import BitbankSettings
from crypto_kedro.exchange.port import (
    Attempt,
    Balances,
    ExchangeError,
    MarginPositions,
    NotPlaced,
    Placed,
    Placement,
    RefusedError,
    RetryLaterError,
    RetryNowError,
    StopTradingError,
    Ticker,
)
from crypto_kedro.trading.account import AccountState, MarginState, MarginStatus, Position
from crypto_kedro.trading.money import Price
from crypto_kedro.trading.orders import Fill, Order, OrderRequest, RefusalCode

_CANCEL_UNDER_WAY = 70_019
_ENDED_BEFORE = frozenset(
    {RefusalCode.NOT_CANCELABLE, RefusalCode.ALREADY_CANCELED, RefusalCode.ALREADY_EXECUTED, _CANCEL_UNDER_WAY}
)
_CANCEL_BATCH = 30
_FILLS_PAGE = 1_000
_REMEMBERED_ORDERS = 1_000
_PRICE_PATIENCE_S = 2.0


class BitbankExchange(BitbankMarketData):
    """An account at bitbank.

    Args:
        settings: addresses and patience.
        credentials: API key with the rights to read and to trade.
        now_ms: clock, Unix milliseconds UTC; requests are signed with it.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        settings: BitbankSettings,
        credentials: Credentials,
        *,
        now_ms: Callable[[], int] = wall_clock_ms,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(settings, credentials, now_ms=now_ms)
        self._search = LostOrderSearch(self, settings, now_ms, sleep)
        self._known_ids: deque[int] = deque(maxlen=_REMEMBERED_ORDERS)
        self._listed_ids: set[int] = set()
        self._last_price: Price | None = None
        self._money: tuple[Balances, MarginStatus] | None = None

    async def balances(self) -> Balances:
        """Return JPY and BTC on hand."""
        answer = await self._wire.ask("user/assets")
        with reading_private("balances"):
            return shapes.balances(answer)

    async def margin_status(self) -> MarginStatus:
        """Return the margin account; the due date of a call is read from the positions' notice."""
        answer = await self._wire.ask("user/margin/status")
        due = None
        with reading_private("margin status"):
            called = answer["status"] == MarginState.CALL
        if called:
            due = (await self._positions(())).call_due_at_ms
        with reading_private("margin status"):
            return shapes.margin_status(answer, self._settings.pair, due)

    async def positions(self) -> MarginPositions:
        """Return both margin positions."""
        return await self._positions(await self.open_orders())

    async def account(self) -> AccountState:
        """Return all of the account.

        Orders are read before positions, so that an entry that fills in between shows twice rather than not at all.
        While the public side is silent, positions are valued at the price that it told last, or at what they cost.

        Raises:
            RetryLaterError: an answer is missing or unusable; its ``account`` is there if only the money is unknown.
        """
        orders = await self.open_orders()
        positions, is_holding = await self._read_positions(orders)
        try:
            balances, margin = await self.balances(), await self.margin_status()
        except RetryLaterError as error:
            if self._money is not None:
                error.account = await self._assembled(orders, positions, *self._money)
            raise
        if margin.position_product and not is_holding:
            # An entry may have filled between both reads; otherwise the list of positions came incomplete.
            positions, is_holding = await self._read_positions(orders)
            with reading_private("positions"):
                require(is_holding, "they are empty, and the margin account holds some")
        self._money = balances, margin
        return await self._assembled(orders, positions, balances, margin)

    async def _assembled(
        self, orders: tuple[Order, ...], positions: MarginPositions, balances: Balances, margin: MarginStatus
    ) -> AccountState:
        mark = await self._mark(positions)
        return AccountState(
            self._now_ms(),
            mark,
            balances.cash,
            balances.cash_locked,
            balances.btc,
            balances.btc_locked,
            positions.payable,
            positions.long,
            positions.short,
            orders,
            margin,
        )

    async def open_orders(self) -> tuple[Order, ...]:
        """Return the orders that may still fill, ascending by id.

        One that was listed before and is not any more is looked up, because a list that came incomplete would have its
        orders sent twice.
        """
        answer = await self._wire.ask("user/spot/active_orders", pair=self._settings.pair)
        orders = self._orders(answer)
        listed = {order.order_id for order in orders}
        missing = self._listed_ids - listed
        self._listed_ids = listed | await self._not_looked_up(sorted(missing))
        return orders

    async def order(self, order_id: int) -> Order:
        """Return one order; bitbank forgets an order three months after its end."""
        answer = await self._wire.ask("user/spot/order", pair=self._settings.pair, order_id=order_id)
        return self._order(answer, "order", order_id)

    async def fills_since(self, since_ms: int) -> tuple[Fill, ...]:
        """Return the account's fills from a moment on, ascending by id, page after page.

        Raises:
            StopTradingError: a single millisecond holds more fills than a page.
        """
        fills: dict[int, Fill] = {}
        start = since_ms
        while True:
            answer = await self._wire.ask(
                "user/spot/trade_history", pair=self._settings.pair, count=_FILLS_PAGE, since=start, order="asc"
            )
            with reading_private("trade history"):
                page = shapes.fills(answer)
                require_past((fill.executed_at_ms for fill in page), self._now_ms())
            fills |= {fill.trade_id: fill for fill in page if fill.executed_at_ms >= since_ms}
            if len(page) < _FILLS_PAGE:
                return tuple(fills[trade_id] for trade_id in sorted(fills))
            newest = max(fill.executed_at_ms for fill in page)
            if newest <= start:
                raise StopTradingError(
                    f"bitbank trade history: more than {_FILLS_PAGE} fills at {start} ms; narrow the time by hand"
                )
            start = newest

    async def place(self, request: OrderRequest) -> Placement:
        """Send an order, once; if the answer is lost, find out what became of it.

        Raises:
            StopTradingError, BadCredentialsError: the order was not placed, and no other would be.
        """
        sent_after_ms = self._now_ms()
        try:
            order = await self._send_order(request)
        except ExchangeError as error:
            if not error.outcome_known:
                return await self.outcome_of(
                    Attempt(request, sent_after_ms, self._now_ms(), frozenset(self._known_ids))
                )
            if isinstance(error, RefusedError | RetryLaterError | RetryNowError):
                return NotPlaced(error)
            raise
        self._known_ids.append(order.order_id)
        return Placed(order)

    async def outcome_of(self, attempt: Attempt) -> Placement:
        """Find out what became of an order whose answer was lost, see `LostOrderSearch`."""
        outcome = await self._search.outcome(attempt)
        if isinstance(outcome, Placed):
            self._known_ids.append(outcome.order.order_id)
        return outcome

    async def cancel(self, order_id: int) -> Order:
        """Cancel an order and return it as it then stands; one that had ended before is returned as it ended."""
        try:
            answer = await self._wire.send("user/spot/cancel_order", pair=self._settings.pair, order_id=order_id)
            return self._order(answer, "cancel", order_id)
        except (RefusedError, RetryLaterError) as error:
            if error.outcome_known and error.code not in _ENDED_BEFORE:
                raise
            # A cancel may be asked for again without harm, so its outcome is simply read.
            return await self.order(order_id)

    async def cancel_many(self, order_ids: Sequence[int]) -> tuple[Order, ...]:
        """Cancel several orders, 30 a request, and return those that the exchange still knows.

        How bitbank answers for a batch in which some orders have ended is not known: what is open afterwards is
        cancelled one by one, and every order is then read.
        """
        for start in range(0, len(order_ids), _CANCEL_BATCH):
            batch = list(order_ids[start : start + _CANCEL_BATCH])
            try:
                await self._wire.send("user/spot/cancel_orders", pair=self._settings.pair, order_ids=batch)
            except (RefusedError, RetryLaterError) as error:
                if isinstance(error, RetryLaterError) and error.outcome_known:
                    raise
        left = {order.order_id for order in await self.open_orders()}
        for order_id in order_ids:
            if order_id in left:
                await self.cancel(order_id)
        return await self._orders_of(order_ids)

    def ask_before_sending(self, permit: Callable[[], None]) -> None:
        """Ask for a permit, which raises an error when nothing may be sent, once an order or a cancel is signed."""
        self._wire.ask_before_sending(permit)

    async def ticker(self) -> Ticker:
        """Return the last price and the best prices."""
        ticker = await super().ticker()
        self._last_price = ticker.last
        return ticker

    async def check_rights(self) -> None:
        """Make sure that the key may read and trade, by asking to cancel an order that does not exist.

        The API does not tell a key's rights. Whether it may withdraw cannot be seen without withdrawing.

        Raises:
            BadCredentialsError: the key is not accepted, or lacks a right.
        """
        await self._wire.ask("user/assets")
        try:
            await self._wire.send("user/spot/cancel_order", pair=self._settings.pair, order_id=1)
        except RefusedError:
            return

    async def private_stream_pass(self) -> tuple[str, str]:
        """Return channel and token of the private stream; the token lasts 12 hours."""
        answer = await self._wire.ask("user/subscribe")
        with reading_private("subscription"):
            return checked.text(answer, "pubnub_channel"), checked.text(answer, "pubnub_token")

    async def _mark(self, positions: MarginPositions) -> Price:
        known = self._last_price or _cost(positions.long) or _cost(positions.short)
        try:
            async with asyncio.timeout(None if known is None else _PRICE_PATIENCE_S):
                return (await self.ticker()).last
        except (RetryLaterError, RetryNowError, TimeoutError):
            if known is None:
                raise
            return known

    async def _send_order(self, request: OrderRequest) -> Order:
        body = shapes.request_body(request)
        answer = await self._wire.send("user/spot/order", pair=self._settings.pair, **body)
        order = self._order(answer, "new order")
        with reading_private("new order"):
            require(is_same(order.request, request), "the order is not the one that was sent")
        return order

    async def _positions(self, open_orders: Iterable[Order]) -> MarginPositions:
        positions, _ = await self._read_positions(open_orders)
        return positions

    async def _read_positions(self, open_orders: Iterable[Order]) -> tuple[MarginPositions, bool]:
        """Return the positions of the pair, and whether there is one of any pair."""
        answer = await self._wire.ask("user/margin/positions")
        with reading_private("positions"):
            positions = shapes.positions(answer, self._settings.pair, tuple(open_orders))
            return positions, any(shapes.cost(row["product"]).units for row in answer["positions"])

    async def _not_looked_up(self, order_ids: Sequence[int]) -> set[int]:
        """Make sure that orders have ended; return those that could not be looked up now.

        Raises:
            UnusablePrivateAnswerError: one of them is open.
        """
        try:
            found = await self._orders_of(order_ids)
        except RefusedError:
            # The exchange knows none of them any more.
            return set()
        except (RetryLaterError, RetryNowError):
            return set(order_ids)
        with reading_private("orders"):
            still_open = [order.order_id for order in found if order.status.is_open]
            require(not still_open, f"orders {still_open} are open and not listed")
        return set()

    async def _orders_of(self, order_ids: Sequence[int]) -> tuple[Order, ...]:
        found: dict[int, Order] = {}
        for start in range(0, len(order_ids), _CANCEL_BATCH):
            batch = list(order_ids[start : start + _CANCEL_BATCH])
            answer = await self._wire.send("user/spot/orders_info", pair=self._settings.pair, order_ids=batch)
            found |= {order.order_id: order for order in self._orders(answer)}
        return tuple(found[order_id] for order_id in order_ids if order_id in found)

    def _orders(self, answer: Any) -> tuple[Order, ...]:
        with reading_private("orders"):
            orders = shapes.orders(answer)
            require_past((order.ordered_at_ms for order in orders), self._now_ms())
        return orders

    def _order(self, answer: Any, what: str, order_id: int | None = None) -> Order:
        """Read one order; with an id, it must be that order's."""
        with reading_private(what):
            order = shapes.order(answer)
            require(order_id in (None, order.order_id), f"it is about order {order.order_id}, not {order_id}")
            require_past((order.ordered_at_ms,), self._now_ms())
        return order


def _cost(position: Position) -> Price | None:
    """Return the average price of a position in whole JPY, None when it is empty."""
    return None if position.average_price is None else Price(max(round(position.average_price), 1))
