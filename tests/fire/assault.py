"""One siege in a process of its own: `assail` begins it, and what it came to is printed as JSON.

Example:
  python tests/fire/assault.py kills 30 --seed 7
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from posts import TRAITOR_NAMES
from project_of_fire import fire_environment, template
from real_disk import IN_A_NAMESPACE
from scenarios_of_fire import SCENARIOS
from siege import Siege

_MINUTES_A_TIME = 120
_FINDINGS_SHOWN = 20


def assail(name: str, times: int, seed: int, traitor: str | None = None) -> dict[str, Any]:
    """Play a scenario in a process of its own and return what it came to.

    Raises:
        RuntimeError: it broke off.
    """
    command = [sys.executable, str(Path(__file__).resolve()), name, str(times), "--seed", str(seed)]
    command += ["--project", str(template())]
    if traitor is not None:
        command += ["--traitor", traitor]
    if SCENARIOS[name].on_a_disk:
        command = [*IN_A_NAMESPACE, *command]
    done = subprocess.run(command, env=fire_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} with seed {seed} broke off: {done.stderr.strip()[-2_000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def besiege(name: str, times: int, seed: int, project: Path, traitor: str | None = None) -> dict[str, Any]:
    """Play a scenario and return what it came to."""
    began = time.monotonic()
    # What a killed process had written stays in the page cache, so memory is as good a place as a disk, and faster.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory, ignore_cleanup_errors=True) as folder:
        minutes = _MINUTES_A_TIME * (times + 20)
        with (
            _mounts_undone(Path(folder)),
            Siege(Path(folder), project, seed, lives=4 * times + 20, minutes=minutes, traitor=traitor) as siege,
        ):
            try:
                SCENARIOS[name].play(siege, times)
                verdict = siege.verdict()
            except Exception as error:
                error.add_note(f"what the siege left behind is kept in {_kept(Path(folder), f'{name}-{seed}')}")
                raise
            history = siege.evidence().history
            kept = None if verdict.survived or traitor is not None else _kept(Path(folder), f"{name}-{seed}")
    return {
        "times": times,
        "seed": seed,
        "survived": verdict.survived,
        "counts": verdict.counts,
        "findings": {kind: getattr(verdict, kind)[:_FINDINGS_SHOWN] for kind, n in verdict.counts.items() if n},
        "kept": kept,
        "traders": len(siege.ends),
        "orders": len(history.orders),
        "fills": len(history.fills),
        "faults": dict(siege.struck),
        "market_hours": round(siege.hours, 1),
        "slowest_end_seconds": round(siege.slowest_end_s, 2),
        "seconds": round(time.monotonic() - began, 1),
    }


def _kept(folder: Path, name: str) -> str:
    """Copy what a siege has left behind to where it can be looked at, and return where that is."""
    kept = tempfile.mkdtemp(prefix=f"siege-{name.replace(' ', '-')}-")
    shutil.copytree(folder, kept, ignore=shutil.ignore_patterns("disk.img"), dirs_exist_ok=True)
    return kept


@contextmanager
def _mounts_undone(folder: Path) -> Iterator[None]:
    try:
        yield
    finally:
        for line in Path("/proc/self/mounts").read_text().splitlines():
            at = line.split()[1]
            if at.startswith(f"{folder}/"):
                subprocess.run(["umount", "--lazy", at], check=True)


@click.command()
@click.argument("name", type=click.Choice(list(SCENARIOS)))
@click.argument("times", type=click.IntRange(1))
@click.option("--seed", default=1, show_default=True, help="Of market, faults and moments.")
@click.option("--project", type=click.Path(path_type=Path), help="Where the traders run; made if left out.")
@click.option("--traitor", type=click.Choice(TRAITOR_NAMES), help="What betrays the traders, for the judge to find.")
def main(name: str, times: int, seed: int, project: Path | None, traitor: str | None) -> None:
    """Play the scenario NAME so many TIMES and print what it came to."""
    # What is imported may print as well; the last line is the result.
    click.echo(json.dumps(besiege(name, times, seed, project or template(), traitor)))


if __name__ == "__main__":
    main()
