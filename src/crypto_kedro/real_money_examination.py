"""The part of ``kedro doctor`` on what `kedro run --env paper` and `--env live` would trade, and why not."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crypto_kedro.credentials import CredentialStore
from crypto_kedro.errors import LineageError
from crypto_kedro.finding import Finding
from crypto_kedro.parameters import Parameters
from crypto_kedro.parameters.session import SessionParameters
from crypto_kedro.tracking.target import TrackingTarget

if TYPE_CHECKING:
    from crypto_kedro.tracking.traded_model import Shelf, TradedModel


@dataclass(frozen=True, slots=True)
class _EmptyShelf:
    """Of a registry that does not exist yet."""

    registered_model: str

    def first_of(self, aliases: Sequence[str]) -> "TradedModel | None":  # noqa: ARG002  (the protocol prescribes it)
        return None


def examine_real_money(
    project_path: Path, parameters: Parameters, session: SessionParameters, store: CredentialStore
) -> Finding:
    """Tell every reason for which real money would not be traded; nothing is created or changed."""
    from crypto_kedro.real_money import candidacy
    from crypto_kedro.session.arming import refusals
    from crypto_kedro.tracking.judged_settings import own_settings

    shelf = _shelf(project_path, parameters)
    found = refusals(candidacy(project_path, shelf, session, own_settings(parameters), store).question)
    if not found:
        return Finding("real money", "ok", "armed: `kedro run --env live` trades it")
    return Finding("real money", "warn", "\n".join(found), "do what each line says; nothing is traded before")


def examine_paper_model(project_path: Path, parameters: Parameters, session: SessionParameters) -> Finding:
    """Return whether a paper session has a model that was judged under its settings; nothing is created or changed."""
    from crypto_kedro.tracking.judged_settings import accepted_limits, own_settings

    aliases = session.tradable_models
    model = _shelf(project_path, parameters).first_of(aliases)
    if model is None:
        return Finding("paper model", "warn", f"no version is {' or '.join(aliases)}", "run `kedro run`")
    try:
        accepted = accepted_limits(
            model.version, model.tags, own_settings(parameters), accepts_tighter=session.accept_tighter_limits
        )
    except LineageError as error:
        return Finding("paper model", "fail", str(error), "set the settings back, or judge the model under them")
    return Finding("paper model", "ok", f"{model.version}, {'; '.join(accepted) or 'judged under these settings'}")


def _shelf(project_path: Path, parameters: Parameters) -> "Shelf":
    """Return the registered versions; MLflow would make a database that is not there."""
    tracking = parameters.tracking
    target = TrackingTarget(tracking.uri, tracking.artifact_root, tracking.experiment)
    database, uri = target.database(project_path), target.resolved_uri(project_path)
    if database is not None and not database.exists():
        return _EmptyShelf(tracking.registered_model)
    import mlflow

    from crypto_kedro.tracking.traded_model import ModelShelf

    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    return ModelShelf(tracking.registered_model)
