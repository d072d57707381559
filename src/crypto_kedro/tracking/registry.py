"""Registering a trained model and moving the aliases ``challenger`` and ``champion``."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from matplotlib.figure import Figure
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema

from crypto_kedro.errors import BundleError, LineageError
from crypto_kedro.serving.bundle import DESCRIPTION_FILE, ModelBundle, load_bundle
from crypto_kedro.serving.probability import CLASS_NAMES
from crypto_kedro.tracking.judged_settings import settings_tag
from crypto_kedro.tracking.run import feature_tags, flatten
from crypto_kedro.tracking.tags import EVALUATION_RUN_TAG, GATE_TAG, REASON_TAG, VERDICT_TAG

CHALLENGER = "challenger"
CHAMPION = "champion"
OPENED_TAG = "final_window_opened_at"
OPENINGS_TAG = "final_window_openings"
_SERVED_MODEL = Path(__file__).with_name("served_model.py")
SYNTHETIC = "synthetic"
# Besides crypto-kedro itself, which is not on a package index.
_SERVING_LIBRARIES = ("mlflow", "numpy", "pandas", "treelite")
logger = logging.getLogger(__name__)

_LINEAGE_TAGS = ("git_sha", "git_dirty", "data_source", "data_sha256", "feature_set", "feature_set_hash")


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A trained model with what is to be remembered of it.

    Args:
        registered_model: name in the registry.
        bundle: the exported ensemble.
        feature_manifest: lineage of its features, that of the candles inside.
        predictions_sha256: hash of its out-of-sample predictions, by which an evaluation knows that they are its own.
        example: some rows of features, kept with the model as an input that works.
        report: the training report: ``windows``, ``total``, ``importances`` and ``parameters``.
        figures: matplotlib figures by file stem.
        dry_run: log the training, but register nothing.
    """

    registered_model: str
    bundle: ModelBundle
    feature_manifest: Mapping[str, Any]
    predictions_sha256: str
    example: pd.DataFrame
    report: Mapping[str, Any]
    figures: Mapping[str, Figure]
    dry_run: bool


def register(candidate: Candidate) -> dict[str, Any]:
    """Log a candidate into the active run, one child run a model, and register it as ``challenger``.

    Returns:
        JSON-able: ``name``, ``version`` (None if not registered), ``alias``, ``run_id``, ``bundle_digest``,
        ``predictions_sha256``, ``reason``.

    Raises:
        LineageError: no run is active, so the model could not be traced.
        BundleError: the exported bundle does not work, or is another by now.
    """
    run = mlflow.active_run()
    if run is None:
        raise LineageError("registration: no MLflow run is active; train with `kedro run --pipelines training`")
    _log_training(candidate)
    registered: dict[str, Any] = {
        "name": candidate.registered_model,
        "version": None,
        "alias": None,
        "run_id": run.info.run_id,
        "bundle_digest": candidate.bundle.digest,
        "predictions_sha256": candidate.predictions_sha256,
        "reason": "dry run: trained and logged, not registered",
    }
    if candidate.dry_run:
        return registered
    tags = _lineage(run.info.run_id, candidate)
    _require_digest(load_bundle(candidate.bundle.path), candidate.bundle.digest, "the bundle to register")
    model = mlflow.pyfunc.log_model(
        name="model",
        python_model=str(_SERVED_MODEL),
        # MLflow unquotes a plain path: one with a percent sign would be sought elsewhere.
        artifacts={"bundle": candidate.bundle.path.absolute().as_uri()},
        signature=_signature(candidate.bundle.feature_names),
        input_example=candidate.example,
        pip_requirements=[f"{name}=={metadata.version(name)}" for name in _SERVING_LIBRARIES],
        registered_model_name=candidate.registered_model,
    )
    client, version = MlflowClient(), str(model.registered_model_version)
    for key, value in tags.items():
        client.set_model_version_tag(candidate.registered_model, version, key, value)
    client.set_registered_model_alias(candidate.registered_model, CHALLENGER, version)
    return {**registered, "version": version, "alias": CHALLENGER, "reason": "trained"}


