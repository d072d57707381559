"""What is known before a session with real money begins, gathered so that every reason against it shows at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crypto_kedro.credentials import CredentialStore
from crypto_kedro.errors import CryptoKedroError, LineageError
from crypto_kedro.session.arming import ArmingQuestion, ModelStanding, Unreadable
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.journal import Journal
from crypto_kedro.session.paper_evidence import PaperEvidence, Traded
from crypto_kedro.tracking.judged_settings import accepted_limits, trading_settings

if TYPE_CHECKING:
    from crypto_kedro.parameters.session import SessionParameters
    from crypto_kedro.tracking.traded_model import Shelf, TradedModel


@dataclass(frozen=True, slots=True)
class Candidacy:
    """The question whether real money may be traded, and the model that it is about, None without one."""

    question: ArmingQuestion
    model: "TradedModel | None"


def candidacy(
    project_path: Path,
    shelf: "Shelf",
    session: "SessionParameters",
    settings: Mapping[str, Any],
    credentials: CredentialStore,
) -> Candidacy:
    """Gather what is known; what cannot be read becomes a reason, not an error.

    Args:
        project_path: root of the project.
        shelf: the registered versions.
        session: the group ``session``.
        settings: that would be traded by, see `crypto_kedro.tracking.judged_settings.settings_of`.
        credentials: of which the API key is looked for.
    """
    model, addresses = _model(shelf, session), _addresses(session)
    paper = None if addresses else SessionFolder.of(project_path, _paper_folder_name(session))
    question = ArmingQuestion(
        is_armed=session.armed,
        has_credentials=_has_key(credentials),
        addresses=addresses,
        aliases=session.models,
        model=model if model is None or isinstance(model, Unreadable) else _standing(model, paper, session, settings),
        funding_stage=session.funding_stage,
        rule=session.rule_of_stage(),
        stages=len(settings["trading"]["stages"]),
    )
    return Candidacy(question, None if isinstance(model, Unreadable) else model)


def _has_key(credentials: CredentialStore) -> bool | Unreadable:
    try:
        return credentials.bitbank() is not None
    except CryptoKedroError as error:
        return Unreadable(str(error))


def _model(shelf: "Shelf", session: "SessionParameters") -> "TradedModel | Unreadable | None":
    try:
        return shelf.first_of(session.models)
    except CryptoKedroError as error:
        return Unreadable(str(error))


def _addresses(session: "SessionParameters") -> Unreadable | None:
    try:
        settings = session.bitbank.settings()
    except CryptoKedroError as error:
        return Unreadable(str(error))
    if settings.is_bitbank or settings.is_local:
        return None
    return Unreadable(
        "some addresses of session.bitbank are bitbank's and others are on this machine; give all four, or none"
    )


def _paper_folder_name(session: "SessionParameters") -> str:
    """Return the folder of paper sessions on the prices of the same exchange; those of the simulator are elsewhere."""
    return session.model_copy(update={"environment": "paper"}).folder_name


def _standing(
    model: "TradedModel", paper: SessionFolder | None, session: "SessionParameters", settings: Mapping[str, Any]
) -> ModelStanding:
    return ModelStanding(
        version=model.version,
        data_source=model.tags.get("data_source"),
        failed_gates=model.failed_gates,
        settings=_settings_refusal(model, session, settings),
        paper=None if paper is None else _paper(paper, _traded(model, settings)),
    )


def _settings_refusal(
    model: "TradedModel", session: "SessionParameters", settings: Mapping[str, Any]
) -> Unreadable | None:
    try:
        accepted_limits(model.version, model.tags, settings, accepts_tighter=session.accept_tighter_limits)
    except LineageError as error:
        return Unreadable(str(error))
    return None


def _traded(model: "TradedModel", settings: Mapping[str, Any]) -> Traded:
    core = trading_settings(settings, model.bundle.confidence_threshold)
    return Traded(model.bundle.digest, core, settings["evaluation"]["matching"]["limit_target"])


def _paper(folder: SessionFolder, traded: Traded) -> PaperEvidence | Unreadable | None:
    if not folder.journal.exists():
        return None
    try:
        with Journal.open_as_evidence(folder.journal) as journal:
            return PaperEvidence.of(journal, traded)
    except CryptoKedroError as error:
        return Unreadable(str(error))
