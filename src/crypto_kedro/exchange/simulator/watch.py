"""What the matching engine has done since the last look, told to listeners."""

from collections import deque

from crypto_kedro.exchange.matching import MatchingEngine
from crypto_kedro.exchange.simulator.events import (
    AccountChanged,
    BookChanged,
    EventBus,
    OrderChanged,
    OrderFilled,
    PositionChanged,
    TradePrinted,
)
from crypto_kedro.exchange.simulator.market_view import MarketView
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.orders import Fill, Liquidity, Order, PositionSide
from crypto_kedro.trading.quotes import TradePrint


class EngineWatch:
    """Compares the engine with what was seen of it before.

    Args:
        engine: the account's engine.
        market: shows the account's orders and its taking to everybody.
        events: tells listeners: first the orders, then the fills, then the account.

    Attributes:
        open_orders: orders that may still fill, by the engine's id.
        ended: (moment in Unix milliseconds UTC, id) of the others, in the order in which they ended.
    """

    def __init__(self, engine: MatchingEngine, market: MarketView, events: EventBus) -> None:
        self.open_orders: dict[int, Order] = {}
        self.ended: deque[tuple[int, int]] = deque()
        self._engine = engine
        self._market = market
        self._events = events
        self._newest_order_id = 0
        self._seen_fills = 0
        self._seen_revision = engine.revision
        self._account = engine.account()

    def look(self, now_ms: int) -> None:
        """Tell what has changed by now (Unix milliseconds UTC)."""
        if self._engine.revision == self._seen_revision:
            return
        self._seen_revision = self._engine.revision
        self._tell_orders(now_ms)
        fills = self._engine.fills[self._seen_fills :]
        self._seen_fills += len(fills)
        for fill in fills:
            self._tell_fill(fill)
        before, self._account = self._account, self._engine.account()
        self._tell_account(before, self._account)

    def _tell_orders(self, now_ms: int) -> None:
        for order_id, before in list(self.open_orders.items()):
            self._tell_order(order_id, before, now_ms)
        while self._engine.order(self._newest_order_id + 1) is not None:
            self._newest_order_id += 1
            self._tell_order(self._newest_order_id, None, now_ms)

    def _tell_order(self, order_id: int, before: Order | None, now_ms: int) -> None:
        order = self._engine.order(order_id)
        if order is None or order is before:
            return
        woke = order.triggered_at_ms is not None and (before is None or before.triggered_at_ms is None)
        if order.status.is_open:
            self.open_orders[order_id] = order
        else:
            self.open_orders.pop(order_id, None)
            self.ended.append((now_ms, order_id))
        self._market.touch_book()
        self._events.publish(OrderChanged(order, is_new=before is None, is_just_triggered=woke))
        self._events.publish(BookChanged(now_ms))

    def _tell_fill(self, fill: Fill) -> None:
        if fill.liquidity is Liquidity.TAKER:
            self._market.take(fill.side, fill.amount.lots)
            trade = TradePrint(fill.executed_at_ms, fill.price.ticks, fill.amount.lots, fill.side)
            self._events.publish(TradePrinted(self._market.list_transaction(trade), trade))
        self._events.publish(OrderFilled(fill))

    def _tell_account(self, before: AccountState, after: AccountState) -> None:
        for side in PositionSide:
            if after.position(side) != before.position(side):
                self._events.publish(PositionChanged(side, after))
        balances = [(state.cash, state.cash_locked, state.btc, state.btc_locked) for state in (before, after)]
        if balances[0] != balances[1]:
            self._events.publish(AccountChanged(after))
