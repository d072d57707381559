"""``kedro promote``: see where the registered versions stand, and overrule the gates for paper trading."""

import getpass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.parameters import TrackingParameters, validate_parameters
from crypto_kedro.project import project_context
from crypto_kedro.tracking.overrule import Overruling, VersionStanding, overrule, standings
from crypto_kedro.tracking.run import connect
from crypto_kedro.tracking.target import TrackingTarget

DEMONSTRATION = "demo"


def promote_for_paper(project_path: Path, version: str, reason: str, env: str | None = None) -> VersionStanding:
    """Overrule the gates for a version, for paper only, in the name of whoever runs this process.

    Args:
        project_path: root of the Kedro project.
        version: of the registered model.
        reason: why.
        env: configuration environment; only `DEMONSTRATION` takes a model of the synthetic market.

    Raises:
        ConfigurationError: a parameter is wrong, MLflow cannot be reached, or the user has no name.
        LineageError: see `overrule`.
    """
    overruling = Overruling(version, reason, _person(), datetime.now(UTC), env == DEMONSTRATION)
    return overrule(_connected(project_path, env).registered_model, overruling)


def all_standings(project_path: Path, env: str | None = None) -> list[VersionStanding]:
    """Return where every registered version stands, the newest first.

    Raises:
        ConfigurationError: a parameter is wrong, or MLflow cannot be reached.
    """
    return standings(_connected(project_path, env).registered_model)


def print_standings(found: list[VersionStanding], console: Console) -> None:
    """Print a table of versions, or that there are none."""
    if not found:
        console.print("No version is registered yet; run `kedro run` first.")
        return
    table = Table(title="Registered versions", title_justify="left")
    for heading in ("Version", "Aliases", "Candles", "Final window opened", "Verdict", "Overruled for paper"):
        table.add_column(heading, overflow="fold")
    for one in found:
        table.add_row(
            one.version,
            ", ".join(one.aliases),
            one.data_source,
            f"{one.openings} times" if one.openings != 1 else "once",
            one.verdict or "not evaluated yet",
            one.overruled or "",
        )
    console.print(table)


def _connected(project_path: Path, env: str | None) -> TrackingParameters:
    with project_context(project_path, env) as context:
        tracking = validate_parameters(context.config_loader["parameters"]).tracking
    connect(TrackingTarget(tracking.uri, tracking.artifact_root, tracking.experiment), project_path)
    return tracking


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise ConfigurationError("promote: this user has no name to record; set LOGNAME") from error
