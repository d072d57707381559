"""What the market shows the exchange's matching: one closed bar, one trade, the top of the book; all integers."""

from msgspec import Struct

from crypto_kedro.trading.orders import Side


class BarRow(Struct, frozen=True):
    """One bar in ticks of 1 JPY and lots of 0.0001 BTC.

    Args:
        open_time_ms, close_time_ms: Unix milliseconds UTC; the bar covers [open, close).
        open_ticks, high_ticks, low_ticks, close_ticks: prices.
        volume_lots: amount traded.
        gap_minutes: length of the trading halt that touches the bar, 0 for none.
    """

    open_time_ms: int
    close_time_ms: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume_lots: int
    gap_minutes: int = 0

    @property
    def is_halted(self) -> bool:
        """Whether the whole bar lies in a trading halt: nothing traded, nothing could."""
        return self.gap_minutes > 0 and self.volume_lots == 0


class TradePrint(Struct, frozen=True):
    """One trade of the market.

    Args:
        executed_at_ms: Unix milliseconds UTC.
        price_ticks, amount_lots: of the trade.
        taker_side: side of the order that took liquidity.
    """

    executed_at_ms: int
    price_ticks: int
    amount_lots: int
    taker_side: Side


class BookTop(Struct, frozen=True):
    """Best prices of the book.

    Args:
        at_ms: Unix milliseconds UTC.
        bid_ticks, bid_lots, ask_ticks, ask_lots: best prices and the amounts shown there.
    """

    at_ms: int
    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int
