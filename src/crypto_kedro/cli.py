"""The project's own commands; each of them answers bad input with one clear sentence."""

import json
import os
from typing import Any

import click
from click.core import ParameterSource
from kedro.config import MissingConfigException
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import CONTEXT_SETTINGS
from kedro.framework.project import settings
from kedro.framework.startup import ProjectMetadata

from crypto_kedro.accounts import accounts
from crypto_kedro.configuration import open_loader
from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.exchange.simulator.command import bitbank_sim
from crypto_kedro.reporting.messages.command import try_messages
from crypto_kedro.session.journal.commands import lineage, replay
from crypto_kedro.session.stop_commands import resume, stop

TRADING = "trading"
_RUN_PARAMS = next(option for option in kedro_run.params if option.name == "params")


@click.group(context_settings=CONTEXT_SETTINGS, name="crypto-kedro")
def cli() -> None:
    """Commands of crypto-kedro."""


def _run(**options: Any) -> None:
    _refuse_armed_elsewhere(options["params"])
    try:
        if not (options["pipeline"] or options["pipelines"]):
            metadata: ProjectMetadata = click.get_current_context().obj
            conf_source = options["conf_source"] or str(metadata.project_path / settings.CONF_SOURCE)
            options["pipelines"] = default_pipelines(conf_source, options["env"] or os.environ.get("KEDRO_ENV"))
        if list(options["pipelines"]) == [TRADING]:
            # kedro-viz would import pandas to count the rows of datasets, of which a session has none.
            settings.set("DISABLE_HOOKS_FOR_PLUGINS", ("kedro-viz",))
        assert kedro_run.callback is not None
        kedro_run.callback(**options)
    except Exception as error:
        sentence = _own_error(error)
        if sentence is None:
            raise
        raise click.ClickException(str(sentence)) from error


def _refuse_armed_elsewhere(params: dict[str, Any]) -> None:
    """Refuse the arming switch in a file of options, see ``kedro run --config``."""
    source = click.get_current_context().get_parameter_source("params")
    if source != ParameterSource.COMMANDLINE and "armed" in (params.get("session") or {}):
        raise click.ClickException("--config sets session.armed; give --params session.armed=true for one run instead")


def _own_error(error: BaseException | None) -> CryptoKedroError | None:
    """Return the project's own error behind what Kedro raised, if there is one."""
    while error is not None and not isinstance(error, CryptoKedroError):
        error = error.__cause__ or error.__context__
    return error


def default_pipelines(conf_source: str, env: str | None) -> list[str]:
    """Return the pipelines that an environment's ``run.yml`` names for a plain ``kedro run``."""
    loader = open_loader(conf_source, env)
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


for command in (bitbank_sim, replay, lineage, stop, resume, accounts, try_messages):
    cli.add_command(command)


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


@cli.command(params=[_RUN_PARAMS])
@click.option(
    "--at",
    required=True,
    metavar="MOMENT",
    help="When the decision was taken: the close of its 15-minute bar. A moment without an offset is UTC; "
    "between two decisions the earlier one is explained.",
)
@click.option("--env", "-e", default=None, help="Use this environment's configuration; default: local.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON, on the last line of the output.")
@click.pass_obj
def explain(metadata: ProjectMetadata, at: str, env: str | None, params: dict[str, Any], as_json: bool) -> None:
    """Explain one decision of the evaluation on disk, gate by gate, and what came of it.

    Examples: kedro explain --at 2018-07-24T16:00Z, kedro explain --at 2018-07-25T01:00+09:00 --json
    """
    from rich.console import Console

    from crypto_kedro.explain import explain_moment
    from crypto_kedro.reporting.decision_text import print_explanation

    try:
        explanation = explain_moment(metadata.project_path, at, env, params)
    except CryptoKedroError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(explanation.as_dict(), allow_nan=False))
    else:
        print_explanation(explanation, Console())


@cli.command()
@click.option("--version", metavar="N", help="The registered version to take for paper trading.")
@click.option("--reason", default="", help="Why the gates are overruled; kept in the lineage with your user name.")
@click.option("--list", "listed", is_flag=True, help="Show all versions with aliases and verdicts, change nothing.")
@click.option("--env", "-e", default=None, help="Use this environment's configuration; default: local.")
@click.pass_obj
def promote(metadata: ProjectMetadata, version: str | None, reason: str, listed: bool, env: str | None) -> None:
    """Overrule the gates for PAPER trading: the version gets the alias paper-champion, never champion.

    Who did it, when, why and against which gates is recorded with the version. Real money takes only a model that
    passed every gate.

    Examples: kedro promote --list, kedro promote --version 3 --reason "watch it for a month"
    """
    if listed == (version is not None):
        raise click.UsageError("promote: give either --list, or --version with --reason")
    from rich.console import Console

    from crypto_kedro.promote import all_standings, print_standings, promote_for_paper

    try:
        if version is None:
            print_standings(all_standings(metadata.project_path, env), Console())
            return
        standing = promote_for_paper(metadata.project_path, version, reason, env)
    except CryptoKedroError as error:
        raise click.ClickException(str(error)) from error
    failed = ", ".join(standing.failed) or "none"
    click.echo(f"Version {version} is paper-champion now. Gates that had failed: {failed}.")
