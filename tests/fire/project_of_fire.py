"""A project in which `kedro run --env live` may trade at an exchange on this machine; made once for all sieges."""

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click

_HERE = Path(__file__).resolve().parent
_TESTS = _HERE.parent
_PATHS = (_HERE, _TESTS, _TESTS / "session" / "live", _TESTS.parent / "src")
CHANGES: dict[str, object] = {
    "labels.max_bars": 2,
    "labels.stop_loss_atr": 1.0,
    "labels.take_profit_atr": 1.5,
    "trading.min_expected_value": 0.0,
    "trading.guards.max_data_age_seconds": 901,
    "trading.guards.max_spread": 0.05,
    "trading.guards.max_jump": 0.5,
    "trading.guards.max_volatility": 0.5,
    "trading.guards.max_daily_loss": 1.0,
    "trading.guards.max_weekly_loss": 1.0,
    "trading.guards.max_drawdown": 1.0,
    "trading.guards.max_losses_in_a_row": 100_000,
    "trading.guards.max_trades_a_day": 100_000,
}
"""Settings that differ from ``conf/base``, for many trades; the champion is judged under them."""


def fire_environment() -> dict[str, str]:
    """Return an environment in which everything of the proof can be imported."""
    given = filter(None, [os.environ.get("PYTHONPATH")])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, _PATHS), *given])}


@functools.cache
def template() -> Path:
    """Return a project whose champion buys whenever it may; it is removed when this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="project-of-fire-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = subprocess.run(
        [sys.executable, __file__, str(folder)], env=fire_environment(), capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    return folder / "project"


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def make(folder: Path) -> None:
    """Make the project in FOLDER."""
    from camp import START_MS
    from live_project import MODEL, copy_project, sanguine_bundle, write_paper_journal
    from registered_models import judged, settings_with, trained

    from crypto_kedro.tracking.run import connect
    from crypto_kedro.tracking.target import TrackingTarget

    project = copy_project(folder / "project")
    (project / "data").mkdir()
    connect(TrackingTarget("sqlite:///data/mlflow.db", "data/mlartifacts", "crypto-kedro"), project)
    bundle = sanguine_bundle(folder / "bundle")
    judged(trained(bundle, MODEL), settings=settings_with(CHANGES))
    write_paper_journal(project, bundle.digest, START_MS, changes=CHANGES)


if __name__ == "__main__":
    make()
