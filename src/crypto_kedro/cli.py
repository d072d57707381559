"""The project's own commands: ``kedro run`` with one clear sentence on bad input, and ``kedro doctor``."""

from typing import Any

import click
from kedro.config import MissingConfigException, OmegaConfigLoader
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import CONTEXT_SETTINGS
from kedro.framework.project import settings
from kedro.framework.startup import ProjectMetadata

from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.exchange.simulator.command import bitbank_sim


@click.group(context_settings=CONTEXT_SETTINGS, name="crypto-kedro")
def cli() -> None:
    """Commands of crypto-kedro."""


def _run(**options: Any) -> None:
    if not (options["pipeline"] or options["pipelines"]):
        metadata: ProjectMetadata = click.get_current_context().obj
        conf_source = options["conf_source"] or str(metadata.project_path / settings.CONF_SOURCE)
        options["pipelines"] = default_pipelines(conf_source, options["env"])
    try:
        assert kedro_run.callback is not None
        kedro_run.callback(**options)
    except Exception as error:
        sentence = _own_error(error)
        if sentence is None:
            raise
        raise click.ClickException(str(sentence)) from error


def _own_error(error: BaseException | None) -> CryptoKedroError | None:
    """Return the project's own error behind what Kedro raised, if there is one."""
    while error is not None and not isinstance(error, CryptoKedroError):
        error = error.__cause__ or error.__context__
    return error


def default_pipelines(conf_source: str, env: str | None) -> list[str]:
    """Return the pipelines that an environment's ``run.yml`` names for a plain ``kedro run``."""
    loader = OmegaConfigLoader(conf_source=conf_source, env=env, **settings.CONFIG_LOADER_ARGS)
    try:
        return list(loader["run"]["default_pipelines"])
    except MissingConfigException:
        return []


cli.add_command(
    click.Command(
        "run",
        callback=_run,
        params=kedro_run.params,
        help="Run pipelines: data, features, training and evaluation, or those named with --pipelines.\n\n"
        "Examples:\n\n"
        "  kedro run\n\n"
        "  kedro run --pipelines training,evaluation\n\n"
        "  kedro run --params data.source=file,data.path=candles.parquet",
    )
)


cli.add_command(bitbank_sim)


@cli.command()
@click.option("--env", "-e", default=None, help="Check this environment's configuration; default: local.")
@click.pass_obj
def doctor(metadata: ProjectMetadata, env: str | None) -> None:
    """Check environment, configuration, features, data, MLflow and models; exit 1 when something fails."""
    from crypto_kedro.doctor import examine, print_findings

    findings = examine(metadata.project_path, env)
    print_findings(findings)
    if any(finding.status == "fail" for finding in findings):
        raise SystemExit(1)
