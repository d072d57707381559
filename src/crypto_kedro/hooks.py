"""Kedro hooks: configuration is checked first, every run is tracked, and its results are named at the end."""

import logging
from copy import deepcopy
from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from rich.console import Console
from rich.table import Table

from crypto_kedro.configuration import ConfigurationRefusedError, Difference, checked_parameters, differences
from crypto_kedro.credentials import CredentialsDataset, CredentialStore
from crypto_kedro.parameters import TrackingParameters
from crypto_kedro.parameters.session import SessionParameters
from crypto_kedro.tracking.environment import clear_environment
from crypto_kedro.tracking.interruption import Interruption
from crypto_kedro.tracking.provenance import code_version, library_versions
from crypto_kedro.tracking.store import check_folders
from crypto_kedro.tracking.target import TrackingTarget

logger = logging.getLogger(__name__)

TRADING_ENVIRONMENTS = ("paper", "live")
TRADING_TAG = "trading"
SHELF_DATASET = "model_shelf"


class ConfigurationHooks:
    """Refuse unknown or impossible parameters before anything is read or written; log those that are not of base."""

    def __init__(self) -> None:
        self._differences: list[Difference] = []

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Validate the whole parameter tree, whichever pipeline is about to run.

        Raises:
            ConfigurationError: a parameter is unknown or out of range, or an environment that trades would let a model
                of synthetic candles pass.
        """
        read = context.config_loader["parameters"]
        # Reading the files takes 0.2 s, and Kedro would do it for everybody who asks.
        context.config_loader["parameters"] = read
        parameters = checked_parameters(context.config_loader)
        self._differences = differences(context.config_loader)
        if parameters.gates.allow_synthetic and context.env in TRADING_ENVIRONMENTS:
            raise ConfigurationRefusedError(
                f"parameters: gates.allow_synthetic is true in the environment {context.env}, where money is traded; "
                "set it to false, it is for demonstrations only"
            )

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self) -> None:
        """Log every value that differs from base, with its source."""
        for difference in self._differences:
            logger.info("%s", difference)


class CredentialsHooks:
    """Give the catalog the credentials, which stand in no catalog file and in no parameter."""

    def __init__(self) -> None:
        self._store = CredentialStore()

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Read them before Kedro does, whose complaint about a damaged file would show a piece of it.

        Raises:
            ConfigurationError: see `CredentialStore.read`.
        """
        self._store = CredentialStore.read(context.config_loader)

    @hook_impl
    def after_catalog_created(self, catalog: DataCatalog) -> None:
        """Add the dataset ``credentials``."""
        catalog["credentials"] = CredentialsDataset(self._store)


class TrackingHooks:
    """Keep one MLflow run for each ``kedro run``, with code, data and settings in its tags.

    A session has its journal instead, and trades without MLflow: what MLflow costs in time and memory is paid by the
    runs before it, which leave the registered versions on a shelf.
    """

    # MLflow takes seconds to import, which `kedro doctor` or `kedro viz` need not pay: hence the imports in methods.

    def __init__(self) -> None:
        self._project_path = Path()
        self._parameters: dict[str, Any] = {}
        self._env = ""
        self._is_tracking = False
        self._interruption: Interruption | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remember what a run of this context will be asked to do, and let its settings overrule the environment."""
        self._project_path = context.project_path
        # A copy: Kedro puts typed values in place of those that a node takes.
        self._parameters = deepcopy(context.config_loader["parameters"])
        self._env = context.env or "base"
        ignored = clear_environment(self._parameters["tracking"]["uri"])
        if ignored:
            logger.warning("Ignored, as the project's settings decide: %s.", ", ".join(ignored))

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Open the MLflow run, and bring the shelf up to date for a run that takes a model from it."""
        tracking = TrackingParameters.model_validate(self._parameters["tracking"])
        target = TrackingTarget(tracking.uri, tracking.artifact_root, tracking.experiment)
        self._is_tracking = not all(TRADING_TAG in node.tags for node in pipeline.nodes)
        if self._is_tracking:
            self._start(target, " + ".join(run_params["pipeline_names"] or ["default"]), pipeline, catalog)
        if SHELF_DATASET in pipeline.inputs():
            from crypto_kedro.tracking.kept_shelf import bring_up_to_date

            bring_up_to_date(target, self._project_path, tracking.registered_model)

    def _start(self, target: TrackingTarget, pipelines: str, pipeline: Pipeline, catalog: DataCatalog) -> None:
        from crypto_kedro.tracking import run
        from crypto_kedro.tracking.kept_shelf import SHELF
        from crypto_kedro.tracking.registered import check_versions
        from crypto_kedro.tracking.stored_parameters import used_parameters

        code = code_version(self._project_path)
        if code.git_sha is None:
            logger.warning("This is not a git commit: the run's lineage will say so instead of naming a SHA.")
        logger.info("Tracking this run in MLflow at %s", target.printable_uri())
        check_folders([self._project_path / SHELF, *_written_folders(pipeline, catalog)])
        run.connect(target, self._project_path)
        check_versions(pipeline, catalog)
        parameters, missing = used_parameters(self._parameters, pipeline, catalog)
        if missing:
            logger.warning("The data on disk does not name its parameters (%s): none are logged.", ", ".join(missing))
        tags = {"pipelines": pipelines, "environment": self._env, **code.as_tags(), **library_versions()}
        self._interruption = Interruption(lambda: run.finish("KILLED"), run.kill)
        self._interruption.watch()
        with self._interruption.held():
            run.start(pipelines, tags, {key: value for key, value in parameters.items() if key != "tracking"})

    @hook_impl
    def after_dataset_loaded(self, dataset_name: str, data: Any) -> None:
        """Take over the lineage of what an earlier run left on disk."""
        self._tag(dataset_name, data)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Take over the lineage of what this run made."""
        self._tag(dataset_name, data)

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Close the run as finished, and keep the registered versions as they are now."""
        if not self._is_tracking:
            return
        from crypto_kedro.tracking.kept_shelf import SHELF
        from crypto_kedro.tracking.shelf_keeper import keep_shelf

        self._finish("FINISHED")
        tracking = TrackingParameters.model_validate(self._parameters["tracking"])
        target = TrackingTarget(tracking.uri, tracking.artifact_root, tracking.experiment)
        keep_shelf(target.database(self._project_path), tracking.registered_model, self._project_path / SHELF)

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """Close the run as failed; failed runs count as trials too."""
        if self._is_tracking:
            self._finish("FAILED", error)

    def _finish(self, status: str, error: Exception | None = None) -> None:
        from crypto_kedro.tracking import run

        assert self._interruption is not None  # set by _start
        with self._interruption.held():
            run.finish(status, error)
        self._interruption.release()

    def _tag(self, dataset_name: str, data: Any) -> None:
        if not self._is_tracking:
            return
        from crypto_kedro.tracking import run

        if dataset_name == "data_manifest":
            run.tag_data(data)
        elif dataset_name == "feature_manifest":
            run.tag_features(data)


