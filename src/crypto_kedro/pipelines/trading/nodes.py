"""Nodes of the trading pipeline."""

import asyncio
from pathlib import Path
from typing import Any

from crypto_kedro.errors import LineageError
from crypto_kedro.exchange.bitbank.credentials import Credentials
from crypto_kedro.features.catalogue import load_feature_set
from crypto_kedro.parameters import CostParameters, FeatureParameters, LabelParameters, TradingParameters
from crypto_kedro.parameters.session import SessionParameters
from crypto_kedro.pipelines.trading.performance import Performance, perform
from crypto_kedro.session.arming import ArmingQuestion, PaperEvidence, require_armed
from crypto_kedro.session.clock import wall_clock_ms
from crypto_kedro.session.cycle import CycleTerms
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.journal import Journal
from crypto_kedro.session.journal.records import Lineage
from crypto_kedro.session.live_window import LiveModel
from crypto_kedro.session.signals import run_until_signalled
from crypto_kedro.tracking.provenance import code_version
from crypto_kedro.tracking.traded_model import ModelShelf, TradedModel

CATALOGUE = Path("conf", "base", "feature_order.json")


def run_session(
    project_path: Path,
    shelf: ModelShelf,
    session: SessionParameters,
    trading: TradingParameters,
    labels: LabelParameters,
    features: FeatureParameters,
    costs: CostParameters,
) -> dict[str, Any]:
    """Trade until the session is over, and return what it came to.

    Args:
        project_path: root of the project.
        shelf: the registered versions.
        session: the group ``session``.
        trading: the group ``trading``.
        labels: the group ``labels``, for the barriers.
        features: the group ``features``.
        costs: the group ``costs``, for the slippage.

    Raises:
        LineageError: no version has any of the aliases.
        NotArmedError: real money may not be traded.
        CryptoKedroError: the session cannot go on.
    """
    model = _choose(shelf, session)
    credentials = Credentials.find()
    if session.environment == "live":
        require_armed(_arming_question(project_path, model, session, credentials))
    settings = trading.settings(labels, model.bundle.confidence_threshold, costs.slippage)
    feature_set = load_feature_set(project_path / CATALOGUE, features.feature_set)
    performance = Performance(
        project_path=project_path,
        session=session,
        model=LiveModel(model.bundle, feature_set, features.max_gap_minutes, settings.barriers.atr_period),
        lineage=_lineage(project_path, model),
        terms=CycleTerms(
            settings=settings,
            funding_stage=session.funding_stage,
            kelly=trading.sizing.unproven_kelly if model.kelly is None else model.kelly,
            foreign_orders=session.foreign_orders,
        ),
        credentials=credentials,
    )
    record: dict[str, Any] = {}

    async def work(asked: asyncio.Event) -> None:
        record.update(await perform(performance, asked))

    ending = asyncio.run(run_until_signalled(work))
    return {**record, "ending": ending.value}


def _choose(shelf: ModelShelf, session: SessionParameters) -> TradedModel:
    """Return the version that the session trades.

    Raises:
        LineageError: no version has any of the aliases.
    """
    model = shelf.first_of(session.models)
    if model is None:
        raise LineageError(
            f"{session.environment}: no version of {shelf.registered_model} is {' or '.join(session.models)}; "
            "run `kedro run` to train and judge one, or `kedro promote` to overrule the gates for paper"
        )
    return model


def _lineage(project_path: Path, model: TradedModel) -> Lineage:
    tags, code = model.tags, code_version(project_path)
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


def _arming_question(
    project_path: Path, model: TradedModel, session: SessionParameters, credentials: Credentials | None
) -> ArmingQuestion:
    folder = SessionFolder.of(project_path, "paper")
    paper = None
    if folder.journal.exists():
        with Journal.open(folder.journal, read_only=True) as journal:
            paper = PaperEvidence.of(journal)
    return ArmingQuestion(
        is_armed=session.armed,
        has_credentials=credentials is not None,
        model=model.version,
        bundle_digest=model.bundle.digest,
        data_source=model.tags.get("data_source", "unknown"),
        failed_gates=model.failed_gates,
        rule=session.rule_of_stage(),
        paper=paper,
        now_ms=wall_clock_ms(),
    )
