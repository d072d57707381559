"""Time and peak memory of a whole ``kedro run``: ``python benchmarks/pipelines.py [candles.parquet]``.

The synthetic market comes first, then the candles of a file if one is named. Each run is a process of its own, in a
copy of the project without data, so nothing here is touched.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import machine

PROJECT = Path(__file__).resolve().parents[1]
KEDRO = Path(sys.executable).with_name("kedro")


def measure(parameters: str) -> tuple[float, float]:
    """Return wall-clock seconds and peak resident memory in GB of one run."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        for part in ("src/crypto_kedro", "conf/base"):
            shutil.copytree(PROJECT / part, project / part)
        shutil.copy(PROJECT / "pyproject.toml", project)
        (project / "conf" / "local").mkdir()
        command = [KEDRO, "run", *(["--params", parameters] if parameters else [])]
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"kedro run failed with status {status}; run it by hand to see why")
        return time.perf_counter() - started, usage.ru_maxrss / 1e6


def main(candles: str | None) -> None:
    """Measure and print one line a source."""
    print(machine())
    sources = {"180 synthetic days": ""}
    if candles:
        sources[Path(candles).name] = f"data.source=file,data.path={Path(candles).resolve()}"
    for name, parameters in sources.items():
        seconds, memory = measure(parameters)
        print(f"{name:40s} {seconds:6.1f} s  {memory:5.2f} GB")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
