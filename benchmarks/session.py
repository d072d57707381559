"""Measure the demands on a session: order after the bar, inference, cold start, memory, thirty simulated days.

Run from the root of a project in which a model was trained: ``python benchmarks/session.py``, with ``--only`` for some
of the parts and ``--into FILE`` to keep the figures as JSON.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import session_model
import session_month
import session_order
import session_start
from machine import machine
from session_parts import Figures

PARTS: dict[str, Callable[[Path], Figures]] = {
    "order": session_order.measure,
    "throttled": lambda project: session_order.measure(project, 20, throttle=True),
    "inference": session_model.measure,
    "start": session_start.measure_start,
    "memory": session_start.measure_memory,
    "month": session_month.measure,
}


def main() -> None:
    """Measure the parts that are asked for and print their figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--project", type=Path, default=Path(), help="project in which a model was trained")
    parser.add_argument("--into", type=Path, help="file to keep the figures in")
    asked = parser.parse_args()
    found: dict[str, Figures] = {}
    print(machine())
    for part in asked.only:
        found[part] = PARTS[part](asked.project)
        print(f"\n{part}")
        for name, value in found[part].items():
            print(f"  {name:<48}{value:>14,}")
    if asked.into is not None:
        asked.into.write_text(json.dumps({"machine": machine(), **found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
