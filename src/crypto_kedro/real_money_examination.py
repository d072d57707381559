"""Would `kedro run --env live` trade, and if not, why? A part of ``kedro doctor``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crypto_kedro.credentials import CredentialStore
from crypto_kedro.finding import Finding
from crypto_kedro.parameters import Parameters
from crypto_kedro.parameters.session import SessionParameters
from crypto_kedro.tracking.target import SQLITE, TrackingTarget

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

    shelf = _shelf(project_path, parameters)
    found = refusals(candidacy(project_path, shelf, session, len(parameters.trading.stages), store).question)
    if not found:
        return Finding("real money", "ok", "armed: `kedro run --env live` trades it")
    return Finding("real money", "warn", "\n".join(found), "do what each line says; nothing is traded before")


def _shelf(project_path: Path, parameters: Parameters) -> "Shelf":
    """Return the registered versions; MLflow would make a database that is not there."""
    tracking = parameters.tracking
    uri = TrackingTarget(tracking.uri, tracking.artifact_root, tracking.experiment).resolved_uri(project_path)
    if uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).exists():
        return _EmptyShelf(tracking.registered_model)
    import mlflow

    from crypto_kedro.tracking.traded_model import ModelShelf

    mlflow.set_tracking_uri(uri)
    return ModelShelf(tracking.registered_model)
