"""The proof by fire as one command; its result is a JSON file and a page of the same figures."""

import hashlib
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
from assault import assail
from project_of_fire import template
from results import Results, StaleResultsError
from scenarios_of_fire import SCENARIOS

from crypto_kedro.market.moments import utc_text

_ROOT = Path(__file__).resolve().parents[2]
_SEEDS_A_SCENARIO = 1_000


@dataclass(frozen=True, slots=True)
class _Task:
    """One siege.

    Args:
        scenario: what is done.
        times: how often.
        seed: of market, faults and moments.
        weight: expected seconds on a quiet core.
    """

    scenario: str
    times: int
    seed: int
    weight: float


@click.command(epilog="Example: python tests/fire/prove.py --share 0.02 --only kills --into /tmp/small")
@click.option("--into", required=True, type=click.Path(path_type=Path), help="Results, as .json and .md.")
@click.option("--share", default=1.0, show_default=True, help="Share of the full number of times.")
@click.option("--only", multiple=True, type=click.Choice(list(SCENARIOS)), help="Only this scenario; may be repeated.")
@click.option("--seed", default=1, show_default=True, help="Of markets, faults and moments.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=lambda: os.cpu_count() or 1,
    show_default="number of CPUs",
    help="Sieges at a time.",
)
@click.option("--afresh", is_flag=True, help="Throw results away that are there already.")
def prove(into: Path, share: float, only: tuple[str, ...], seed: int, jobs: int, afresh: bool) -> None:
    """Besiege the trader in every way and keep what was found.

    Each scenario is several sieges, each with a market and a journal of its own. What a siege came to is kept at once:
    the same command, run again after an interruption, plays only those that are missing or broke off. The exit status
    is 1 if anything was found or broke off.
    """
    proof = {**_code(), "machine": _machine(), "seed": seed, "share": share}
    try:
        results = Results.open(into, proof, afresh=afresh)
    except StaleResultsError as error:
        raise click.ClickException(str(error)) from None
    names = list(only or SCENARIOS)
    for name in names:
        reason = SCENARIOS[name].why_not()
        if reason is not None:
            results.leave_out(name, reason)
            click.echo(f"{name}: left out, because {reason}")
    tasks = [task for task in _tasks(names, share, seed) if not results.has(task.scenario, task.seed)]
    _play(tasks, results, jobs)
    if not results.survived:
        raise SystemExit(1)


def _tasks(names: list[str], share: float, seed: int) -> Iterator[_Task]:
    for place, (name, scenario) in enumerate(SCENARIOS.items()):
        if name not in names or scenario.why_not() is not None:
            continue
        left, number = max(1, round(scenario.full * share)), 0
        while left > 0:
            times = min(left, scenario.chunk)
            own_seed = (seed * len(SCENARIOS) + place) * _SEEDS_A_SCENARIO + number
            yield _Task(name, times, own_seed, times * scenario.seconds)
            left, number = left - times, number + 1


def _play(tasks: list[_Task], results: Results, jobs: int) -> None:
    """Play sieges, several at a time, and keep what each came to."""
    total, done, began = sum(task.weight for task in tasks), 0.0, time.monotonic()
    click.echo(f"{len(tasks)} sieges, {jobs} at a time")
    template()
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(_besiege, task): task for task in tasks}
        try:
            for ended in as_completed(running):
                task = running[ended]
                found = _found(ended, task)
                results.add(task.scenario, found, utc_text(time.time_ns() // 1_000_000))
                done += task.weight
                left = timedelta(seconds=(total - done) / done * (time.monotonic() - began))
                click.echo(
                    f"{done / total:4.0%}  {task.scenario}, {task.times} times, seed {task.seed}: {_words(found)}; "
                    f"end expected at {datetime.now() + left:%H:%M}"
                )
        except BaseException:
            # Those that run are ended by the terminal or play on; those that wait are not begun.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _besiege(task: _Task) -> dict[str, Any]:
    return assail(task.scenario, task.times, task.seed)


def _found(ended: "Future[dict[str, Any]]", task: _Task) -> dict[str, Any]:
    error = ended.exception()
    if error is None:
        return ended.result()
    if not isinstance(error, RuntimeError):
        raise error
    return {"times": task.times, "seed": task.seed, "survived": False, "broke_off": str(error)}


def _words(found: dict[str, Any]) -> str:
    if found["survived"]:
        return f"survived, {found['seconds']:.0f} s"
    if "broke_off" in found:
        return f"NOT SURVIVED: {found['broke_off']}"
    return f"NOT SURVIVED: {found['findings']}; journal, orders and wire log are kept in {found['kept']}"


def _code() -> dict[str, str]:
    """Return the commit, and what tells whether two commits and the changes since are the same code."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(_ROOT), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    changes = git("diff", "HEAD", "--", "src", "tests/fire")
    source = "\n".join([git("rev-parse", "HEAD:src", "HEAD:tests/fire"), changes])
    return {
        "git_sha": git("rev-parse", "HEAD") + (" with changes" if changes else ""),
        "source": hashlib.sha256(source.encode()).hexdigest(),
    }


def _machine() -> str:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        named = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = named[0] if named else model
    return f"{model}, {os.cpu_count()} CPUs, {platform.system()}, Python {platform.python_version()}"


if __name__ == "__main__":
    prove()
