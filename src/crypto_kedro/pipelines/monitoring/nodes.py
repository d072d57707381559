"""Nodes of the monitoring pipeline."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crypto_kedro.errors import LineageError
from crypto_kedro.evaluation.conditions import Conditions
from crypto_kedro.features.catalogue import load_feature_set
from crypto_kedro.parameters import CostParameters, EvaluationParameters, FeatureParameters
from crypto_kedro.parameters.monitoring import MonitoringParameters
from crypto_kedro.parameters.session import SessionParameters
from crypto_kedro.pipelines.monitoring.candles import minutes_of
from crypto_kedro.reporting.parity_report import parity_html
from crypto_kedro.serving.bundle import ModelBundle
from crypto_kedro.session.folder import SESSIONS, SessionFolder
from crypto_kedro.session.journal import Journal
from crypto_kedro.session.journal.records import Lineage
from crypto_kedro.session.live_window import LiveModel
from crypto_kedro.session.parity import LivePeriod, compare, expected_of, read_period, stretch_of
from crypto_kedro.tracking.provenance import code_version
from crypto_kedro.tracking.registry import registered_bundle

CATALOGUE = Path("conf", "base", "feature_order.json")


@dataclass(frozen=True, slots=True, eq=False)
class MonitoredSession:
    """What a session did, and where it kept its files."""

    folder: SessionFolder
    live: LivePeriod


def read_session(
    project_path: Path, monitoring: MonitoringParameters, session: SessionParameters | None
) -> MonitoredSession:
    """Read what a session did from its journal, which is not changed.

    Args:
        project_path: root of the project.
        monitoring: the group ``monitoring``.
        session: the group ``session``, None in an environment without one.

    Raises:
        LineageError: there is no such session.
        JournalError: the journal cannot be read, or was altered.
    """
    folder = _folder(project_path, monitoring, session)
    with Journal.open_as_evidence(folder.journal) as journal:
        return MonitoredSession(folder, read_period(journal, monitoring.session))


def compare_session(
    project_path: Path,
    monitored: MonitoredSession,
    monitoring: MonitoringParameters,
    session: SessionParameters | None,
    features: FeatureParameters,
    costs: CostParameters,
    evaluation: EvaluationParameters,
) -> dict[str, Any]:
    """Trade the session's days as a backtest by its own model and settings, and return every difference.

    Args:
        project_path: root of the project.
        monitored: what the session did.
        monitoring: the group ``monitoring``, for the candles.
        session: the group ``session``, for the exchange.
        features: the group ``features``.
        costs: the group ``costs``, which the backtest assumes.
        evaluation: the group ``evaluation``, for how the backtest's exchange behaves.

    Raises:
        LineageError: the model that the session served cannot be had.
        DataError: candles of its days are missing.
        ExchangeError: the exchange does not give them.
    """
    live = monitored.live
    start, first = live.first.start, next(iter(live.bars.values()))
    barriers = start.settings.barriers
    model = LiveModel(
        _bundle(start.lineage),
        load_feature_set(project_path / CATALOGUE, features.feature_set),
        features.max_gap_minutes,
        barriers.atr_period,
    )
    stretch = stretch_of(live, barriers.bar_ms)
    minutes = asyncio.run(minutes_of(monitored.folder, model, stretch, monitoring.candles, session))
    conditions = Conditions(
        settings=start.settings,
        costs=costs.schedule(),
        engine=evaluation.matching.engine(),
        capital=start.capital,
        unproven_kelly=first.observation.kelly,
        limit_target=start.limit_target,
    )
    plan = replace(conditions.plan(), settings=start.settings, funding_stage=start.funding_stage)
    code = code_version(project_path).as_tags()["git_sha"]
    expected = expected_of(minutes, model, stretch, first.observation.kelly, plan, conditions.spread, code)
    return compare(live, expected).as_dict()


def report_parity(record: dict[str, Any]) -> str:
    """Return the comparison as a page."""
    return parity_html(record)


def _folder(project_path: Path, monitoring: MonitoringParameters, session: SessionParameters | None) -> SessionFolder:
    """Return the folder of the session that is meant.

    Raises:
        LineageError: no session ever ran there.
    """
    name = monitoring.folder or (None if session is None else session.folder_name)
    written = [folder for folder in SessionFolder.all(project_path) if folder.journal.is_file()]
    chosen = [folder for folder in written if name in (None, folder.name)]
    if not chosen:
        there = ", ".join(folder.name for folder in written) or "none"
        raise LineageError(
            f"monitoring: {SESSIONS / (name or '')} holds no journal (there is {there}); run a session first, for "
            "example `kedro run --env paper`, or set monitoring.folder"
        )
    return max(chosen, key=lambda folder: folder.journal.stat().st_mtime)


def _bundle(lineage: Lineage) -> ModelBundle:
    """Return the bundle that a session served.

    Raises:
        LineageError: the registry has another one by that name, or cannot give it.
    """
    name, _, version = lineage.model_version.rpartition(" version ")
    bundle = registered_bundle(name, version)
    if bundle.digest != lineage.bundle_digest:
        raise LineageError(
            f"monitoring: {lineage.model_version} in the registry is bundle {bundle.digest[:12]}, the session served "
            f"{lineage.bundle_digest[:12]}; compare against the registry that the session was started from"
        )
    return bundle
