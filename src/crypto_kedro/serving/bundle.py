"""Loading a model bundle: every file is verified and its trees are tried elsewhere before this process reads one.

A bundle is a directory of one treelite checkpoint a model and ``bundle.json``, which describes them.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import treelite

from crypto_kedro.errors import BundleError, FeatureError
from crypto_kedro.market.bars import FloatArray
from crypto_kedro.serving.probability import CLASS_NAMES, Calibration, served_features, soft_vote
from crypto_kedro.serving.trial import try_bundle

FORMAT_VERSION = 1
DESCRIPTION_FILE = "bundle.json"


@dataclass(frozen=True, slots=True, eq=False)
class BundledModel:
    """One member of the ensemble, ready to predict.

    Args:
        name: of the member.
        weight: of its vote.
        trees: what it predicts with.
        expected: its predictions for the `probe` at the export, shape (32, 3); None in a bundle without them.
    """

    name: str
    weight: float
    trees: treelite.Model
    expected: FloatArray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ModelBundle:
    """A verified ensemble with all that is needed to trace and to use it.

    Args:
        path: directory it was read from.
        digest: sha256 over the description, which holds the sha256 of every file; names the bundle.
        feature_set: name of the feature set.
        feature_set_hash: version of the feature set that the models were trained on.
        feature_names: names of the columns that `predict_proba` takes, in order.
        models: the members.
        calibration: map from the vote to probabilities.
        confidence_threshold: probability from which a side may be traded.
        data_source: kind of the source of the training data: ``synthetic``, ``file`` or ``bitbank``.
        training_window: ISO 8601 moments (UTC) ``from`` and ``to`` of the training rows.
        provenance: where the model came from: JSON values given at export.
    """

    path: Path
    digest: str
    feature_set: str
    feature_set_hash: str
    feature_names: tuple[str, ...]
    models: tuple[BundledModel, ...]
    calibration: Calibration
    confidence_threshold: float
    data_source: str
    training_window: Mapping[str, str]
    provenance: Mapping[str, Any]

    def predict_proba(self, features: FloatArray) -> FloatArray:
        """Return calibrated probabilities of short, flat and long, shape (n, 3).

        Args:
            features: shape (n, number of features), columns in the order of ``feature_names``.

        Raises:
            FeatureError: another number of columns, or a value that is not finite.
        """
        votes = self.predict_by_model(features)
        return self.calibration.apply(soft_vote(list(votes.values()), [model.weight for model in self.models]))

    def predict_by_model(self, features: FloatArray) -> dict[str, FloatArray]:
        """Return each model's own probabilities, shape (n, 3), before voting and calibration.

        Raises:
            FeatureError: another number of columns, or a value that is not finite.
        """
        values = self._checked(features)
        return {
            model.name: treelite.gtil.predict(model.trees, values, nthread=1).reshape(-1, len(CLASS_NAMES))
            for model in self.models
        }

    def _checked(self, features: FloatArray) -> FloatArray:
        expected = len(self.feature_names)
        if features.ndim != 2 or features.shape[1] != expected:
            raise FeatureError(f"bundle {self.path}: got features of shape {features.shape}, expected (n, {expected})")
        if not np.all(np.isfinite(features)):
            row, column = (int(at[0]) for at in np.nonzero(~np.isfinite(features)))
            raise FeatureError(f"bundle {self.path}: feature {self.feature_names[column]} is not finite in row {row}")
        return served_features(features)


def description_digest(description: Mapping[str, Any]) -> str:
    """Return the sha256 over the description without its own ``digest``, in canonical JSON."""
    content = {key: value for key, value in description.items() if key != "digest"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def load_bundle(path: Path | str, feature_set_hash: str | None = None, tried_digest: str | None = None) -> ModelBundle:
    """Read and verify a bundle; the first time in this process a child process tries its trees.

    Args:
        path: directory of the bundle.
        feature_set_hash: version of the features that will be served; None accepts the bundle's own.
        tried_digest: digest of a bundle that has been tried on this machine; that one is not tried again.

    Raises:
        BundleError: a file is missing, altered or unreadable, the format is unknown, its trees do not work, or the
            bundle was made for other features.
    """
    directory = Path(path)
    with _one_sentence(directory):
        parts = _parts(directory)
        digest = parts.bundle.digest
        if digest not in {tried_digest, *_tried}:
            try_bundle(directory, digest)
            _tried.add(digest)
        bundle = parts.assembled()
    if feature_set_hash is not None and feature_set_hash != bundle.feature_set_hash:
        raise BundleError(
            f"bundle {directory}: it was made for features {bundle.feature_set_hash[:12]} ({bundle.feature_set}), the "
            f"catalogue in use is {feature_set_hash[:12]}; train again or restore that catalogue"
        )
    return bundle


def load_untried(path: Path) -> ModelBundle:
    """Read and verify a bundle without trying it first; a damaged checkpoint may crash this process.

    Raises:
        BundleError: see `load_bundle`.
    """
    with _one_sentence(path):
        return _parts(path).assembled()


_tried: set[str] = set()
"""Digests of the bundles that have been tried for this process."""


@contextmanager
def _one_sentence(directory: Path) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(
            f"bundle {directory}: {DESCRIPTION_FILE} is incomplete ({type(error).__name__}: {error}); "
            "export the model again"
        ) from error


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BundleError(
            f"bundle {file.parent}: cannot read {file.name} ({error.strerror}); export or fetch the model again"
        ) from error


def _description(directory: Path) -> dict[str, Any]:
    content = _read(directory / DESCRIPTION_FILE)
    try:
        description = json.loads(content)
        version = description["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(
            f"bundle {directory}: {DESCRIPTION_FILE} is not a description of a bundle; export the model again"
        ) from error
    if version != FORMAT_VERSION:
        raise BundleError(
            f"bundle {directory}: its format is {version!r} and this version reads {FORMAT_VERSION}; "
            "export the model again"
        )
    if description.get("digest") != description_digest(description):
        raise BundleError(
            f"bundle {directory}: {DESCRIPTION_FILE} was altered after the export; export the model again"
        )
    return cast("dict[str, Any]", description)


class _Checkpoint(NamedTuple):
    """The verified file of one member."""

    name: str
    file: str
    weight: float
    expected: FloatArray | None
    content: bytes


class _Parts(NamedTuple):
    """A bundle whose trees have not been read."""

    bundle: ModelBundle
    checkpoints: tuple[_Checkpoint, ...]

    def assembled(self) -> ModelBundle:
        """Read the trees."""
        models = tuple(_model(self.bundle, checkpoint) for checkpoint in self.checkpoints)
        return replace(self.bundle, models=models)


def _parts(directory: Path) -> _Parts:
    description = _description(directory)
    features = description["features"]
    names = tuple(features["names"])
    if tuple(description["classes"]) != CLASS_NAMES:
        raise ValueError(f"classes {description['classes']}")
    threshold = float(description["confidence_threshold"])
    if not (math.isfinite(threshold) and names and description["models"]):
        raise ValueError("no features, no models or no confidence threshold")
    bundle = ModelBundle(
        path=directory,
        digest=description["digest"],
        feature_set=features["set"],
        feature_set_hash=features["hash"],
        feature_names=names,
        models=(),
        calibration=Calibration.from_dict(description["calibration"]),
        confidence_threshold=threshold,
        data_source=description["data_source"],
        training_window=description["training_window"],
        provenance=description["provenance"],
    )
    return _Parts(bundle, tuple(_checkpoint(directory, entry) for entry in description["models"]))


def _checkpoint(directory: Path, entry: Mapping[str, Any]) -> _Checkpoint:
    file = directory / entry["file"]
    expected = entry.get("expected")
    checkpoint = _Checkpoint(
        name=entry["name"],
        file=file.name,
        weight=float(entry["weight"]),
        expected=None if expected is None else np.asarray(expected, dtype=np.float64),
        content=_read(file),
    )
    if hashlib.sha256(checkpoint.content).hexdigest() != entry["sha256"]:
        raise BundleError(f"bundle {directory}: {file.name} was altered after the export; export the model again")
    return checkpoint


def _model(bundle: ModelBundle, checkpoint: _Checkpoint) -> BundledModel:
    try:
        trees = treelite.Model.deserialize_bytes(checkpoint.content)
    except treelite.TreeliteError as error:
        raise BundleError(
            f"bundle {bundle.path}: {checkpoint.file} is not a treelite checkpoint; export the model again"
        ) from error
    features = len(bundle.feature_names)
    if trees.num_feature != features:
        raise ValueError(f"{checkpoint.name} takes {trees.num_feature} features, the description names {features}")
    return BundledModel(checkpoint.name, checkpoint.weight, trees, checkpoint.expected)
