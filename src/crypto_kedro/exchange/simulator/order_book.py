"""A synthetic order book around the last trade: 200 levels a side whose amounts stay where they are."""

from dataclasses import dataclass

from crypto_kedro.trading.money import PPM, Rate
from crypto_kedro.trading.orders import Side

LEVELS = 200
_REACH_PPM = 5_000
_HASH = 2_654_435_761
_LOTS_BEYOND = 5_000_000

Level = tuple[int, int]
"""Price in ticks and amount in lots."""


@dataclass(frozen=True, slots=True)
class BookSnapshot:
    """The shown part of the book.

    Args:
        at_ms: Unix milliseconds UTC.
        sequence_id: grows with every change.
        asks, bids: best first.
        lots_over, lots_under: amounts beyond the shown levels.
    """

    at_ms: int
    sequence_id: int
    asks: tuple[Level, ...]
    bids: tuple[Level, ...]
    lots_over: int
    lots_under: int


def touch_around(price: int, taker_side: Side, spread: Rate) -> tuple[int, int]:
    """Return best bid and ask after a trade: the taker met one of them, the other lies a spread away."""
    distance = max(price * spread.ppm // PPM, 1)
    if taker_side is Side.BUY:
        return max(price - distance, 1), max(price, 2)
    return price, price + distance


def levels_above(ask: int, shown: int, touch_lots: int) -> list[Level]:
    """Return the asks, best first: ``shown`` lots at the touch, then one level in each cell of a fixed grid."""
    width = _cell_width(ask)
    first = ask // width + 1
    cells = range(first, first + LEVELS - 1)
    return [(ask, shown)] * (shown > 0) + [_level(cell, width, touch_lots) for cell in cells]


def levels_below(bid: int, shown: int, touch_lots: int) -> list[Level]:
    """Return the bids, best first, in the shape of `levels_above`."""
    width = _cell_width(bid)
    last = bid // width - 1
    cells = range(last, max(last - LEVELS + 1, 0), -1)
    return [(bid, shown)] * (shown > 0) + [_level(cell, width, touch_lots) for cell in cells]


def lots_beyond(price: int) -> int:
    """Amount that lies beyond the shown levels."""
    return _LOTS_BEYOND + price % 10_000


def _cell_width(price: int) -> int:
    # A power of two keeps the grid, and with it every level, where it is while the price moves.
    return 1 << max((price * _REACH_PPM // PPM // LEVELS).bit_length() - 1, 1)


def _level(cell: int, width: int, touch_lots: int) -> Level:
    scattered = (cell * _HASH) & 0xFFFFFFFF
    return cell * width + scattered % width, max(touch_lots // 4, 1) + (scattered >> 16) % (4 * touch_lots)
