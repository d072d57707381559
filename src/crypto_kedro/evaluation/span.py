"""The stretch of history that an evaluation trades: execution bars, and what the model said at each decision bar."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crypto_kedro.errors import LearningError
from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.market.bars import MINUTE_MS, Bars, IntArray
from crypto_kedro.market.frame import bars_from_frame, open_times
from crypto_kedro.market.resample import DECISION_MS
from crypto_kedro.serving.probability import CLASS_NAMES
from crypto_kedro.session.facts import ModelWord

_NO_SIGNAL = ""


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """History from the first bar of the first test window to the last decision bar there is.

    Args:
        feed: execution bars of one minute, from the open of the first decision bar to the close of the last.
        decision_bars: all decision bars up to the end, those before the span included.
        word: what the model said at the m decision bars of the span.
        window: name of the test window of each of them, shape (m,).
    """

    feed: BarFeed
    decision_bars: Bars
    word: ModelWord
    window: NDArray[np.object_]

    @property
    def opened_ms(self) -> IntArray:
        """Open time of each decision bar of the span, Unix milliseconds UTC, shape (m,)."""
        return self.decision_bars.open_time[len(self.decision_bars) - self.window.size :]

    @property
    def window_starts(self) -> dict[str, int]:
        """When each window began, Unix milliseconds UTC, by its name in time order."""
        names, first = np.unique(self.window.astype(str), return_index=True)
        order = np.argsort(first)
        return {str(names[at]): int(self.opened_ms[first[at]]) for at in order}

    def rows_at(self, opened_ms: IntArray) -> IntArray:
        """Return the row of the decision bar that opened at, or was open at, each moment (Unix milliseconds UTC)."""
        rows: IntArray = (opened_ms - int(self.opened_ms[0])) // DECISION_MS
        return rows


def build_span(bars_1m: pd.DataFrame, bars_15m: pd.DataFrame, signals: pd.DataFrame) -> Span:
    """Lay the model's word over the bars.

    Args:
        bars_1m: execution bars.
        bars_15m: decision bars.
        signals: ``timestamp`` (open of a decision bar), ``window``, ``p_short``, ``p_flat``, ``p_long`` and the same
            with each model's name, as the training leaves them.

    Raises:
        LearningError: there is no signal, they repeat or are out of order, or the bars do not hold them all.
    """
    decision = bars_from_frame(bars_15m, DECISION_MS)
    at = open_times(signals)
    if at.size == 0 or np.any(np.diff(at) <= 0):
        raise LearningError("signals: there are none, or they repeat or are out of order; run training again")
    first = int(np.searchsorted(decision.open_time, at[0]))
    rows = (at - at[0]) // DECISION_MS
    size = len(decision) - first
    if first == len(decision) or decision.open_time[first] != at[0] or rows[-1] >= size or np.any(at % DECISION_MS):
        raise LearningError(
            "signals: the decision bars do not hold all of them; run `kedro run` from the data pipeline on"
        )
    window = np.full(size, _NO_SIGNAL, dtype=object)
    window[rows] = signals["window"].to_numpy(dtype=object)
    return Span(
        feed=BarFeed(_execution_bars(bars_1m, int(at[0]), int(decision.close_time[-1]))),
        decision_bars=decision,
        word=ModelWord(
            _laid_out(signals, "p", rows, size),
            tuple(_laid_out(signals, name, rows, size) for name in model_names(signals)),
        ),
        # A bar without features belongs to the window that has begun before it.
        window=pd.Series(window).replace(_NO_SIGNAL, None).ffill().to_numpy(dtype=object),
    )


def model_names(signals: pd.DataFrame) -> list[str]:
    """Return the names of the single models whose probabilities the signals hold, in order."""
    suffix = f"_{CLASS_NAMES[0]}"
    return [column.removesuffix(suffix) for column in signals.columns if column.endswith(suffix) and column[:2] != "p_"]


def _laid_out(signals: pd.DataFrame, prefix: str, rows: IntArray, size: int) -> NDArray[np.float64]:
    probabilities = np.full((size, len(CLASS_NAMES)), np.nan)
    probabilities[rows] = signals[[f"{prefix}_{name}" for name in CLASS_NAMES]].to_numpy(dtype=np.float64)
    return probabilities


def _execution_bars(bars_1m: pd.DataFrame, from_ms: int, to_ms: int) -> Bars:
    minutes = bars_from_frame(bars_1m, MINUTE_MS)
    first, stop = np.searchsorted(minutes.open_time, [from_ms, to_ms])
    if stop - first != (to_ms - from_ms) // MINUTE_MS:
        raise LearningError(
            "signals: the bars of one minute do not cover the decision bars; run `kedro run` from the data pipeline on"
        )
    return minutes[int(first) : int(stop)]
