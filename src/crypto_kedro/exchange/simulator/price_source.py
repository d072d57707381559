"""Where the market's trades come from: candles, or a script of trades."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Protocol

from crypto_kedro.errors import DataError
from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.market.bars import MINUTE_MS, Bars
from crypto_kedro.market.moments import utc_text
from crypto_kedro.trading.orders import Side
from crypto_kedro.trading.quotes import BarRow, TradePrint

_TRADES_A_MINUTE = 12


class PriceSource(Protocol):
    """A market that can be played from its beginning, as often as wanted, with the same trades."""

    @property
    def start_ms(self) -> int:
        """Unix milliseconds UTC at which the market is entered."""

    @property
    def opening_price(self) -> int:
        """Last price before it, in ticks."""

    @property
    def history(self) -> BarFeed | None:
        """Closed one-minute bars before it; None for none."""

    @property
    def name(self) -> str:
        """Tells this source from others; state that was made with another source is refused."""

    def trades(self) -> Iterator[TradePrint]:
        """Yield the trades from the start on, ascending in time."""


class CandleSource:
    """Plays one-minute bars: twelve trades a minute that run through open, both extremes and close.

    A rising bar visits its low first, a falling one its high. A minute without volume has no trades.

    Args:
        bars: bars of one minute.
        name: what the bars are, for people and for the check of stored state.
        start_ms: Unix milliseconds UTC of the first bar to play; the bars before it are history. By default every
            bar but the first is played.

    Raises:
        DataError: the bars are not of one minute, or the start does not lie within them.
    """

    def __init__(self, bars: Bars, name: str, start_ms: int | None = None) -> None:
        if bars.interval_ms != MINUTE_MS or len(bars) < 2:
            raise DataError(f"{name}: the simulator plays at least two bars of one minute; supply 1-minute candles")
        first, last = int(bars.open_time[0]), int(bars.open_time[-1])
        start = first + MINUTE_MS if start_ms is None else start_ms - start_ms % MINUTE_MS
        if not first < start <= last:
            raise DataError(
                f"{name}: the start {utc_text(start)} must lie after the first bar ({utc_text(first)}) and not after "
                f"the last one ({utc_text(last)}); choose another start"
            )
        played = (start - first) // MINUTE_MS
        self.start_ms = start
        self.name = name
        self.history: BarFeed | None = BarFeed(bars[:played])
        self.opening_price = self.history.row(played - 1).close_ticks
        self._bars = BarFeed(bars[played:])

    def trades(self) -> Iterator[TradePrint]:
        """Yield the trades of every bar from the start on."""
        for index in range(len(self._bars)):
            yield from trades_of_bar(self._bars.row(index))


class ScriptSource:
    """Plays a list of trades.

    Args:
        trades: ascending in time.
        start_ms: Unix milliseconds UTC at which the market is entered; not after the first trade.
        opening_price: last price before the first trade, in ticks.
        name: tells this script from others.

    Raises:
        DataError: the trades go back in time, or before the start.
    """

    history: BarFeed | None = None

    def __init__(self, trades: Sequence[TradePrint], start_ms: int, opening_price: int, name: str = "script") -> None:
        moments = [start_ms, *(trade.executed_at_ms for trade in trades)]
        if moments != sorted(moments):
            raise DataError(f"{name}: the trades must ascend in time from {start_ms} on; sort them")
        self.start_ms = start_ms
        self.opening_price = opening_price
        self.name = name
        self._trades = tuple(trades)

    def trades(self) -> Iterator[TradePrint]:
        """Yield the trades."""
        return iter(self._trades)


def trades_of_bar(bar: BarRow) -> Iterator[TradePrint]:
    """Yield the trades that make up a bar of one minute, evenly spaced from its first millisecond on.

    Each trade has at least one lot, so a bar of fewer lots than turning points grows by the difference.
    """
    if not bar.volume_lots:
        return
    prices = _path(bar, min(_TRADES_A_MINUTE, max(bar.volume_lots, 4)))
    step = (bar.close_time_ms - bar.open_time_ms) // len(prices)
    share, rest = divmod(max(bar.volume_lots, len(prices)), len(prices))
    side, before = Side.BUY if bar.close_ticks >= bar.open_ticks else Side.SELL, bar.open_ticks
    for index, price in enumerate(prices):
        if price != before:
            side = Side.BUY if price > before else Side.SELL
        before = price
        yield TradePrint(bar.open_time_ms + index * step, price, share + (index < rest), side)


def _path(bar: BarRow, count: int) -> list[int]:
    rising = bar.close_ticks >= bar.open_ticks
    extremes = (bar.low_ticks, bar.high_ticks) if rising else (bar.high_ticks, bar.low_ticks)
    corners = (bar.open_ticks, *extremes, bar.close_ticks)
    last = count - 1
    turns = (0, max(last // 3, 1), max(2 * last // 3, 2), last)
    prices: list[int] = []
    for (begin, end), (start, stop) in zip(pairwise(turns), pairwise(corners), strict=True):
        prices.extend(start + (stop - start) * step // (end - begin) for step in range(end - begin))
    return [*prices, bar.close_ticks]
