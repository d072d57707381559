"""Exporting an ensemble as a bundle: treelite checkpoints and one JSON, the same bytes for the same ensemble."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crypto_kedro.learning.ensemble import ProductionEnsemble
from crypto_kedro.serving.bundle import DESCRIPTION_FILE, FORMAT_VERSION, description_digest
from crypto_kedro.serving.probability import CLASS_NAMES
from crypto_kedro.serving.trial import expected_of


@dataclass(frozen=True, slots=True, eq=False)
class BundleContent:
    """What a bundle is made of.

    Args:
        ensemble: a fitted ensemble.
        confidence_threshold: probability from which a side may be traded.
        data_source: kind of the source of the training data: ``synthetic``, ``file`` or ``bitbank``.
        trained_from, trained_to: ISO 8601 moments (UTC) of the training window.
        provenance: where the model came from, as JSON values; leave out what differs between equal runs.
    """

    ensemble: ProductionEnsemble
    confidence_threshold: float
    data_source: str
    trained_from: str
    trained_to: str
    provenance: Mapping[str, Any]


def write_bundle(path: Path | str, content: BundleContent) -> str:
    """Write a bundle beside its place, then put it there; a bundle that stood there stays whole until then.

    Args:
        path: directory of the bundle; replaced if it exists.
        content: what to write.

    Returns:
        The digest that names the bundle.

    Raises:
        LearningError: the ensemble has not been fitted.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        digest = _write_files(partial, content)
        partial.chmod(0o755)
        _put_in_place(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return digest


def _write_files(directory: Path, content: BundleContent) -> str:
    ensemble = content.ensemble
    feature_set = ensemble.feature_manager.feature_set
    models = []
    for name, weight in ensemble.rule.weights.items():
        trees = ensemble.models[name].to_treelite()
        checkpoint = trees.serialize_bytes()
        file = f"{name}.treelite"
        (directory / file).write_bytes(checkpoint)
        digest = hashlib.sha256(checkpoint).hexdigest()
        expected = expected_of(trees, len(feature_set.names))
        models.append({"name": name, "weight": weight, "file": file, "sha256": digest, "expected": expected})
    description: dict[str, Any] = {
        "format": FORMAT_VERSION,
        "classes": list(CLASS_NAMES),
        "features": {"set": feature_set.name, "hash": feature_set.hash, "names": list(feature_set.names)},
        "models": models,
        "calibration": ensemble.calibration.as_dict(),
        "confidence_threshold": content.confidence_threshold,
        "data_source": content.data_source,
        "training_window": {"from": content.trained_from, "to": content.trained_to},
        "provenance": dict(content.provenance),
    }
    description["digest"] = description_digest(description)
    text = json.dumps(description, indent=2, sort_keys=True, allow_nan=False) + "\n"
    (directory / DESCRIPTION_FILE).write_text(text, encoding="utf-8")
    return str(description["digest"])


def _put_in_place(partial: Path, target: Path) -> None:
    """Rename the new directory to its place; an old one is moved aside first, since it cannot be overwritten."""
    if not target.exists():
        partial.rename(target)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent)) / target.name
    target.rename(aside)
    try:
        partial.rename(target)
    except OSError:
        aside.rename(target)
        raise
    finally:
        shutil.rmtree(aside.parent, ignore_errors=True)
