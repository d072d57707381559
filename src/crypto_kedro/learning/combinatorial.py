"""Combinatorial purged cross-validation: not one backtest of a recipe but several, over the same days."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd

from crypto_kedro.errors import ConfigurationError, LearningError
from crypto_kedro.learning.labels import milliseconds
from crypto_kedro.market.bars import DAY_MS, HOUR_MS, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class CombinatorialFold:
    """One choice of test groups and the training rows that know nothing of them.

    Args:
        name: such as ``groups-1-4``.
        groups: the test groups, counted from 0, in time order.
        train: shape (k,), row numbers of the training part; it lies on both sides of the test.
        test: shape (m,), row numbers of the test groups, in time order.
        purged: rows outside the test groups that are left out of the training.
    """

    name: str
    groups: tuple[int, ...]
    train: IntArray
    test: IntArray
    purged: int


@dataclass(frozen=True, slots=True)
class CombinatorialPurged:
    """Groups of whole UTC days, of which every choice of so many is tested on a training by all others.

    A training row before a test group is purged if its label ends later than the first row of the group minus the
    embargo, one after it if it begins earlier than the last label of the group ends plus the embargo. Training lies
    partly after the test, so this judges a recipe and is no record of what could have been traded.

    Args:
        n_groups: groups of days.
        n_test_groups: groups that are tested at a time.
        embargo_hours: distance between the lives of training labels and those of the test.

    Raises:
        ConfigurationError: a value is out of range.

    Source: Lopez de Prado, Advances in Financial Machine Learning (2018), section 12.4.

    >>> rule = CombinatorialPurged(n_groups=6, n_test_groups=2)
    >>> rule.n_folds, rule.n_paths
    (15, 5)
    """

    n_groups: int = 6
    n_test_groups: int = 2
    embargo_hours: int = 24

    def __post_init__(self) -> None:
        if not 1 <= self.n_test_groups < self.n_groups:
            raise ConfigurationError(
                f"combinatorial.n_test_groups is {self.n_test_groups}; it must lie between 1 and "
                f"combinatorial.n_groups ({self.n_groups}) less 1"
            )
        if self.embargo_hours < 0:
            raise ConfigurationError(f"combinatorial.embargo_hours is {self.embargo_hours}; it must be 0 or more")

    @property
    def n_folds(self) -> int:
        """Trainings: choices of the test groups."""
        return comb(self.n_groups, self.n_test_groups)

    @property
    def n_paths(self) -> int:
        """Backtests over all groups that the folds make up: how many folds test each group."""
        return comb(self.n_groups - 1, self.n_test_groups - 1)

    def split(self, frame: pd.DataFrame) -> Iterator[CombinatorialFold]:
        """Yield the folds, test groups in lexicographic order.

        Args:
            frame: columns ``timestamp`` (the signal bar's open) and ``label_end``, ``datetime64[ms, UTC]``, oldest
                first; row numbers refer to it. Leave the final window out of it.

        Raises:
            LearningError: the frame is empty, out of order or too short, or a group or a training holds no row.
        """
        begun, ended = milliseconds(frame["timestamp"]), milliseconds(frame["label_end"])
        if begun.size == 0 or np.any(np.diff(begun) <= 0):
            raise LearningError("groups: the labelled rows are none or not in time order; run the data pipeline again")
        group = self._group_of_rows(begun)
        for groups in combinations(range(self.n_groups), self.n_test_groups):
            yield self._fold(groups, group, begun, ended)

    def _group_of_rows(self, begun: IntArray) -> IntArray:
        """Return each row's group, shape (n,): its days cut into groups that differ by one day at most."""
        day = begun // DAY_MS - begun[0] // DAY_MS
        days = int(day[-1]) + 1
        firsts = np.arange(self.n_groups) * days // self.n_groups
        group: IntArray = np.searchsorted(firsts, day, side="right") - 1
        empty = np.setdiff1d(np.arange(self.n_groups), group)
        if empty.size:
            raise LearningError(
                f"groups: group {empty[0]} of {self.n_groups} over {days} days holds no labelled bar; "
                "take more data or lower combinatorial.n_groups"
            )
        return group

    def _fold(self, groups: tuple[int, ...], group: IntArray, begun: IntArray, ended: IntArray) -> CombinatorialFold:
        tested = np.isin(group, groups)
        known = ~tested
        embargo = self.embargo_hours * HOUR_MS
        for number in groups:
            rows = np.flatnonzero(group == number)
            known &= (ended <= begun[rows[0]] - embargo) | (begun >= ended[rows].max() + embargo)
        name = "-".join(["groups", *map(str, groups)])
        if not known.any():
            raise LearningError(
                f"groups: nothing is left to train {name} on; "
                "take more data, or lower combinatorial.n_groups or combinatorial.embargo_hours"
            )
        return CombinatorialFold(
            name=name,
            groups=groups,
            train=np.flatnonzero(known),
            test=np.flatnonzero(tested),
            purged=int(np.sum(~tested & ~known)),
        )


def backtest_paths(folds: Sequence[CombinatorialFold], tested: Sequence[FloatArray]) -> FloatArray:
    """Put the test groups of all folds together to backtests that each cover every row once.

    The first path takes each group from the first fold that tests it, the second from the second, and so on.

    Args:
        folds: all folds of a `CombinatorialPurged`.
        tested: for each fold what was found for its test rows, shape (m, ...), such as probabilities.

    Returns:
        Shape (paths, rows, ...).

    Raises:
        LearningError: a fold or a row is missing.

    Source: Lopez de Prado, Advances in Financial Machine Learning (2018), section 12.4.1.
    """
    for fold, values in zip(folds, tested, strict=True):
        if len(values) != fold.test.size:
            raise LearningError(f"paths: {len(values)} results for the {fold.test.size} test rows of {fold.name}")
    visits = np.bincount(np.concatenate([fold.test for fold in folds]))
    if np.ptp(visits):
        raise LearningError(
            f"paths: some rows are tested {visits.min()} times and others {visits.max()} times; give every fold once"
        )
    paths = np.empty((visits[0], visits.size, *tested[0].shape[1:]))
    filled = np.zeros_like(visits)
    for fold, values in zip(folds, tested, strict=True):
        paths[filled[fold.test], fold.test] = values
        filled[fold.test] += 1
    return paths
