"""Bars in integers, and the search for the bar at which something can happen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_kedro.errors import DataError
from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.market.bars import MINUTE_MS, Bars
from crypto_kedro.trading.quotes import BarRow


def feed_of(low: list[float], high: list[float], volume: float = 1.0) -> BarFeed:
    """A feed of minutes with given extremes."""
    lows, highs = np.array(low, dtype=float), np.array(high, dtype=float)
    count = lows.size
    return BarFeed(
        Bars(
            MINUTE_MS,
            np.arange(count) * MINUTE_MS,
            lows,
            highs,
            lows,
            highs,
            np.full(count, volume),
            np.zeros(count, dtype=np.int64),
        )
    )


def test_a_row_is_the_bar_in_ticks_and_lots() -> None:
    feed = feed_of([999_999.6, 10.0], [1_000_000.4, 20.0], volume=0.29)

    assert feed.row(0) == BarRow(0, MINUTE_MS, 1_000_000, 1_000_000, 1_000_000, 1_000_000, 2_900)
    assert feed.row(1) == BarRow(MINUTE_MS, 2 * MINUTE_MS, 10, 20, 10, 20, 2_900)
    assert len(feed) == 2


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 0.2])
def test_a_price_that_is_no_price_is_refused_with_its_row(bad: float) -> None:
    with pytest.raises(DataError, match="row 1"):
        feed_of([1.0, bad], [2.0, 2.0])


PRICES = st.lists(st.integers(1, 40), min_size=1, max_size=700)


@given(PRICES, st.integers(-1, 41), st.integers(0, 41), st.data())
def test_the_first_touch_is_the_first_bar_that_reaches_a_bound(
    lows: list[int], down: int, up: int, data: st.DataObject
) -> None:
    feed = feed_of([float(low) for low in lows], [float(low + 2) for low in lows])
    start = data.draw(st.integers(0, len(lows)))
    stop = data.draw(st.integers(start, len(lows)))

    touched = [at for at in range(start, stop) if lows[at] <= down or lows[at] + 2 >= up]

    assert feed.first_touch(down, up, start, stop) == (touched[0] if touched else stop)


@given(st.integers(-1, 20 * MINUTE_MS), st.integers(0, 12), st.integers(0, 12))
def test_the_first_bar_at_a_moment_is_the_first_that_opens_then_or_later(moment: int, start: int, stop: int) -> None:
    feed = feed_of([1.0] * 12, [1.0] * 12)

    later = [at for at in range(start, stop) if at * MINUTE_MS >= moment]

    assert feed.first_at(moment, start, stop) == (later[0] if later else stop)
