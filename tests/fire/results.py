"""What the proof has found so far: kept after every siege, so that an interruption loses no more than one."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from scenarios_of_fire import SCENARIOS

_SUMS = ("times", "traders", "orders", "fills", "market_hours", "seconds")
_COLUMNS = {
    "duplicate_orders": "duplicates",
    "unannounced_orders": "unannounced",
    "lost_fills": "lost fills",
    "unprotected": "unprotected",
    "fenced_orders": "fenced",
    "equity": "money off",
}


class StaleResultsError(Exception):
    """The results that are there belong to another proof."""


class Results:
    """Results of a proof in two files, one of JSON and a table of the same figures.

    Args:
        into: the files, without their suffixes.
        proof: what is proved: source, machine, seed and share; results of another proof are not gone on with.
    """

    def __init__(self, into: Path, proof: dict[str, Any]) -> None:
        self._into = into
        self._all: dict[str, Any] = {
            "proof": proof,
            "ended": None,
            "scenarios": {},
            "left_out": {},
            "sieges": [],
            "broke_off": [],
        }

    @classmethod
    def open(cls, into: Path, proof: dict[str, Any], *, afresh: bool) -> Self:
        """Go on with the results that are there, or begin.

        Raises:
            StaleResultsError: they belong to another proof.
        """
        results = cls(into, proof)
        path = into.with_suffix(".json")
        if afresh or not path.exists():
            return results
        before = json.loads(path.read_text())
        differences = {key for key in proof if key != "git_sha" and before.get("proof", {}).get(key) != proof[key]}
        if differences:
            raise StaleResultsError(
                f"{path} holds results with another {', '.join(sorted(differences))}; begin with --afresh, or name "
                "another file with --into"
            )
        results._all = before
        return results

    @property
    def survived(self) -> bool:
        """Whether nothing was found and nothing broke off."""
        return all(siege["survived"] for siege in self._all["sieges"])

    def has(self, scenario: str, seed: int) -> bool:
        """Whether a siege was played to its end and judged, whatever the verdict."""
        return any(
            (siege["scenario"], siege["seed"]) == (scenario, seed) and "counts" in siege
            for siege in self._all["sieges"]
        )

    def add(self, scenario: str, found: dict[str, Any], ended: str) -> None:
        """Keep what a siege came to; one that broke off before is told of all the same."""
        sieges = [one for one in self._all["sieges"] if (one["scenario"], one["seed"]) != (scenario, found["seed"])]
        for one in self._all["sieges"]:
            if one not in sieges:
                self._all["broke_off"].append(one)
        order = list(SCENARIOS)
        sieges.append({"scenario": scenario, **found})
        self._all["sieges"] = sorted(sieges, key=lambda one: (order.index(one["scenario"]), one["seed"]))
        self._all["ended"] = ended
        self._keep()

    def leave_out(self, scenario: str, reason: str) -> None:
        """Note that a scenario cannot be played here."""
        self._all["left_out"][scenario] = reason
        self._keep()

    def _keep(self) -> None:
        names = dict.fromkeys(siege["scenario"] for siege in self._all["sieges"])
        self._all["scenarios"] = {
            name: summary(siege for siege in self._all["sieges"] if siege["scenario"] == name) for name in names
        }
        self._into.parent.mkdir(parents=True, exist_ok=True)
        _replace(self._into.with_suffix(".json"), json.dumps(self._all, indent=2) + "\n")
        _replace(self._into.with_suffix(".md"), report(self._all))


def summary(sieges: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Add up what the sieges of one scenario came to."""
    whole = [siege for siege in sieges if "counts" in siege]
    counts: Counter[str] = Counter(dict.fromkeys(_COLUMNS, 0))
    faults: Counter[str] = Counter()
    for siege in whole:
        counts.update(siege["counts"])
        faults.update(siege["faults"])
    return {
        "sieges": len(whole),
        **{key: round(sum(siege[key] for siege in whole), 1) for key in _SUMS},
        "counts": dict(counts),
        "faults": dict(faults),
        "slowest_end_seconds": max((siege["slowest_end_seconds"] for siege in whole), default=0.0),
    }


def report(results: dict[str, Any]) -> str:
    """Write the figures as a Markdown page."""
    proof, scenarios = results["proof"], results["scenarios"]
    heads = ["what was done", "times", "traders", "market hours", "orders", "fills", *_COLUMNS.values()]
    lines = [
        "# Reliability",
        "",
        "What [the proof by fire](../fire.md) found, counted from the exchange's own log.",
        "",
        "| " + " | ".join(heads) + " |",
        "|" + "---|" * len(heads),
    ]
    for name, found in scenarios.items():
        figures = [f"{found[key]:,}" for key in ("times", "traders", "market_hours", "orders", "fills")]
        lines.append("| " + " | ".join([name, *figures, *(str(found["counts"][key]) for key in _COLUMNS)]) + " |")
    struck = sum((Counter(found["faults"]) for found in scenarios.values()), Counter())
    slowest = max((found["slowest_end_seconds"] for found in scenarios.values()), default=0.0)
    lines += ["", *(f"{name}: left out, because {reason}.\n" for name, reason in results["left_out"].items())]
    broken = [siege for siege in results["sieges"] if "counts" not in siege]
    lines += [f"{siege['scenario']}, seed {siege['seed']}: broke off.\n" for siege in broken]
    lines += [f"{siege['scenario']}, seed {siege['seed']}: broke off once.\n" for siege in results["broke_off"]]
    lines += [
        f"Faults that struck: {', '.join(f'{kind} {count:,}' for kind, count in sorted(struck.items()))}.",
        "",
        f"The slowest end after SIGTERM took {slowest:.1f} s.",
        "",
        f"Code {proof['git_sha']}, seed {proof['seed']}, share {proof['share']:g} of the full number.",
        f"{proof['machine']}; ended {results['ended']}.",
        "",
    ]
    return "\n".join(lines)


def _replace(path: Path, text: str) -> None:
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.write_text(text)
    unfinished.replace(path)
