"""Nodes of the trading pipeline."""

import asyncio
from pathlib import Path
from typing import Any

from crypto_kedro.credentials import CredentialStore
from crypto_kedro.errors import ConfigurationError, CryptoKedroError, LineageError
from crypto_kedro.features.catalogue import load_feature_set
from crypto_kedro.parameters import (
    CostParameters,
    EvaluationParameters,
    FeatureParameters,
    LabelParameters,
    MatchingParameters,
    TradingParameters,
)
from crypto_kedro.parameters.session import SessionParameters
from crypto_kedro.pipelines.trading.performance import Performance, perform, tell_not_begun
from crypto_kedro.real_money import Candidacy, candidacy
from crypto_kedro.session.arming import require_armed
from crypto_kedro.session.cycle import CycleTerms
from crypto_kedro.session.ending import EndRequest
from crypto_kedro.session.journal.records import Lineage
from crypto_kedro.session.live_window import LiveModel
from crypto_kedro.session.signals import run_until_signalled
from crypto_kedro.tracking.judged_settings import accepted_limits, settings_of
from crypto_kedro.tracking.provenance import code_version
from crypto_kedro.tracking.traded_model import Shelf, TradedModel

CATALOGUE = Path("conf", "base", "feature_order.json")
_LINKS = ("git_sha", "data_sha256", "data_source")


def run_session(
    project_path: Path,
    shelf: Shelf,
    session: SessionParameters | None,
    trading: TradingParameters,
    labels: LabelParameters,
    features: FeatureParameters,
    costs: CostParameters,
    evaluation: EvaluationParameters,
    credentials: CredentialStore,
) -> dict[str, Any]:
    """Trade until the session is over, and return what it came to.

    Args:
        project_path: root of the project.
        shelf: the registered versions.
        session: the group ``session``, None in an environment that trades nothing.
        trading: the group ``trading``.
        labels: the group ``labels``, for the barriers.
        features: the group ``features``.
        costs: the group ``costs``, for the slippage.
        evaluation: the group ``evaluation``, for the type of the target order.
        credentials: API key, addresses of webhooks and the token of the face.

    Raises:
        ConfigurationError: the environment trades nothing.
        LineageError: on paper, no version has any of the aliases; or the model's lineage has a gap.
        NotArmedError: real money may not be traded; nothing was sent or written.
        CryptoKedroError: the session cannot go on.
    """
    if session is None:
        raise ConfigurationError("session: this environment trades nothing; add --env paper or --env live")
    try:
        performance = _performance(
            project_path, shelf, session, trading, labels, features, costs, evaluation.matching, credentials
        )
    except Exception as error:
        asyncio.run(tell_not_begun(session, credentials, error))
        raise
    record: dict[str, Any] = {}

    async def work(asked: EndRequest) -> None:
        await perform(performance, asked, record)

    ending = asyncio.run(run_until_signalled(work))
    if not record:
        raise CryptoKedroError(f"{session.environment}: the session was asked to end before it began; nothing was sent")
    return {**record, "ending": ending.value}


def _performance(
    project_path: Path,
    shelf: Shelf,
    session: SessionParameters,
    trading: TradingParameters,
    labels: LabelParameters,
    features: FeatureParameters,
    costs: CostParameters,
    matching: MatchingParameters,
    credentials: CredentialStore,
) -> Performance:
    """Choose the model and put together what a session is performed with; see `run_session`."""
    own = settings_of(features, labels, trading, costs, matching)
    if session.environment == "live":
        model = _armed(candidacy(project_path, shelf, session, own, credentials))
    else:
        model = _choose(shelf, session)
    accepted = accepted_limits(model.version, model.tags, own, accepts_tighter=session.accept_tighter_limits)
    settings = trading.settings(labels, model.bundle.confidence_threshold, costs.slippage)
    feature_set = load_feature_set(project_path / CATALOGUE, features.feature_set)
    return Performance(
        project_path=project_path,
        session=session,
        model=LiveModel(model.bundle, feature_set, features.max_gap_minutes, settings.barriers.atr_period),
        lineage=_lineage(project_path, model),
        terms=CycleTerms(
            settings=settings,
            funding_stage=session.funding_stage,
            kelly=trading.sizing.unproven_kelly if model.kelly is None else model.kelly,
            foreign_orders=session.foreign_orders,
            limit_target=matching.limit_target,
            accepted_limits=accepted,
        ),
        credentials=credentials,
    )


def _choose(shelf: Shelf, session: SessionParameters) -> TradedModel:
    """Return the version that the session trades.

    Raises:
        LineageError: no version has any of the aliases.
    """
    model = shelf.first_of(session.tradable_models)
    if model is None:
        raise LineageError(
            f"{session.environment}: no version of {shelf.registered_model} is "
            f"{' or '.join(session.tradable_models)}; "
            "run `kedro run` to train and judge one, or `kedro promote` to overrule the gates for paper"
        )
    return model


def _armed(candidate: Candidacy) -> TradedModel:
    """Return the model that real money may be traded with.

    Raises:
        NotArmedError: it may not be.
    """
    require_armed(candidate.question)
    assert candidate.model is not None
    return candidate.model


def _lineage(project_path: Path, model: TradedModel) -> Lineage:
    """Return where the decisions come from.

    Raises:
        LineageError: the version does not tell its code or its candles.
    """
    tags, code = model.tags, code_version(project_path)
    missing = [name for name in _LINKS if not tags.get(name)]
    if missing:
        raise LineageError(
            f"{model.version} has no {', '.join(missing)} in the registry, so its orders could not be traced; train it "
            "again with `kedro run`"
        )
    return Lineage(
        bundle_digest=model.bundle.digest,
        model_version=model.version,
        run_id=model.run_id,
        model_git_sha=tags["git_sha"],
        data_sha256=tags["data_sha256"],
        data_source=tags["data_source"],
        feature_set_hash=model.bundle.feature_set_hash,
        trader_git_sha=code.as_tags()["git_sha"],
    )
