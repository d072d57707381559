"""Average uniqueness against the definition told as a loop."""

from collections import Counter

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from crypto_kedro.learning.weights import average_uniqueness, label_uniqueness
from crypto_kedro.market.bars import MINUTE_MS

INTERVAL_MS = 15 * MINUTE_MS

spans = st.lists(st.tuples(st.integers(-50, 200), st.integers(1, 30)), min_size=1, max_size=60)


def uniqueness_by_definition(first: list[int], end: list[int]) -> list[float]:
    lives = [range(start, stop) for start, stop in zip(first, end, strict=True)]
    alive = Counter(bar for life in lives for bar in life)
    return [float(np.mean([1 / alive[bar] for bar in life])) for life in lives]


@given(spans)
def test_given_any_spans_when_weighed_then_the_result_is_the_definition(drawn: list[tuple[int, int]]) -> None:
    first = np.array([start for start, _ in drawn])
    end = np.array([start + length for start, length in drawn])
    expected = uniqueness_by_definition(first.tolist(), end.tolist())
    np.testing.assert_allclose(average_uniqueness(first, end), expected, rtol=1e-12)


@given(spans)
def test_given_any_spans_when_weighed_then_weights_lie_above_zero_and_at_most_one(drawn: list[tuple[int, int]]) -> None:
    first = np.array([start for start, _ in drawn])
    weights = average_uniqueness(first, first + np.array([length for _, length in drawn]))
    assert np.all(weights > 0)
    assert np.all(weights <= 1 + 1e-12)


def test_given_labels_that_share_half_their_bars_when_weighed_then_the_entry_bar_is_the_one_after_the_signal() -> None:
    labels = pd.DataFrame(
        {
            "timestamp": pd.to_datetime(["2024-01-01 00:00", "2024-01-01 00:15"], utc=True),
            "label_end": pd.to_datetime(["2024-01-01 00:45", "2024-01-01 01:00"], utc=True),
        }
    )
    np.testing.assert_allclose(label_uniqueness(labels, INTERVAL_MS), [0.75, 0.75])


def test_given_no_labels_when_weighed_then_there_are_no_weights() -> None:
    empty = np.empty(0, dtype=np.int64)
    assert average_uniqueness(empty, empty).shape == (0,)
