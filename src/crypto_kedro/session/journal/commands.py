"""``kedro replay`` and ``kedro lineage``: reading a journal in a terminal."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from kedro.framework.startup import ProjectMetadata

from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.session.folder import chosen_journal

if TYPE_CHECKING:
    from crypto_kedro.session.journal.lineage import OrderLineage
    from crypto_kedro.session.journal.replay import SessionReplay

_SHOWN = 10
"""Differences of one session that are printed."""


def _of_a_journal(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name a journal."""
    environment = click.option(
        "--env",
        "-e",
        default=None,
        help="Read the journal of this environment or folder, such as paper or simulator; default: the only one.",
    )
    file = click.option(
        "--journal",
        "file",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Read this file, for example a copy of another machine's journal.",
    )
    return environment(file(command))


@click.command()
@click.option("--session", "session_id", default=None, metavar="ID", help="Replay this session; default: all of them.")
@_of_a_journal
@click.pass_obj
def replay(metadata: ProjectMetadata, session_id: str | None, env: str | None, file: Path | None) -> None:
    """Let the decision core decide again over a journal; exit 1 unless every decision is the same, byte for byte.

    The hash chain is verified first.

    Examples: kedro replay, kedro replay --env live --session 20261124-091500-3f
    """
    from crypto_kedro.session.journal import Journal
    from crypto_kedro.session.journal.replay import replay as replay_journal

    try:
        with Journal.open(file or chosen_journal(metadata.project_path, env), read_only=True) as journal:
            result = replay_journal(journal, session_id)
    except CryptoKedroError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{result.head.seq} entries, the chain holds; the last hash is {result.head.hash}")
    for session in result.sessions:
        _tell(session)
    if not result.is_same:
        raise SystemExit(1)


@click.command()
@click.option("--order", "order_id", required=True, type=int, metavar="ID", help="The exchange's number of the order.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, on the last line of the output.")
@click.option("--registry", is_flag=True, help="Also hold what the journal says against MLflow's registry.")
@_of_a_journal
@click.pass_obj
def lineage(
    metadata: ProjectMetadata, order_id: int, as_json: bool, registry: bool, env: str | None, file: Path | None
) -> None:
    """Show where an order came from: decision, bundle, model version, run, commits and candles.

    A link that is missing is an error, and with --registry one that MLflow contradicts.

    Examples: kedro lineage --order 17, kedro lineage --order 17 --env live --registry --json
    """
    from crypto_kedro.session.journal import Journal
    from crypto_kedro.session.journal.lineage import trace_order

    try:
        with Journal.open_as_evidence(file or chosen_journal(metadata.project_path, env)) as journal:
            traced = trace_order(journal, order_id)
        if registry:
            _confirm(metadata.project_path, traced)
    except CryptoKedroError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(traced.as_dict(), allow_nan=False))
        return
    for link in traced.links:
        click.echo(f"{link.name:<10} {link.value}")


def _confirm(project_path: Path, traced: "OrderLineage") -> None:
    """Compare an order's lineage with the registry of the environment that its session traded in."""
    from crypto_kedro.parameters import validate_parameters
    from crypto_kedro.project import project_context
    from crypto_kedro.tracking.claims import confirm_claims
    from crypto_kedro.tracking.run import connect
    from crypto_kedro.tracking.target import TrackingTarget

    origin = traced.origin.record
    with project_context(project_path, origin.environment) as context:
        tracking = validate_parameters(context.config_loader["parameters"]).tracking
    connect(TrackingTarget(tracking.uri, tracking.artifact_root, tracking.experiment), project_path)
    confirm_claims(origin.lineage.model_version, traced.claims)


def _tell(session: "SessionReplay") -> None:
    differing = len(session.differences)
    verdict = "all of them the same" if session.is_same else f"{differing} of them NOT the same"
    click.echo(f"Session {session.session_id}: {session.decisions} decisions taken again, {verdict}.")
    for one in session.differences[:_SHOWN]:
        click.echo(f"  cycle {one.cycle_id}, entry {one.seq}: {one.what}")
    if differing > _SHOWN:
        click.echo(f"  and {differing - _SHOWN} more")
    if session.undecided:
        click.echo(f"  cycles that ended before they decided: {', '.join(session.undecided)}")