def _written_folders(pipeline: Pipeline, catalog: DataCatalog) -> list[Path]:
    """Return the folders of the files that a pipeline writes."""
    datasets = (catalog.get(name) for name in pipeline.all_outputs())
    files = (getattr(dataset, "_filepath", None) for dataset in datasets)
    return [Path(file).absolute().parent for file in files if file is not None]


_REPORTS = {
    "data_quality_report": "Data quality",
    "evaluation_report": "Report",
    "parity_report": "Session and backtest",
}


class SummaryHooks:
    """Say at the end of a run where its results are."""

    def __init__(self) -> None:
        self._project_path = Path()

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remember the project's root, so that paths are printed from there."""
        self._project_path = context.project_path

    @hook_impl(trylast=True)
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Print a table of the reports, the registered version and the verdict that this run made."""
        made = {name.split("@")[0] for name in pipeline.all_outputs()}
        rows = [(title, str(self._relative(catalog, name))) for name, title in _REPORTS.items() if name in made]
        if "registered_model" in made:
            rows += _registration_rows(catalog.load("registered_model"))
        if "promotion" in made:
            rows.append(("Verdict", catalog.load("promotion")["verdict"]))
        if "session_record" in made:
            rows += _session_rows(catalog.load("session_record"), catalog.load("params:session"))
        if "parity_record" in made:
            rows.append(("Parity", self._told(catalog.load("parity_record"))))
        if rows:
            table = Table(title="Results", show_header=False, title_justify="left")
            for row in rows:
                table.add_row(*row)
            Console().print(table)

    @staticmethod
    def _told(parity: dict[str, Any]) -> str:
        """Print what differs, and return the verdict."""
        from crypto_kedro.reporting.parity_report import print_parity

        print_parity(parity, Console())
        return str(parity["verdict"])

    def _relative(self, catalog: DataCatalog, name: str) -> Path:
        path = Path(catalog[name]._filepath)  # type: ignore[attr-defined]
        return path.relative_to(self._project_path) if path.is_relative_to(self._project_path) else path


def _session_rows(session: dict[str, Any], parameters: dict[str, Any]) -> list[tuple[str, str]]:
    folder = SessionParameters.model_validate(parameters).folder_name
    halted = [] if session["halted"] is None else [("Halted", session["halted"])]
    return [
        ("Session", session["session_id"]),
        ("Model", session["model"] or "none"),
        ("Cycles", f"{session['cycles']:,}, {session['failed_cycles']:,} of them broken off"),
        ("Sent", f"{session['sent']:,} orders and cancels"),
        ("Closed trades", "unknown" if session["closed_trades"] is None else f"{session['closed_trades']:,}"),
        ("Equity", "unknown" if session["equity_jpy"] is None else f"{session['equity_jpy']} JPY"),
        *halted,
        ("Decide again", f"kedro replay --env {folder} --session {session['session_id']}"),
    ]


def _registration_rows(registered: dict[str, Any]) -> list[tuple[str, str]]:
    if registered["version"] is None:
        return [("MLflow run", registered["run_id"]), ("Registered model", registered["reason"])]
    return [
        ("MLflow run", registered["run_id"]),
        ("Registered model", f"{registered['name']} version {registered['version']} ({registered['alias']})"),
    ]
