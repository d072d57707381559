"""A person overrules the gates, for paper trading only, and the lineage says who, when, why and against which gates."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from crypto_kedro.errors import LineageError
from crypto_kedro.tracking.registry import OPENINGS_TAG, SYNTHETIC, registered_bundle
from crypto_kedro.tracking.tags import GATE_TAG, VERDICT_TAG

PAPER_CHAMPION = "paper-champion"


@dataclass(frozen=True, slots=True)
class Overruling:
    """What a person decides against the gates.

    Args:
        version: of the registered model.
        reason: in the person's own words.
        person: who decides.
        at: when, UTC.
        demonstration: whether a model of the synthetic market may be taken.
    """

    version: str
    reason: str
    person: str
    at: datetime
    demonstration: bool


@dataclass(frozen=True, slots=True)
class VersionStanding:
    """Where a registered version stands.

    Args:
        version: its number.
        aliases: that point to it.
        data_source: of the candles it was trained on.
        verdict: of its last evaluation in a sentence, None if it has not been evaluated.
        failed: gates that it failed there.
        openings: evaluations in its final window.
        overruled: who overruled the gates for paper and why, None if nobody did.
    """

    version: str
    aliases: tuple[str, ...]
    data_source: str
    verdict: str | None
    failed: tuple[str, ...]
    openings: int
    overruled: str | None


def overrule(registered_model: str, overruling: Overruling) -> VersionStanding:
    """Give a version the alias ``paper-champion`` and tag it with the decision; ``champion`` never moves.

    Raises:
        LineageError: the reason is empty, or the version is unknown, not evaluated yet or of the synthetic market.
        BundleError: its bundle does not load and predict.
    """
    reason, version = overruling.reason.strip(), overruling.version
    if not reason:
        raise LineageError("promote: the reason is empty; say with --reason why the gates are overruled")
    client = MlflowClient()
    tags = _version(client, registered_model, version).tags
    if VERDICT_TAG not in tags:
        raise LineageError(
            f"promote: {registered_model} version {version} has no verdict to overrule; "
            "run `kedro run --pipelines evaluation` on it first"
        )
    if tags["data_source"] == SYNTHETIC and not overruling.demonstration:
        raise LineageError(
            f"promote: {registered_model} version {version} was trained on synthetic candles, which are no evidence; "
            "train on real candles, or demonstrate with --env demo"
        )
    registered_bundle(registered_model, version)
    decision = {
        "overruled_for": "paper",
        "overruled_by": overruling.person,
        "overruled_at": overruling.at.isoformat(timespec="seconds"),
        "overruled_reason": reason,
        "overruled_gates": ", ".join(_failed(tags)) or "none",
    }
    for key, value in decision.items():
        client.set_model_version_tag(registered_model, version, key, value)
    client.set_registered_model_alias(registered_model, PAPER_CHAMPION, version)
    return _standing(_version(client, registered_model, version), _aliases(client, registered_model))


def standings(registered_model: str) -> list[VersionStanding]:
    """Return where every version stands, the newest first; none if nothing was registered."""
    client = MlflowClient()
    versions = client.search_model_versions(f"name = '{registered_model}'")
    if not versions:
        return []
    aliases = _aliases(client, registered_model)
    return [_standing(version, aliases) for version in sorted(versions, key=lambda one: -int(one.version))]


def _version(client: MlflowClient, registered_model: str, version: str) -> ModelVersion:
    try:
        return client.get_model_version(registered_model, version)
    except MlflowException:
        known = [standing.version for standing in standings(registered_model)]
        remedy = f"choose one of {', '.join(known)}" if known else "nothing is registered yet, run `kedro run` first"
        raise LineageError(f"promote: {registered_model} has no version {version}; {remedy}") from None


def _aliases(client: MlflowClient, registered_model: str) -> dict[str, str]:
    return {alias: str(at) for alias, at in client.get_registered_model(registered_model).aliases.items()}


def _standing(version: ModelVersion, aliases: Mapping[str, str]) -> VersionStanding:
    tags = version.tags
    overruled = f"{tags['overruled_by']}: {tags['overruled_reason']}" if "overruled_by" in tags else None
    return VersionStanding(
        version=str(version.version),
        aliases=tuple(sorted(alias for alias, at in aliases.items() if at == str(version.version))),
        data_source=tags.get("data_source", "unknown"),
        verdict=tags.get(VERDICT_TAG),
        failed=_failed(tags),
        openings=int(tags.get(OPENINGS_TAG, 0)),
        overruled=overruled,
    )


def _failed(tags: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(
        sorted(
            tag.removeprefix(GATE_TAG)
            for tag, verdict in tags.items()
            if tag.startswith(GATE_TAG) and verdict == "fail"
        )
    )
