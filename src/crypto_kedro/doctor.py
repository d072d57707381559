"""``kedro doctor``: is this machine, configuration and data fit for a run, and if not, what is the remedy?"""

import asyncio
import os
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.context import KedroContext
from kedro.io import DatasetError
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from rich.console import Console
from rich.table import Table

from crypto_kedro.configuration import checked_parameters, differences
from crypto_kedro.credentials import CredentialStore
from crypto_kedro.errors import ConfigurationError, CryptoKedroError
from crypto_kedro.exchange_examination import examine_exchange
from crypto_kedro.features import FeatureManager, load_feature_set
from crypto_kedro.finding import Finding, Status
from crypto_kedro.market.fingerprint import frame_sha256
from crypto_kedro.parameters import Parameters
from crypto_kedro.parameters.session import BitbankParameters
from crypto_kedro.project import project_context
from crypto_kedro.real_money_examination import examine_paper_model, examine_real_money
from crypto_kedro.serving.bundle import load_bundle
from crypto_kedro.tracking.environment import overruled_variables, short_requests
from crypto_kedro.tracking.provenance import code_version
from crypto_kedro.tracking.store import check_store, moves

if TYPE_CHECKING:
    from crypto_kedro.tracking.target import TrackingTarget

_COLOURS: dict[Status, str] = {"ok": "green", "warn": "yellow", "fail": "red"}
_EXCHANGE_PATIENCE_S = 3.0
_NEEDED_BYTES = 2 * 1024**3


def examine(project_path: Path, env: str | None = None) -> list[Finding]:
    """Examine environment, configuration, feature set, data, models, MLflow and the exchange, in this order.

    In an environment that trades real money, every reason against trading it is told before the exchange is looked at.
    Nothing is created or changed. A broken configuration ends the examination, since the rest depends on it.
    """
    findings = [_python(), _libraries(), _disk(project_path), _git(project_path)]
    # Opening the project removes what its settings overrule.
    environ = dict(os.environ)
    with ExitStack() as opened:
        try:
            context = opened.enter_context(project_context(project_path, env))
            parameters = checked_parameters(context.config_loader)
            store = CredentialStore.read(context.config_loader)
        except CryptoKedroError as error:
            return [*findings, Finding("configuration", "fail", str(error), "correct the named key")]
        found = tuple(map(str, differences(context.config_loader)))
        detail = f"environment {context.env or 'local'}, every key is known, {len(found)} values differ from base"
        findings.append(Finding("configuration", "ok", detail, lines=found))
        findings.append(_environment(environ, parameters.tracking.uri))
        checks: tuple[Callable[[KedroContext, Parameters], Finding], ...] = (
            _feature_set,
            _data,
            _bundle,
            _tracking,
            _registered_model,
        )
        findings.extend(_guarded(check, context, parameters) for check in checks)
        if parameters.session is not None and parameters.session.environment == "live":
            findings.append(examine_real_money(context.project_path, parameters, parameters.session, store))
        elif parameters.session is not None:
            findings.append(_guarded(_paper_model, context, parameters))
        findings.extend(_exchange(parameters, store))
    return findings


def print_findings(findings: list[Finding]) -> None:
    """Print the findings as a table with a remedy for whatever is not ok, then their lines."""
    table = Table(title="kedro doctor", title_justify="left")
    for heading in ("Subject", "Status", "Seen", "Remedy"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        colour = _COLOURS[finding.status]
        table.add_row(finding.subject, f"[{colour}]{finding.status}[/{colour}]", finding.detail, finding.remedy)
    Console().print(table)
    for line in (line for finding in findings for line in finding.lines):
        # A list to read and to search: a line is not broken at the terminal's width.
        Console().print(line, soft_wrap=True, markup=False, highlight=False)


def _guarded(
    check: Callable[[KedroContext, Parameters], Finding], context: KedroContext, parameters: Parameters
) -> Finding:
    """Turn a file that cannot be read, and the project's own errors, into a finding."""
    try:
        return check(context, parameters)
    except (CryptoKedroError, DatasetError, ValueError, KeyError) as error:
        return Finding(
            check.__name__.strip("_").replace("_", " "), "fail", str(error), "run the pipeline that makes it again"
        )


def _paper_model(context: KedroContext, parameters: Parameters) -> Finding:
    assert parameters.session is not None  # asked by the caller
    return examine_paper_model(context.project_path, parameters, parameters.session)


def _exchange(parameters: Parameters, store: CredentialStore) -> list[Finding]:
    addresses = BitbankParameters() if parameters.session is None else parameters.session.bitbank
    try:
        settings, credentials = addresses.settings(), store.bitbank()
    except CryptoKedroError as error:
        return [Finding("bitbank key", "fail", str(error), "correct it, or leave it out")]
    return asyncio.run(examine_exchange(replace(settings, timeout_s=_EXCHANGE_PATIENCE_S), credentials))


def _python() -> Finding:
    version = platform.python_version()
    needed = SpecifierSet(metadata.metadata("crypto-kedro")["Requires-Python"])
    if version not in needed:
        return Finding("python", "fail", version, f"crypto-kedro needs Python {needed}: run `make clean install`")
    return Finding("python", "ok", f"{version} on {platform.system()} {platform.machine()}")


def _libraries() -> Finding:
    wrong = list(_unmet_requirements())
    if wrong:
        return Finding("libraries", "fail", "; ".join(wrong), "run `make install`")
    return Finding("libraries", "ok", "all required versions are installed")


def _unmet_requirements() -> Iterator[str]:
    for line in metadata.requires("crypto-kedro") or []:
        requirement = Requirement(line)
        if requirement.name == "crypto-kedro":
            continue
        if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in ("", "research")):
            continue
        try:
            installed = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield f"{requirement.name} is not installed"
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            yield f"{requirement.name} {installed} is outside {requirement.specifier}"


