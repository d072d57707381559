"""Sample weights: how much of a label's lifetime it has to itself."""

import numpy as np
import pandas as pd

from crypto_kedro.learning.labels import milliseconds
from crypto_kedro.market.bars import FloatArray, IntArray


def average_uniqueness(first: IntArray, end: IntArray) -> FloatArray:
    """Return the mean of 1/concurrency over the life of each label.

    Args:
        first: shape (n,), index of the first bar that each label spans.
        end: shape (n,), index after the last bar that each label spans; above ``first``.

    Returns:
        Shape (n,), in (0, 1]; 1 for a label that overlaps no other.

    Source: Lopez de Prado, Advances in Financial Machine Learning (2018), sections 4.3 and 4.4.

    >>> average_uniqueness(np.array([0, 1]), np.array([2, 3]))
    array([0.75, 0.75])
    """
    if first.size == 0:
        return np.empty(0, dtype=np.float64)
    origin = int(first.min())
    length = int(end.max()) - origin
    begun = np.bincount(first - origin, minlength=length + 1)
    ended = np.bincount(end - origin, minlength=length + 1)
    concurrent = np.cumsum(begun - ended)[:length]
    share = np.divide(1.0, concurrent, out=np.zeros(length), where=concurrent > 0)
    until = np.concatenate([[0.0], np.cumsum(share)])
    mean: FloatArray = (until[end - origin] - until[first - origin]) / (end - first)
    return mean


def label_uniqueness(labels: pd.DataFrame, interval_ms: int) -> FloatArray:
    """Return the average uniqueness of each label among the given ones, shape (n,).

    Args:
        labels: columns ``timestamp`` (the signal bar's open) and ``label_end``, both ``datetime64[ms, UTC]``; a
            label spans the bars from its entry, the end of the signal bar, to ``label_end``.
        interval_ms: length of a bar in milliseconds.
    """
    first = milliseconds(labels["timestamp"]) // interval_ms + 1
    end = milliseconds(labels["label_end"]) // interval_ms
    return average_uniqueness(first, end)
