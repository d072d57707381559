"""The decision bars of a backtest as columns: their facts, their gates, and where the next one that matters lies."""

import numpy as np
from numpy.typing import NDArray

from crypto_kedro.errors import DataError
from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.market.bars import FloatArray, IntArray
from crypto_kedro.market.moments import utc_text
from crypto_kedro.trading.orders import PositionSide
from crypto_kedro.trading.rules import RuleSchedule
from crypto_kedro.trading.settings import TradingSettings
from crypto_kedro.trading.signal import SignalFacts, side_cost_columns, signal_columns

RowArray = NDArray[np.int32]

_NO_BAR = 1 << 62


class DecisionRows:
    """Columns of m decision bars; a row that does not exist is m.

    Args:
        feed: the execution bars; every decision falls on the close of one of them.
        facts: float64 columns of shape (m,), ascending in time; ``age_ms`` is zero.
        kelly: leverage of full Kelly, for all rows or one value for each.
        schedule: the market's rules by date.
        settings: as for `decide`.

    Attributes:
        bar: of each row, the execution bar at whose close it is decided; a bar beyond all for row m.
        first_of_bar: of each execution bar, the first row decided at its close or later.
        next_passed: of each row, the first from it on at which all gates on the bar pass.
        next_against: for each side and row, the first from it on that passes for the other side.
        kelly: leverage of full Kelly at each row.
        close_ms: int64, shape (m,): moment of each row, Unix milliseconds UTC.
        first_failed: int8, shape (m,): see `SignalColumns`.

    Raises:
        DataError: a row does not fall on the close of an execution bar, the rows do not ascend, a decision is not at
            the close of its bar, a probability is none, or a column's length is wrong.
    """

    __slots__ = (
        "_facts",
        "_first_open_ms",
        "_interval_ms",
        "_models",
        "bar",
        "close_ms",
        "first_failed",
        "first_of_bar",
        "kelly",
        "next_against",
        "next_passed",
    )

    def __init__(
        self,
        feed: BarFeed,
        facts: SignalFacts[FloatArray],
        kelly: float | FloatArray,
        schedule: RuleSchedule,
        settings: TradingSettings,
    ) -> None:
        self._first_open_ms, self._interval_ms = int(feed.bars.open_time[0]), feed.interval_ms
        self.close_ms: IntArray = _moments(facts)
        bar = _bars_of(self.close_ms, feed)
        *numbers, models = facts
        # Views give plain numbers, row by row, in half the time of arrays.
        self._facts = [column.data for column in numbers]
        self._models = [(short.data, flat.data, long.data) for short, flat, long in models]
        self.kelly = np.broadcast_to(np.asarray(kelly, dtype=np.float64), self.close_ms.shape).data
        self.bar = np.append(bar, _NO_BAR).data
        self.first_of_bar = _rows_before(bar, len(feed)).data
        signal = signal_columns(facts, side_cost_columns(schedule, self.close_ms), settings)
        self.first_failed: NDArray[np.int8] = signal.first_failed
        passed = signal.passed
        self.next_passed = _next_true(passed).data
        self.next_against = {
            PositionSide.LONG: _next_true(passed & (signal.direction < 0)).data,
            PositionSide.SHORT: _next_true(passed & (signal.direction > 0)).data,
        }

    def __len__(self) -> int:
        return int(self.close_ms.size)

    def facts(self, row: int) -> SignalFacts[float]:
        """Return the facts of one row as plain floats."""
        models = tuple([(short[row], flat[row], long[row]) for short, flat, long in self._models])
        return SignalFacts._make([*[column[row] for column in self._facts], models])

    def first_at(self, moment_ms: int) -> int:
        """Return the first row decided at or after a moment, Unix milliseconds UTC."""
        bars_closed = -((self._first_open_ms - moment_ms) // self._interval_ms)
        return self.first_of_bar[min(max(bars_closed - 1, 0), len(self.first_of_bar) - 1)]


def _moments(facts: SignalFacts[FloatArray]) -> IntArray:
    shape = facts.bar_close_ms.shape
    *numbers, models = facts
    columns = [*numbers, *(column for model in models for column in model)]
    if any(column.shape != shape or column.dtype != np.float64 for column in columns):
        raise DataError("backtest: the facts must be float64 columns of one length; build them from the same rows")
    if np.any(facts.age_ms != 0):
        raise DataError("backtest: age_ms must be 0, decisions fall on the close; give delay as latency_ms instead")
    for probability in (facts.short, facts.flat, facts.long):
        if np.any((probability < 0) | (probability > 1)):
            raise DataError("backtest: a probability lies outside 0 to 1; verify the model's predictions")
    moments: IntArray = facts.bar_close_ms.astype(np.int64)
    if np.any(np.diff(moments) <= 0):
        raise DataError("backtest: the decision bars must ascend in time without repeats; sort them")
    return moments


def _bars_of(close_ms: IntArray, feed: BarFeed) -> IntArray:
    if not len(feed):
        raise DataError("backtest: there are no execution bars; give at least one")
    since_open = close_ms - int(feed.bars.open_time[0])
    bar: IntArray = since_open // feed.interval_ms - 1
    wrong = (since_open % feed.interval_ms != 0) | (bar < 0) | (bar >= len(feed))
    if np.any(wrong):
        moment = utc_text(int(close_ms[np.flatnonzero(wrong)[0]]))
        raise DataError(f"backtest: no execution bar closes at {moment}, where a decision falls; extend the bars")
    return bar


def _rows_before(bar: IntArray, bars: int) -> RowArray:
    """Return for each execution bar, and the one after the last, how many rows are decided before its close."""
    before = np.zeros(bars + 1, dtype=np.int32)
    np.cumsum(np.bincount(bar, minlength=bars), out=before[1:])
    return before


def _next_true(marks: NDArray[np.bool_]) -> RowArray:
    """Return for each row, and the one after the last, the first marked row from it on; m when there is none."""
    rows = np.full(marks.size + 1, marks.size, dtype=np.int32)
    at = np.flatnonzero(marks)
    rows[at] = at
    following: RowArray = np.minimum.accumulate(rows[::-1])[::-1]
    return following