def _disk(project_path: Path) -> Finding:
    free = shutil.disk_usage(project_path).free
    detail = f"{free / 1024**3:.1f} GiB free"
    if free < _NEEDED_BYTES:
        return Finding("disk", "warn", detail, "free some space: a run on nine months of candles needs about 2 GiB")
    return Finding("disk", "ok", detail)


def _git(project_path: Path) -> Finding:
    code = code_version(project_path)
    if code.git_sha is None:
        return Finding(
            "git", "warn", "not a git commit", "commit the project, so that a model's lineage names its code"
        )
    if code.dirty:
        return Finding("git", "warn", f"{code.git_sha[:12]} with local changes", "commit them before a run that counts")
    return Finding("git", "ok", code.git_sha[:12])


def _feature_set(context: KedroContext, parameters: Parameters) -> Finding:
    catalogue = context.catalog.load("feature_catalogue")
    manager = FeatureManager(load_feature_set(catalogue, parameters.features.feature_set))
    detail = f"{parameters.features.feature_set}: {manager.get_feature_count()} features"
    return Finding("feature set", "ok", f"{detail}, version {manager.feature_set.hash[:12]}")


def _data(context: KedroContext, parameters: Parameters) -> Finding:
    catalog = context.catalog
    if not catalog.exists("data_manifest"):
        return Finding("data", "warn", "no candles yet", "run `kedro run --pipelines data`")
    manifest = catalog.load("data_manifest")
    if not catalog.exists("bars_1m") or frame_sha256(catalog.load("bars_1m")) != manifest["bars_sha256"]:
        return Finding("data", "fail", "bars and manifest do not belong together", "run `kedro run --pipelines data`")
    detail = f"{manifest['rows']:,} bars from {manifest['source']}, {manifest['first']} to {manifest['last']}"
    if manifest["source"] != parameters.data.source:
        return Finding("data", "warn", detail, f"configured source is {parameters.data.source}: run the data pipeline")
    return Finding("data", "ok", detail)


def _bundle(context: KedroContext, parameters: Parameters) -> Finding:
    catalog = context.catalog
    if not catalog.exists("model_bundle"):
        return Finding("model bundle", "warn", "no model yet", "run `kedro run`")
    bundle = load_bundle(Path(catalog["model_bundle"]._filepath))
    expected = load_feature_set(catalog.load("feature_catalogue"), parameters.features.feature_set).hash
    if bundle.feature_set_hash != expected:
        return Finding("model bundle", "fail", "made for another feature set", "run `kedro run --pipelines training`")
    return Finding("model bundle", "ok", "complete, unaltered, for this feature set")


def _environment(environ: Mapping[str, str], uri: str) -> Finding:
    overruled = overruled_variables(environ, uri)
    if overruled:
        remedy = "unset them; the project's settings decide"
        return Finding("environment variables", "warn", f"{', '.join(overruled)}: ignored", remedy)
    return Finding("environment variables", "ok", "none that the project's settings overrule")


def _tracking(context: KedroContext, parameters: Parameters) -> Finding:
    target = _target(parameters)
    store, database = target.printable_uri(), target.database(context.project_path)
    try:
        check_store(target, context.project_path)
        found = moves(target, context.project_path)
    except ConfigurationError as error:
        return Finding("mlflow", "fail", str(error), "do what the sentence says before the next run")
    if database is not None and not database.exists():
        return Finding("mlflow", "warn", f"{store} does not exist yet", "the first `kedro run` creates it")
    if found:
        before = ", ".join(str(move.before) for move in found)
        return Finding("mlflow", "warn", f"{store} names artifacts in {before}", "the next `kedro run` moves them here")
    return Finding("mlflow", *_probe(target, context.project_path))


def _target(parameters: Parameters) -> "TrackingTarget":
    from crypto_kedro.tracking.target import TrackingTarget

    tracking = parameters.tracking
    return TrackingTarget(tracking.uri, tracking.artifact_root, tracking.experiment)


def _probe(target: "TrackingTarget", project_path: Path) -> tuple[Status, str, str]:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    from crypto_kedro.tracking.run import check_reachable
    from crypto_kedro.tracking.store import deleted_experiment
    from crypto_kedro.tracking.target import without_credentials

    uri, store = target.resolved_uri(project_path), target.printable_uri()
    try:
        with short_requests():
            check_reachable(uri)
            client = MlflowClient(uri, uri)
            experiment = client.get_experiment_by_name(target.experiment)
            count = len(client.search_experiments())
    except (MlflowException, OSError) as error:
        reason = without_credentials(str(error).splitlines()[0])
        return "fail", f"{store}: {reason}", "check tracking.uri, or move the database away"
    if experiment is not None and experiment.lifecycle_stage == "deleted":
        return "fail", deleted_experiment(target.experiment, experiment.experiment_id), "restore or rename it"
    return "ok", f"{store}, {count} experiments", ""


def _registered_model(context: KedroContext, parameters: Parameters) -> Finding:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    catalog = context.catalog
    if not catalog.exists("registered_model"):
        return Finding("registered model", "warn", "none yet", "run `kedro run`")
    registered: dict[str, Any] = catalog.load("registered_model")
    if registered["version"] is None:
        return Finding("registered model", "warn", registered["reason"], "run `kedro run --pipelines training`")
    named = f"{registered['name']} version {registered['version']}"
    uri = _target(parameters).resolved_uri(context.project_path)
    try:
        with short_requests():
            client = MlflowClient(uri, uri)
            client.get_model_version(registered["name"], str(registered["version"]))
    except MlflowException:
        return Finding("registered model", "fail", f"MLflow does not know {named}", "run `kedro run`")
    return Finding("registered model", "ok", named)
