"""What a value depends on, from which the rows with an incomplete or interrupted history are found."""

from dataclasses import dataclass

import numpy as np

from crypto_kedro.features.anchored import ANCHOR_BLOCK, block_start
from crypto_kedro.market.bars import IntArray


@dataclass(frozen=True, slots=True)
class Dependency:
    """Which bars before bar t a value at t depends on.

    Args:
        bars_back: bars before t.
        bars_before_block: bars before the start of t's block, 0 for a value without a recursion.
    """

    bars_back: int = 0
    bars_before_block: int = 0

    @property
    def lookback(self) -> int:
        """Most bars that a value can depend on, its own included."""
        anchored = self.bars_before_block + ANCHOR_BLOCK if self.bars_before_block else 0
        return max(self.bars_back + 1, anchored)

    def oldest(self, bar_index: IntArray) -> IntArray:
        """Return the index of the oldest bar that each value depends on, shape (n,)."""
        finite = bar_index - self.bars_back
        if not self.bars_before_block:
            return finite
        return np.minimum(finite, block_start(bar_index) - self.bars_before_block)
