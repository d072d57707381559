"""Purged, embargoed walk-forward windows: every test lies after its training, with nothing of it in the training."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crypto_kedro.errors import ConfigurationError, LearningError
from crypto_kedro.learning.labels import milliseconds
from crypto_kedro.market.bars import DAY_MS, HOUR_MS, IntArray
from crypto_kedro.market.frame import timestamps
from crypto_kedro.market.moments import utc_date

FINAL_WINDOW = "final"


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """One training and one test window; moments are Unix milliseconds UTC, windows half open.

    Args:
        name: ``fold-1``, ``fold-2``, ... or ``final``.
        train: shape (k,), row numbers of the training part.
        test: shape (m,), row numbers of the test part.
        train_from_ms, train_to_ms, test_from_ms, test_to_ms: limits of the windows.
        purged: rows of the training window left out because their labels end too late.
    """

    name: str
    train: IntArray
    test: IntArray
    train_from_ms: int
    train_to_ms: int
    test_from_ms: int
    test_to_ms: int
    purged: int


@dataclass(frozen=True, slots=True)
class WalkForward:
    """Contiguous test windows of whole UTC days, then one final window that nothing else touches.

    A training row is purged if its label ends later than the start of the test minus the embargo.

    Args:
        n_folds: test windows before the final one.
        training_days: longest training window before each test.
        min_training_days: training data that the first test must have before it.
        min_training_share: the same as a share of the whole history; the larger of both, ``training_days`` at most,
            holds. A model that has seen little of a long history says nothing about one that has.
        embargo_hours: distance between the end of the last training label and the start of the test.
        final_days: length of the final window.

    Raises:
        ConfigurationError: a value is out of range, or the minimum exceeds the maximum.

    Source: Lopez de Prado, Advances in Financial Machine Learning (2018), section 7.4.
    """

    n_folds: int = 5
    training_days: int = 365
    min_training_days: int = 60
    min_training_share: float = 0.17
    embargo_hours: int = 24
    final_days: int = 30

    def __post_init__(self) -> None:
        for name in ("n_folds", "training_days", "min_training_days", "final_days"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"training.{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 <= self.min_training_share < 1:
            raise ConfigurationError(
                f"training.min_training_share is {self.min_training_share}; it must be from 0 to below 1"
            )
        if self.min_training_days > self.training_days:
            raise ConfigurationError(
                f"training.min_training_days is {self.min_training_days}, above training.training_days "
                f"({self.training_days}); lower the first or raise the second"
            )
        if not 0 <= self.embargo_hours < 24 * self.min_training_days:
            raise ConfigurationError(
                f"training.embargo_hours is {self.embargo_hours}; it must lie between 0 and the length of "
                f"training.min_training_days ({24 * self.min_training_days} hours)"
            )

    def split(self, frame: pd.DataFrame) -> Iterator[Fold]:
        """Yield the folds in time order, the final window last.

        Args:
            frame: columns ``timestamp`` (the signal bar's open) and ``label_end``, ``datetime64[ms, UTC]``, oldest
                first; row numbers refer to it.

        Raises:
            LearningError: the frame is empty, out of order or too short, or a window holds no row.
        """
        begun = milliseconds(frame["timestamp"])
        ended = milliseconds(frame["label_end"])
        if begun.size == 0 or np.any(np.diff(begun) <= 0):
            raise LearningError("splits: the labelled rows are none or not in time order; run the data pipeline again")
        for name, test_from, test_to in self._windows(int(begun[0]), int(begun[-1])):
            yield self._fold(name, begun, ended, test_from, test_to)

    def _windows(self, first_ms: int, last_ms: int) -> list[tuple[str, int, int]]:
        """Return name, start and end of each test window, counted back from the end of the last day."""
        end = (last_ms // DAY_MS + 1) * DAY_MS
        final_from = end - self.final_days * DAY_MS
        first_training_days = self._first_training_days((end - first_ms) // DAY_MS)
        test_days = ((final_from - first_ms) // DAY_MS - first_training_days) // self.n_folds
        if test_days < 1:
            needed = self.min_training_days + self.n_folds + self.final_days
            raise LearningError(
                f"splits: {self.n_folds} folds need at least {needed} days of labelled bars "
                f"({self.min_training_days} of training, 1 a fold, {self.final_days} of final window) "
                f"and there are {(end - first_ms) / DAY_MS:.1f}; "
                "take more data, or lower training.n_folds, training.min_training_days or training.final_days"
            )
        length = test_days * DAY_MS
        starts = [final_from - (self.n_folds - fold) * length for fold in range(self.n_folds)]
        folds = [(f"fold-{number}", start, start + length) for number, start in enumerate(starts, start=1)]
        return [*folds, (FINAL_WINDOW, final_from, end)]

    def _first_training_days(self, days: int) -> int:
        share = int(days * self.min_training_share)
        return max(self.min_training_days, min(share, self.training_days))

    def _fold(self, name: str, begun: IntArray, ended: IntArray, test_from: int, test_to: int) -> Fold:
        train_from = test_from - self.training_days * DAY_MS
        train_to = test_from - self.embargo_hours * HOUR_MS
        before = (begun >= train_from) & (begun < test_from)
        known = before & (ended <= train_to)
        train, test = np.flatnonzero(known), np.flatnonzero((begun >= test_from) & (begun < test_to))
        if train.size == 0 or test.size == 0:
            part = "training" if train.size == 0 else "test"
            raise LearningError(
                f"splits: the {part} window of {name} around {utc_date(test_from)} holds no "
                "labelled bar; look for long halts in the data-quality report or choose fewer folds"
            )
        return Fold(
            name=name,
            train=train,
            test=test,
            train_from_ms=max(train_from, int(begun[0])),
            train_to_ms=train_to,
            test_from_ms=test_from,
            test_to_ms=test_to,
            purged=int(np.sum(before & ~known)),
        )


def fold_table(folds: Sequence[Fold]) -> pd.DataFrame:
    """Return the folds as people read them: one row a window with its limits (UTC) and its numbers of rows."""
    return pd.DataFrame(
        {
            "window": [fold.name for fold in folds],
            "train_from": timestamps(np.array([fold.train_from_ms for fold in folds])),
            "train_to": timestamps(np.array([fold.train_to_ms for fold in folds])),
            "test_from": timestamps(np.array([fold.test_from_ms for fold in folds])),
            "test_to": timestamps(np.array([fold.test_to_ms for fold in folds])),
            "train_rows": [fold.train.size for fold in folds],
            "test_rows": [fold.test.size for fold in folds],
            "purged_rows": [fold.purged for fold in folds],
        }
    )
