"""The proof by fire as one command; its result is a JSON file and a table of the same figures.

Examples:
  python tests/fire/prove.py --into docs/evidence/reliability

  python tests/fire/prove.py --share 0.01 --into /tmp/small
"""

import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import click
from scenarios_of_fire import SCENARIOS
from siege import Siege

from crypto_kedro.market.moments import utc_text

_MINUTES_A_TIME = 60
_COLUMNS = {
    "duplicate_orders": "duplicates",
    "unannounced_orders": "unannounced",
    "lost_fills": "lost fills",
    "unprotected": "unprotected",
    "fenced_orders": "fenced",
    "equity": "money off",
}


@click.command()
@click.option("--into", required=True, type=click.Path(path_type=Path), help="Results, as .json and .md.")
@click.option("--share", default=1.0, show_default=True, help="Share of the full number of times.")
@click.option("--only", multiple=True, type=click.Choice(list(SCENARIOS)), help="Only these scenarios.")
@click.option("--seed", default=1, show_default=True, help="Of markets, faults and moments.")
def prove(into: Path, share: float, only: tuple[str, ...], seed: int) -> None:
    """Besiege the trader in every way and keep what was found."""
    results: dict[str, Any] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}",
        "ended": "",
        "seed": seed,
        "scenarios": {},
    }
    for name in only or SCENARIOS:
        scenario, _, full = SCENARIOS[name]
        times = max(1, round(full * share))
        results["scenarios"][name] = found = besiege(scenario, times, seed)
        results["ended"] = utc_text(time.time_ns() // 1_000_000)
        # Kept after each scenario: the whole proof takes hours.
        _keep(into.with_suffix(".json"), json.dumps(results, indent=2) + "\n")
        _keep(into.with_suffix(".md"), table(results))
        click.echo(f"{name}: {times} times, {'survived' if found['survived'] else found['findings']}")
    if not all(found["survived"] for found in results["scenarios"].values()):
        raise SystemExit(1)


def besiege(scenario: Any, times: int, seed: int) -> dict[str, Any]:
    """Play one scenario and return what it came to."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        minutes = _MINUTES_A_TIME * (times + 20)
        with Siege(Path(folder), seed, lives=4 * times + 20, minutes=minutes) as siege:
            scenario(siege, times)
            verdict = siege.verdict()
            history = siege.evidence().history
            hours = (siege.clock() - siege.began_ms) / 3_600_000
    return {
        "times": times,
        "survived": verdict.survived,
        "counts": verdict.counts,
        "findings": {name: getattr(verdict, name)[:20] for name, count in verdict.counts.items() if count},
        "traders": len(siege.ends),
        "orders": len(history.orders),
        "fills": len(history.fills),
        "market_hours": round(hours, 1),
        "seconds": round(time.monotonic() - began),
    }


def table(results: dict[str, Any]) -> str:
    """Write the figures as Markdown."""
    heads = ["what was done", "times", "traders", "market hours", "orders", "fills", *_COLUMNS.values()]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name, found in results["scenarios"].items():
        figures = [found[key] for key in ("times", "traders", "market_hours", "orders", "fills")]
        cells = [name, *figures, *(found["counts"][key] for key in _COLUMNS)]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join([*lines, "", f"Seed {results['seed']}, {results['machine']}, ended {results['ended']}.", ""])


def _keep(path: Path, text: str) -> None:
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.write_text(text)
    unfinished.replace(path)


if __name__ == "__main__":
    prove()
