"""``kedro stop`` and ``kedro resume``: the kill switch in a terminal."""

import asyncio
import getpass
import os
import time
from pathlib import Path

import click
from kedro.framework.startup import ProjectMetadata

from crypto_kedro.errors import ConfigurationError, CryptoKedroError
from crypto_kedro.session.folder import SessionFolder

_ENVIRONMENTS = ("live", "paper")


@click.command()
@click.option("--reason", required=True, help="Why; kept in the journal with your user name.")
@click.option("--flatten", is_flag=True, help="Also close what is open, in the trader's next cycle.")
@click.option("--env", "-e", default=None, help="Stop only this environment; default: all of them.")
@click.pass_obj
def stop(metadata: ProjectMetadata, reason: str, flatten: bool, env: str | None) -> None:
    """Halt trading: nothing more is opened, and what is open keeps its stop.

    It works with and without a running trader, and lasts over restarts until `kedro resume`.

    Examples: kedro stop --reason "news at nine", kedro stop --env live --flatten --reason "leaving the market"
    """
    from crypto_kedro.session.stop import StopOrder, stop_session

    order = StopOrder(_person(), _required(reason), flatten)
    try:
        folders = _folders(metadata.project_path, env)
    except ConfigurationError as error:
        raise click.ClickException(f"NOT halted: {error}") from error
    failures = []
    for folder in folders:
        try:
            troubles = stop_session(folder, order, _now_ms())
        except CryptoKedroError as error:
            failures.append(str(error))
            continue
        click.echo(f"{folder.environment}: halted. {_trader(folder)}")
        for trouble in troubles:
            click.echo(f"{folder.environment}: {trouble}", err=True)
    if failures:
        raise click.ClickException("NOT halted: " + "; ".join(failures))


@click.command()
@click.option("--reason", required=True, help="Why trading may go on; kept in the journal with your user name.")
@click.option("--env", "-e", default=None, help="Resume this environment; default: the one that is halted.")
@click.pass_obj
def resume(metadata: ProjectMetadata, reason: str, env: str | None) -> None:
    """Allow trading again after a halt, whoever halted it.

    Examples: kedro resume --reason "the feed is back", kedro resume --env live --reason "drawdown understood"
    """
    from crypto_kedro.session.stop import resume_session, standing_halt

    by, words = _person(), _required(reason)
    try:
        folder = _halted_folder(metadata.project_path, env)
        halt = standing_halt(folder)
        resume_session(folder, by, words, _now_ms())
    except CryptoKedroError as error:
        raise click.ClickException(str(error)) from error
    if halt is not None:
        click.echo(f"{folder.environment}: had been halted by {halt.by}: {halt.reason}")
    click.echo(f"{folder.environment}: trading is allowed again.")


def _folders(project_path: Path, env: str | None) -> tuple[SessionFolder, ...]:
    """Return what a stop concerns; before the first session that is what might be started."""
    if env is not None:
        return (_folder(project_path, env),)
    started = SessionFolder.all(project_path)
    return started or tuple(SessionFolder.of(project_path, name) for name in _ENVIRONMENTS)


def _folder(project_path: Path, env: str) -> SessionFolder:
    """Return the folder of an environment that exists; a misspelt one must not seem to be halted."""
    folder = SessionFolder.of(project_path, env)
    if not folder.root.is_dir() and env not in _ENVIRONMENTS:
        started = ", ".join(one.environment for one in SessionFolder.all(project_path)) or "none yet"
        raise ConfigurationError(f"no session ever ran in environment {env!r}; sessions ran in: {started}")
    return folder


def _halted_folder(project_path: Path, env: str | None) -> SessionFolder:
    from crypto_kedro.session.stop import StopError, standing_halt

    if env is not None:
        return _folder(project_path, env)
    halted = [folder for folder in SessionFolder.all(project_path) if standing_halt(folder) is not None]
    if not halted:
        raise StopError("trading is not halted in any environment; there is nothing to resume")
    if len(halted) > 1:
        names = ", ".join(folder.environment for folder in halted)
        raise ConfigurationError(f"trading is halted in {names}; name one of them with --env")
    return halted[0]


def _trader(folder: SessionFolder) -> str:
    """Say who is going to obey."""
    from crypto_kedro.session.lease import LeaseStoreError, LeaseTerms, SqliteLease

    try:
        holder = asyncio.run(SqliteLease(folder.lease, LeaseTerms()).held_by())
    except LeaseStoreError as error:
        return f"Whether a trader runs cannot be told: {error}"
    return f"The trader, {holder}, obeys within a second." if holder else "No trader runs; it holds for the next one."


def _required(reason: str) -> str:
    if not reason.strip():
        raise click.UsageError("give a reason; it is kept in the journal")
    return reason.strip()


def _person() -> str:
    """Return the user's name; a kill switch must not fail for the lack of one."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
