"""Trying a bundle in a process of its own: a damaged checkpoint can crash or hang whoever reads it.

``python -m crypto_kedro.serving.trial FOLDER`` prints the digest of a bundle that works; otherwise it ends with
`REFUSED` and one sentence.
"""

import contextlib
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import treelite

from crypto_kedro.errors import BundleError
from crypto_kedro.market.bars import FloatArray

if TYPE_CHECKING:
    from crypto_kedro.serving.bundle import BundledModel

REFUSED = 3
"""Exit status after a sentence."""
TIME_LIMIT_S = 30.0
_MEMORY_LIMIT_BYTES = 4 * 2**30
_ROWS = 32
_TOLERANCE = 1e-6
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def try_bundle(path: Path, digest: str, time_limit_s: float | None = None) -> None:
    """Load a bundle in a child process and let it predict; this process survives whatever happens.

    Args:
        path: directory of the bundle.
        digest: of the bundle.
        time_limit_s: seconds after which the child is killed; None takes `TIME_LIMIT_S`.

    Raises:
        BundleError: it does not load, does not predict probabilities, or does so otherwise than at its export.
    """
    limit_s = TIME_LIMIT_S if time_limit_s is None else time_limit_s
    again = "export or fetch the model again"
    try:
        child = subprocess.run(
            [sys.executable, "-m", __name__, os.fspath(path.absolute())],
            check=False, capture_output=True, timeout=limit_s, text=True, encoding="utf-8", errors="replace",
            env=os.environ | _ONE_THREAD,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise BundleError(f"bundle {path}: its trees did not load and predict within {limit_s:g} s; {again}") from error
    except OSError as error:
        raise BundleError(
            f"bundle {path}: no process could be started to try it ({error}); free some memory"
        ) from error
    last = (child.stdout.strip().splitlines() or [""])[-1]
    if child.returncode == REFUSED and last:
        raise BundleError(last)
    if child.returncode != 0 or last != digest:
        raise BundleError(f"bundle {path}: a process that loaded its trees crashed ({child.returncode}); {again}")


def probe(features: int) -> FloatArray:
    """Return rows that a bundle is tried with, the same ones for each number of features; shape (32, features)."""
    rows = np.random.default_rng(20_261_201).standard_normal((_ROWS, features))
    rows[0] = 0.0
    rows[1::4] *= 10.0
    rows[2], rows[3] = -1e6, 1e6
    return rows


def expected_of(trees: treelite.Model, features: int) -> list[list[float]]:
    """Return what a model predicts for the `probe`, as a bundle's description keeps it; shape (32, 3)."""
    votes: npt.NDArray[np.float64] = treelite.gtil.predict(trees, probe(features), nthread=1).reshape(_ROWS, -1)
    return [[round(float(vote), 9) for vote in row] for row in votes]


def defect(model: "BundledModel", features: int) -> str | None:
    """Return what is wrong with a model's trees, None for nothing.

    Every way through every tree ends at a leaf, and only features that exist are compared.
    """
    header = model.trees.get_header_accessor()
    trees = model.trees.num_tree
    names = ("num_class", "num_target", "leaf_vector_shape", "class_id", "target_id", "base_scores")
    number, targets, shape, classes, target, base = (np.asarray(header.get_field(name)) for name in names)
    if trees < 1 or number.tolist() != [3] or targets.tolist() != [1] or base.size != 3:
        return "it is no ensemble of trees for three classes"
    if any(ids.size != trees or ids.min() < -1 or ids.max() > most for ids, most in ((classes, 2), (target, 0))):
        return "its trees vote for classes that do not exist"
    if shape.tolist() not in ([1, 1], [1, 3]):
        return "its leaves vote for classes that do not exist"
    for index in range(trees):
        found = _defect_of_tree(model.trees.get_tree_accessor(index), features, is_vector=shape[1] == 3)
        if found is not None:
            return f"tree {index} {found}"
    return _defect_of_predictions(model, features)


def _defect_of_predictions(model: "BundledModel", features: int) -> str | None:
    votes = treelite.gtil.predict(model.trees, probe(features), nthread=1)
    if votes.size != 3 * _ROWS:
        return "it does not predict three classes"
    if not (np.isfinite(votes).all() and (votes >= -_TOLERANCE).all() and (votes <= 1 + _TOLERANCE).all()):
        return "what it predicts are no probabilities"
    if not np.allclose(votes.reshape(_ROWS, 3).sum(axis=1), 1.0, atol=1e-4):
        return "its probabilities do not add up to 1"
    if model.expected is not None and not (
        np.shape(model.expected) == (_ROWS, 3)
        and np.allclose(votes.reshape(_ROWS, 3), model.expected, rtol=0.0, atol=_TOLERANCE)
    ):
        return "it predicts otherwise than at its export"
    return None


def _defect_of_tree(tree: "treelite.model.TreeAccessor", features: int, *, is_vector: bool) -> str | None:
    names = ("node_type", "cleft", "cright", "split_index", "cmp")
    kind, left, right, feature, comparison = (tree.get_field(name).astype(np.int64) for name in names)
    threshold, value = tree.get_field("threshold"), tree.get_field("leaf_value")
    nodes = kind.size
    if not nodes or any(field.size != nodes for field in (left, right, feature, comparison, threshold, value)):
        return "has no nodes, or some that are incomplete"
    inner, leaf = kind == 1, kind == 0
    if not (inner | leaf).all() or ((left == -1) != leaf).any() or ((right == -1) != leaf).any():
        return "has nodes of an unknown kind"
    children = np.concatenate((left[inner], right[inner]))
    if children.size and (children.min() < 1 or children.max() >= nodes or np.unique(children).size != children.size):
        return "has branches that lead nowhere or in a circle"
    if inner.any() and (feature[inner].min() < 0 or feature[inner].max() >= features):
        return "compares features that do not exist"
    if inner.any() and (comparison[inner].min() < 1 or comparison[inner].max() > 5):
        return "compares in an unknown way"
    if not (np.isfinite(threshold).all() and np.isfinite(value).all()):
        return "holds numbers that are not finite"
    if is_vector:
        begin, end = (tree.get_field(f"leaf_vector_{name}").astype(np.int64) for name in ("begin", "end"))
        vector = tree.get_field("leaf_vector")
        if begin.size != nodes or end.size != nodes or not np.isfinite(vector).all():
            return "has incomplete leaves"
        if (begin[leaf] < 0).any() or (end[leaf] - begin[leaf] != 3).any() or (end[leaf] > vector.size).any():
            return "has incomplete leaves"
    return None


def main(path: Path) -> None:
    """Load a bundle here, and print its digest or why it is refused."""
    from crypto_kedro.serving.bundle import load_untried

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # macOS refuses this limit.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_LIMIT_BYTES, _MEMORY_LIMIT_BYTES))
    try:
        bundle = load_untried(path)
        for model in bundle.models:
            found = defect(model, len(bundle.feature_names))
            if found is not None:
                raise BundleError(f"bundle {path}: model {model.name}: {found}; export or fetch the model again")
    except BundleError as error:
        sys.stdout.write(f"{error}\n")
        raise SystemExit(REFUSED) from error
    sys.stdout.write(f"{bundle.digest}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
