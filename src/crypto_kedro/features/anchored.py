"""Recursive means with a bounded memory: they start at epoch-aligned anchors, never at the first row of an array."""

import math

import numpy as np

from crypto_kedro.market.bars import FloatArray, IntArray

ANCHOR_BLOCK = 96
REMAINING_WEIGHT = 1e-12


def ema_alpha(period: int) -> float:
    """Weight of the newest value in an exponential mean of `period` bars."""
    return 2.0 / (period + 1.0)


def wilder_alpha(period: int) -> float:
    """Weight of the newest value in Wilder's mean of `period` bars."""
    return 1.0 / period


def warmup_bars(alpha: float) -> int:
    """Return the bars before a block that its recursion runs through: whole blocks, at least one.

    What lies further back would have had less than `REMAINING_WEIGHT` in the mean.
    """
    needed = math.log(REMAINING_WEIGHT) / math.log1p(-alpha) if alpha < 1.0 else 1.0
    return math.ceil(needed / ANCHOR_BLOCK) * ANCHOR_BLOCK


def block_start(bar_index: IntArray) -> IntArray:
    """Return the index of the first bar of the block that holds each bar.

    Args:
        bar_index: shape (n,), bars since the Unix epoch: ``open_time // interval_ms``.
    """
    return bar_index - bar_index % ANCHOR_BLOCK


def anchored_mean(values: FloatArray, first_bar_index: int, alpha: float) -> FloatArray:
    """Recursive mean ``y += alpha * (x - y)`` that depends on a bounded number of past values.

    The value at bar t is computed from the values of bars ``block_start(t) - warmup_bars(alpha)`` to t and from nothing
    else, so any array that holds those bars gives the same float, bit for bit. All blocks advance together: one step
    of the recursion is one vector operation over the blocks.

    Args:
        values: shape (n,), one value a bar without missing bars; NaN makes every mean that depends on it NaN.
        first_bar_index: bars since the Unix epoch at ``values[0]``.
        alpha: weight of the newest value, in (0, 1].

    Returns:
        Shape (n,); NaN where the bars that it depends on are not all there.
    """
    front = first_bar_index % ANCHOR_BLOCK
    blocks = -(-(front + values.size) // ANCHOR_BLOCK)
    padded = np.full(blocks * ANCHOR_BLOCK, np.nan)
    padded[front : front + values.size] = values
    rows = np.ascontiguousarray(padded.reshape(blocks, ANCHOR_BLOCK).T)

    warmup = warmup_bars(alpha)
    lanes = blocks - warmup // ANCHOR_BLOCK
    means = np.full((ANCHOR_BLOCK, blocks), np.nan)
    if lanes > 0:
        mean = rows[0, :lanes].copy()
        change = np.empty(lanes)
        for step in range(warmup + ANCHOR_BLOCK):
            block, row = divmod(step, ANCHOR_BLOCK)
            np.subtract(rows[row, block : block + lanes], mean, out=change)
            change *= alpha
            mean += change
            if step >= warmup:
                means[row, blocks - lanes :] = mean
    return means.T.reshape(-1)[front : front + values.size]