def record_verdict(
    registered: Mapping[str, Any],
    gates: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Log an evaluation and its gates; make the version ``champion`` if every gate passed.

    A model of the synthetic market never becomes champion, whatever the gates allow. The version is tagged with the
    verdict of every gate and its reason, and with how often its final window has been opened.

    Args:
        registered: what `register` returned.
        gates: ``passed``, ``failed`` and ``gates`` of the verdict.
        evaluation: all figures of the evaluation.
        settings: that it was judged under, see `settings_of`.

    Returns:
        JSON-able: ``promoted``, ``name``, ``version``, ``failed`` and ``verdict`` (one sentence).

    Raises:
        LineageError: no run is active, or the version's artifacts cannot be read.
        BundleError: the version to promote does not load and predict, or is another than was trained.
    """
    run = mlflow.active_run()
    if run is None:
        raise LineageError("verdict: no MLflow run is active; evaluate with `kedro run --pipelines evaluation`")
    mlflow.log_metrics(dict(_figures("evaluation", evaluation)))
    mlflow.log_dict(dict(gates), "gates.json")
    mlflow.set_tags({f"{GATE_TAG}{gate['name']}": gate["verdict"] for gate in gates["gates"]})
    mlflow.set_tag("evaluates_run_id", registered["run_id"])
    name, version, failed = registered["name"], registered["version"], list(gates["failed"])
    verdict: dict[str, Any] = {"promoted": False, "name": name, "version": version, "failed": failed}
    if version is None:
        return {**verdict, "verdict": f"not promoted: {registered['reason']}"}
    client = MlflowClient()
    synthetic = client.get_model_version(name, version).tags["data_source"] == SYNTHETIC
    verdict |= {"promoted": gates["passed"] and not synthetic, "verdict": _sentence(version, failed, synthetic)}
    if verdict["promoted"]:
        _require_digest(registered_bundle(name, version), registered["bundle_digest"], f"{name} version {version}")
    tags = {EVALUATION_RUN_TAG: run.info.run_id, VERDICT_TAG: verdict["verdict"], **_gate_tags(gates)}
    tags |= settings_tag(settings)
    tags |= _opened(client, name, version)
    if verdict["promoted"]:
        tags |= _promote(client, name, version)
    for key, value in tags.items():
        client.set_model_version_tag(name, version, key, value)
    return verdict


def _sentence(version: str, failed: Sequence[str], synthetic: bool) -> str:
    if failed:
        return f"version {version} stays {CHALLENGER}: failed {', '.join(failed)}"
    if synthetic:
        return f"version {version} stays {CHALLENGER}: every gate passed, on synthetic candles"
    return f"version {version} is {CHAMPION}: every gate passed"


def _gate_tags(gates: Mapping[str, Any]) -> dict[str, str]:
    """Return the verdict of every gate and why those that failed did."""
    reasons = {
        f"{REASON_TAG}{gate['name']}": f"{gate['explanation']} Needed: {gate['threshold']}." for gate in gates["gates"]
    }
    return {**{f"{GATE_TAG}{gate['name']}": gate["verdict"] for gate in gates["gates"]}, **reasons}


def _opened(client: MlflowClient, name: str, version: str) -> dict[str, str]:
    """Count that the final window of a version was looked into; only the first look was at days that nobody knew."""
    tags = client.get_model_version(name, version).tags
    openings = int(tags.get(OPENINGS_TAG, 0)) + 1
    if openings > 1:
        logger.warning(
            "The final window of %s version %s was opened before, first at %s; this is opening %d. It is untouched "
            "only once: judge by the first, or train a new version.", name, version, tags[OPENED_TAG], openings,
        )  # fmt: skip
        return {OPENINGS_TAG: str(openings)}
    return {OPENINGS_TAG: "1", OPENED_TAG: datetime.now(UTC).isoformat(timespec="seconds")}


def _promote(client: MlflowClient, name: str, version: str) -> dict[str, str]:
    """Move the alias and return tags that name the champion before, which stays reachable by its version."""
    before = client.get_registered_model(name).aliases.get(CHAMPION)
    client.set_registered_model_alias(name, CHAMPION, version)
    return {} if before is None or str(before) == version else {"replaces_champion_version": str(before)}


def _log_training(candidate: Candidate) -> None:
    report = candidate.report
    mlflow.set_tags(feature_tags(candidate.feature_manifest))
    mlflow.log_dict(dict(report), "training_report.json")
    for stem, figure in candidate.figures.items():
        mlflow.log_figure(figure, f"figures/{stem}.png")
    _log_scores(report, {name: scores["metrics"] for name, scores in _scored(report)})
    for model, shares in report["importances"].items():
        with mlflow.start_run(run_name=model, nested=True, tags={"model": model}):
            _log_scores(report, {name: scores["models"][model] for name, scores in _scored(report)})
            mlflow.log_dict(dict(shares), "importances.json")


def _scored(report: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the scores of each window by name, then those of all folds together as ``total``."""
    yield from report["windows"].items()
    yield "total", report["total"]


def _log_scores(report: Mapping[str, Any], chosen: Mapping[str, Mapping[str, float]]) -> None:
    """Log the chosen metrics beside the prior's: one step a window, and the totals under names of their own."""
    for step, (window, scores) in enumerate(_scored(report), start=1):
        both = {**chosen[window], **{f"prior.{name}": value for name, value in scores["prior"].items()}}
        if window == "total":
            mlflow.log_metrics({f"total.{name}": value for name, value in both.items()})
        else:
            mlflow.log_metrics(both, step=step)


def _lineage(run_id: str, candidate: Candidate) -> dict[str, str]:
    """Return the tags by which a version leads back to its code, data and features.

    Raises:
        LineageError: one of them is missing.
    """
    tags = MlflowClient().get_run(run_id).data.tags
    missing = [name for name in _LINEAGE_TAGS if not tags.get(name)]
    if missing:
        raise LineageError(
            f"registration: the run has no {', '.join(missing)}; run `kedro run` from the data pipeline on"
        )
    return {
        **{name: tags[name] for name in _LINEAGE_TAGS},
        **settings_tag({"labels": candidate.report["parameters"]["labels"]}),
        "bundle_digest": candidate.bundle.digest,
    }


def _signature(features: tuple[str, ...]) -> ModelSignature:
    return ModelSignature(inputs=_doubles(features), outputs=_doubles(CLASS_NAMES))


def _doubles(names: Sequence[str]) -> Schema:
    return Schema([ColSpec(DataType.double, name) for name in names])


def _figures(prefix: str, evaluation: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the numbers of an evaluation by dotted name; lists and texts stay in the report."""
    for name, value in flatten(evaluation, f"{prefix}."):
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value)


def _require_digest(bundle: ModelBundle, digest: str, named: str) -> None:
    if bundle.digest != digest:
        raise BundleError(
            f"{named} is bundle {bundle.digest[:12]} and was trained as {digest[:12]}; train the model again"
        )


def registered_bundle(name: str, version: str) -> ModelBundle:
    """Return the verified bundle of a registered version.

    Raises:
        LineageError: its artifacts cannot be read.
        BundleError: they are not what was registered.
    """
    try:
        folder = mlflow.artifacts.download_artifacts(f"models:/{name}/{version}")
    except MlflowException as error:
        raise LineageError(
            f"{name} version {version} cannot be read from MLflow ({error}); restore its artifacts or move its alias"
        ) from error
    description = next(Path(folder).rglob(DESCRIPTION_FILE), None)
    if description is None:
        raise LineageError(f"{name} version {version} holds no bundle; restore its artifacts or move its alias")
    return load_bundle(description.parent)
