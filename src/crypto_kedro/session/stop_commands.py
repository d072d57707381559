"""``kedro stop`` and ``kedro resume``: the kill switch in a terminal."""

import asyncio
import getpass
import io
import os
import sys
import time
from pathlib import Path

import click
from kedro.framework.startup import ProjectMetadata

from crypto_kedro.errors import ConfigurationError, CryptoKedroError
from crypto_kedro.session.folder import ENVIRONMENT_FOLDERS, SessionFolder
from crypto_kedro.session.stop_order import plain_text

_BY_HAND = "stopped by hand"
_UNASKED = "A lease in a bucket was not asked; a trader that holds one obeys if it keeps its files in these folders."


@click.command()
@click.option("--reason", default=_BY_HAND, show_default=True, help="Why; kept in the journal with your user name.")
@click.option("--flatten", is_flag=True, help="Also close what is open, in the trader's next cycle.")
@click.option(
    "--env",
    "-e",
    default=None,
    help="Stop only this environment, paper or live, with its rehearsal and simulator, or only this folder, such as "
    "simulator; default: all folders.",
)
@click.pass_obj
def stop(metadata: ProjectMetadata, reason: str, flatten: bool, env: str | None) -> None:
    """Halt trading: nothing more is opened, and what is open keeps its stop; the trader's process goes on.

    It works with and without a running trader, and lasts over restarts until `kedro resume`.

    Examples: kedro stop, kedro stop --env live --flatten --reason "leaving the market"
    """
    from crypto_kedro.session.stop import StopOrder, stop_session

    _echo_any_text()
    order = StopOrder(_person(), plain_text(reason, _BY_HAND), flatten)
    try:
        folders = _folders(metadata.project_path, env)
    except ConfigurationError as error:
        raise click.ClickException(f"NOT halted: {error}") from error
    failures, are_named = [], True
    for folder in folders:
        try:
            troubles = stop_session(folder, order, _now_ms())
        except CryptoKedroError as error:
            failures.append(str(error))
            continue
        trader = _trader(folder)
        are_named = are_named and trader is not None
        click.echo(f"{folder.name}: halted. {trader or 'No trader holds its lease on this machine.'}")
        for trouble in troubles:
            click.echo(f"{folder.name}: {trouble}", err=True)
    if not are_named:
        click.echo(_UNASKED)
    if failures:
        raise click.ClickException("NOT halted: " + "; ".join(failures))


@click.command()
@click.option("--reason", required=True, help="Why trading may go on; kept in the journal with your user name.")
@click.option(
    "--env",
    "-e",
    default=None,
    help="Resume what is halted of this environment, paper or live, or only this folder, such as simulator; "
    "default: the one that is halted.",
)
@click.pass_obj
def resume(metadata: ProjectMetadata, reason: str, env: str | None) -> None:
    """Allow trading again after a halt, whoever halted it.

    Examples: kedro resume --reason "the feed is back", kedro resume --env live --reason "drawdown understood"
    """
    _echo_any_text()
    by, words = _person(), _required(reason)
    try:
        folders = (_halted_folder(metadata.project_path),) if env is None else _folders(metadata.project_path, env)
    except CryptoKedroError as error:
        raise click.ClickException(str(error)) from error
    resumed, failures = False, []
    for folder in folders:
        try:
            resumed |= _resume(folder, by, words)
        except CryptoKedroError as error:
            failures.append(str(error))
    if failures:
        raise click.ClickException("; ".join(failures))
    if not resumed:
        raise click.ClickException(f"{env}: trading is not halted; there is nothing to resume")


def _resume(folder: SessionFolder, by: str, reason: str) -> bool:
    """Allow a folder's trading again; return whether it was halted."""
    from crypto_kedro.session.stop import resume_session, standing_halt

    halt = standing_halt(folder)
    if halt is None:
        return False
    resume_session(folder, by, reason, _now_ms())
    click.echo(f"{folder.name}: had been halted by {halt.by}: {halt.reason}")
    click.echo(f"{folder.name}: trading is allowed again.")
    return True


def _folders(project_path: Path, env: str | None) -> tuple[SessionFolder, ...]:
    """Return what a name concerns, or everything; before the first session that is what might be started.

    Raises:
        ConfigurationError: there is no such name; a misspelt one must not seem to be halted.
    """
    started = SessionFolder.all(project_path)
    possible = tuple(folder for name in ENVIRONMENT_FOLDERS for folder in SessionFolder.named(project_path, name))
    if env is None:
        return started or possible
    folders = SessionFolder.named(project_path, env)
    if not set(folders) & {*started, *possible}:
        names = ", ".join(one.name for one in started) or "none yet"
        raise ConfigurationError(f"no session ever ran in environment {env!r}; sessions ran in: {names}")
    return folders


def _halted_folder(project_path: Path) -> SessionFolder:
    from crypto_kedro.session.stop import StopError, standing_halt

    halted = [folder for folder in SessionFolder.all(project_path) if standing_halt(folder) is not None]
    if not halted:
        raise StopError("trading is not halted in any environment; there is nothing to resume")
    if len(halted) > 1:
        names = ", ".join(folder.name for folder in halted)
        raise ConfigurationError(f"trading is halted in {names}; name one of them with --env")
    return halted[0]


def _trader(folder: SessionFolder) -> str | None:
    """Say who is going to obey; None when nobody holds the lease that lies in the folder."""
    from crypto_kedro.session.lease import LeaseStoreError, LeaseTerms, SqliteLease

    try:
        holder = asyncio.run(SqliteLease(folder.lease, LeaseTerms()).held_by())
    except LeaseStoreError as error:
        return f"Whether a trader runs cannot be told: {error}"
    return None if holder is None else f"The trader, {holder}, obeys within a second."


def _required(reason: str) -> str:
    words = plain_text(reason)
    if not words:
        raise click.UsageError("give a reason; it is kept in the journal")
    return words


def _echo_any_text() -> None:
    """Let a terminal of any encoding show a reason: it replaces the characters that it lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _person() -> str:
    """Return the user's name; a kill switch must not fail for the lack of one."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
