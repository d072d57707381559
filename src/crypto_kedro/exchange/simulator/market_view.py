"""The market as everybody sees it: last price, candles, latest trades and the book."""

from collections import deque

from crypto_kedro.exchange.simulator.candles import MinuteCandles
from crypto_kedro.exchange.simulator.order_book import (
    LEVELS,
    BookSnapshot,
    Level,
    levels_above,
    levels_below,
    lots_beyond,
    touch_around,
)
from crypto_kedro.exchange.simulator.price_source import PriceSource
from crypto_kedro.exchange.simulator.settings import SimulatorSettings
from crypto_kedro.market.bars import DAY_MS
from crypto_kedro.trading.orders import Order, OrderStatus, Side
from crypto_kedro.trading.quotes import BookTop, TradePrint

LATEST_TRADES = 60
_KEPT_MS = 2 * DAY_MS
_FIRST_TRANSACTION_ID = 1_200_000_000
_FIRST_SEQUENCE_ID = 40_000_000_000


class MarketView:
    """Keeps what has been traded and shows a book around it.

    Args:
        source: history and opening price.
        settings: shape of the touch.

    Attributes:
        last: last price in ticks.
        candles: one-minute candles.
        transactions: (id, trade) of the last two days, oldest first.
    """

    def __init__(self, source: PriceSource, settings: SimulatorSettings) -> None:
        self.last = source.opening_price
        self.candles = MinuteCandles(source.start_ms, source.opening_price, source.history)
        self.transactions: deque[tuple[int, TradePrint]] = deque()
        self._next_id = _FIRST_TRANSACTION_ID
        self._sequence_id = _FIRST_SEQUENCE_ID
        self._spread = settings.spread
        self._touch_lots = settings.touch_amount.lots
        self.show_around(self.last, Side.BUY)

    def show_around(self, price: int, taker_side: Side) -> None:
        """Put the book around a trade, with full amounts at the touch."""
        self._bid, self._ask = touch_around(price, taker_side, self._spread)
        self._left = {Side.BUY: self._touch_lots, Side.SELL: self._touch_lots}
        self.touch_book()

    def touch_book(self) -> None:
        """Give the book its next sequence id."""
        self._sequence_id += 1

    def take(self, taker_side: Side, lots: int) -> None:
        """Remove from the touch what the account has taken there."""
        self._left[taker_side] = max(self._left[taker_side] - lots, 0)

    def top(self, at_ms: int) -> BookTop:
        """Return the best prices of the others and what is left there."""
        return BookTop(at_ms, self._bid, self._left[Side.SELL], self._ask, self._left[Side.BUY])

    def record(self, trade: TradePrint) -> int:
        """Take note of a trade of the market and return its id."""
        self.last = trade.price_ticks
        self.candles.add(trade.executed_at_ms, trade.price_ticks, trade.amount_lots)
        return self.list_transaction(trade)

    def list_transaction(self, trade: TradePrint) -> int:
        """Put a trade into the list that everybody sees, and return its id."""
        transaction_id = self._next_id
        self._next_id += 1
        self.transactions.append((transaction_id, trade))
        while self.transactions[0][1].executed_at_ms < trade.executed_at_ms - _KEPT_MS:
            self.transactions.popleft()
        return transaction_id

    def book(self, at_ms: int, own_orders: tuple[Order, ...]) -> BookSnapshot:
        """Return the book with the account's resting orders in it; others that would cross them are left out."""
        own_asks, own_bids = _resting(own_orders, Side.SELL), _resting(own_orders, Side.BUY)
        lowest_ask = min(own_asks, default=None)
        highest_bid = max(own_bids, default=None)
        asks = levels_above(self._ask, self._left[Side.BUY], self._touch_lots)
        bids = levels_below(self._bid, self._left[Side.SELL], self._touch_lots)
        if highest_bid is not None:
            asks = [level for level in asks if level[0] > highest_bid]
        if lowest_ask is not None:
            bids = [level for level in bids if level[0] < lowest_ask]
        return BookSnapshot(
            at_ms,
            self._sequence_id,
            _merged(asks, own_asks, descending=False),
            _merged(bids, own_bids, descending=True),
            lots_beyond(self._ask),
            lots_beyond(self._bid),
        )


def _resting(orders: tuple[Order, ...], side: Side) -> dict[int, int]:
    """Return the lots at each price of the orders that rest on one side."""
    lots: dict[int, int] = {}
    for order in orders:
        request, remaining = order.request, order.remaining_amount
        if request.side is side and request.price and remaining and order.status is not OrderStatus.INACTIVE:
            lots[request.price.ticks] = lots.get(request.price.ticks, 0) + remaining.lots
    return lots


def _merged(levels: list[Level], own: dict[int, int], *, descending: bool) -> tuple[Level, ...]:
    if not own:
        return tuple(levels)
    lots = dict(levels)
    for price, amount in own.items():
        lots[price] = lots.get(price, 0) + amount
    return tuple(sorted(lots.items(), reverse=descending)[:LEVELS])
