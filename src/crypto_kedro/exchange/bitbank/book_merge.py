"""The order book out of bitbank's two depth rooms: whole books now and then, differences in between.

A difference holds absolute amounts, and zero deletes a level. A whole book may arrive later than younger differences
and covers more than they do, so each one replaces the book and the younger differences are applied to it again.

Source: bitbank public stream, "Depth Diff" and "Depth Whole".
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from crypto_kedro.exchange.bitbank import checked, shapes
from crypto_kedro.exchange.port import OrderBook
from crypto_kedro.trading.money import Btc, Price

_KEPT_DIFFERENCES = 10_000
_NOTHING = Btc(0)
_NEVER = -1

Levels = dict[Price, Btc]
Changes = tuple[tuple[Price, Btc], ...]


class _Difference(NamedTuple):
    """Absolute amounts of the levels that changed."""

    sequence: int
    at_ms: int
    bids: Changes
    asks: Changes


class BookMerge:
    """Keeps one book.

    It gives up, and starts anew with the next whole book, when a room's sequence goes back or when no whole book has
    come for a very long time. Sequences have gaps, which mean nothing.
    """

    def __init__(self) -> None:
        self.start_anew()

    def start_anew(self) -> None:
        """Forget everything, for example after a reconnection."""
        self._at_ms = 0
        self._bids: Levels = {}
        self._asks: Levels = {}
        self._whole = _NEVER
        self._newest = _NEVER
        self._differences: list[_Difference] = []

    @property
    def sequence(self) -> int:
        """The newest sequence id that was heard, -1 for none."""
        return max(self._whole, self._newest)

    @property
    def book(self) -> OrderBook | None:
        """The book as it stands, None before the first whole one."""
        if self._whole == _NEVER:
            return None
        bids = tuple(sorted(self._bids.items(), reverse=True))
        return OrderBook(self._at_ms, self.sequence, bids, tuple(sorted(self._asks.items())))

    def take_whole(self, answer: Mapping[str, Any]) -> None:
        """Take a whole book."""
        whole = shapes.book(answer)
        if whole.sequence < self._whole:
            self.start_anew()
            return
        self._whole, self._at_ms = whole.sequence, whole.at_ms
        self._bids, self._asks = dict(whole.bids), dict(whole.asks)
        self._differences = [kept for kept in self._differences if kept.sequence > whole.sequence]
        for difference in self._differences:
            self._apply(difference)

    def take_difference(self, answer: Mapping[str, Any]) -> None:
        """Take a difference."""
        sequence = checked.whole(answer, "s")
        difference = _Difference(
            sequence, checked.whole(answer, "t"), shapes.levels(answer["b"]), shapes.levels(answer["a"])
        )
        if sequence <= self._newest or len(self._differences) == _KEPT_DIFFERENCES:
            self.start_anew()
            return
        self._newest = sequence
        if sequence <= self._whole:
            return
        self._differences.append(difference)
        if self._whole != _NEVER:
            self._apply(difference)

    def _apply(self, difference: _Difference) -> None:
        self._at_ms = max(self._at_ms, difference.at_ms)
        _change(self._bids, difference.bids)
        _change(self._asks, difference.asks)


def _change(levels: Levels, changes: Changes) -> None:
    for price, amount in changes:
        if amount == _NOTHING:
            levels.pop(price, None)
        else:
            levels[price] = amount
