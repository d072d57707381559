"""A session as a process: how long from its start to its first cycle, and how much memory it keeps.

``kedro run --env paper`` is started as a user starts it, beside a simulator that runs already or with the embedded one.
The first cycle is done when ``/ready`` of its page says so. Nothing is measured inside of the process.
"""

import contextlib
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from mlflow import MlflowClient
from session_parts import Figures
from simulator_client import processor_seconds, resident_mib

PATIENCE_S = 300.0
KEDRO = Path(sys.executable).with_name("kedro")
COMPILED = Path(tempfile.gettempdir(), "crypto-kedro-compiled")
EMBEDDED, BESIDE = "embedded simulator", "simulator beside it"


def project_copy(project: Path, folder: Path) -> Path:
    """Return a project of its own with the models of another, so that no session there is disturbed."""
    copy = folder / "project"
    copy.mkdir()
    (copy / "src").mkdir()
    for name in ("conf", "pyproject.toml"):
        (copy / name).symlink_to((project / name).resolve())
    models = copy / "data" / "06_models"
    models.mkdir(parents=True)
    registry = copy / "data" / "mlflow.db"
    shutil.copy(project / "data" / "mlflow.db", registry)
    # Any model will do for the time that it takes; beside a real market a session takes no challenger.
    client = MlflowClient(f"sqlite:///{registry}")
    (model,) = client.search_registered_models()
    client.set_registered_model_alias(model.name, "paper-champion", model.aliases["challenger"])
    return copy


def measure_start(project: Path, runs: int = 5) -> Figures:
    """Return the seconds to the first cycle: median and worst of several starts, and the processor time in them."""
    figures: Figures = {}
    for kind in (BESIDE, EMBEDDED):
        walls, used, first_words = [], [], []
        with tempfile.TemporaryDirectory() as folder:
            copy = project_copy(project, Path(folder))
            for run in range(runs + 1):
                with _exchange(kind, Path(folder)) as exchange, _session(copy, exchange) as session:
                    wall, processor, spoke = session.until_ready()
                # The first start compiles what Python has not met before, and reads the registry.
                if run:
                    walls.append(wall)
                    used.append(processor)
                    first_words.append(spoke)
        name = kind.split()[0]
        figures |= {
            f"start_{name}_s_median": round(statistics.median(walls), 2),
            f"start_{name}_s_worst": round(max(walls), 2),
            f"start_{name}_page_open_s_median": round(statistics.median(first_words), 2),
            f"start_{name}_processor_s_median": round(statistics.median(used), 2),
        }
    return figures


def measure_memory(project: Path, seconds: float = 40.0) -> Figures:
    """Return the resident memory of the process in MiB after its first cycle and after some hundred cycles."""
    figures: Figures = {}
    for kind in (BESIDE, EMBEDDED):
        with tempfile.TemporaryDirectory() as folder:
            copy = project_copy(project, Path(folder))
            with (
                _exchange(kind, Path(folder)) as exchange,
                _session(copy, exchange, "session.protect_every_s=0.1") as it,
            ):
                it.until_ready()
                first = resident_mib(it.process.pid)
                it.wait(seconds)
                name = kind.split()[0]
                figures |= {
                    f"memory_{name}_first_mib": round(first),
                    f"memory_{name}_later_mib": round(resident_mib(it.process.pid)),
                    f"memory_{name}_peak_mib": round(_peak_mib(it.process.pid)),
                    f"memory_{name}_cycles": it.cycles(),
                }
    return figures


class _Session:
    """A session's process.

    Args:
        process: just started.
        started: when, by `time.perf_counter`.
        port: of its page.
        log: what it says.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", started: float, port: int, log: Path) -> None:
        self.process = process
        self._started = started
        self._address = f"http://127.0.0.1:{port}"
        self._log = log

    def until_ready(self) -> tuple[float, float, float]:
        """Wait for the first cycle; return the seconds to it, the processor time and the seconds to the page."""
        opened = 0.0
        while time.perf_counter() - self._started < PATIENCE_S:
            if self.process.poll() is not None:
                break
            status = self._status()
            now = time.perf_counter() - self._started
            opened = opened or (now if status else 0.0)
            if status == 200:
                return now, processor_seconds(self.process.pid), opened
            time.sleep(0.01)
        raise RuntimeError(f"the session did not come to its first cycle:\n{self._log.read_text()[-3000:]}")

    def wait(self, seconds: float) -> None:
        """Let it work."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)

    def cycles(self) -> int:
        """Return how many cycles it has run."""
        with urllib.request.urlopen(f"{self._address}/metrics", timeout=5) as answer:
            text: str = answer.read().decode()
        (line,) = (line for line in text.splitlines() if line.startswith("crypto_kedro_cycles_total"))
        return int(float(line.rsplit(" ", 1)[1]))

    def _status(self) -> int:
        try:
            with urllib.request.urlopen(f"{self._address}/ready", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0


@contextlib.contextmanager
def _session(project: Path, exchange: list[str], *more: str) -> Iterator[_Session]:
    port = _free_port()
    parameters = [f"session.face.port={port}", *exchange, *more]
    log = project.parent / f"session-{port}.log"
    # As where it is installed: what Python has compiled once is kept.
    environment = {"PYTHONPYCACHEPREFIX": str(COMPILED), **os.environ}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with log.open("wb") as said:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(KEDRO), "run", "--env", "paper", "--params", ",".join(parameters)],
            cwd=project, env=environment, stdout=said, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            yield _Session(process, started, port, log)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@contextlib.contextmanager
def _exchange(kind: str, folder: Path) -> Iterator[list[str]]:
    """Yield the parameters by which a session finds its exchange."""
    if kind == EMBEDDED:
        yield []
        return
    port = _free_port()
    command = [str(KEDRO), "bitbank-sim", "--data", "synthetic", "--port", str(port)]
    with (folder / "simulator.log").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
    try:
        address = f"http://127.0.0.1:{port}"
        _until_open(port)
        names = ("public", "private", "stream", "private_stream")
        yield ["session.exchange=bitbank", *(f"session.bitbank.{name}={address}" for name in names)]
    finally:
        process.terminate()
        process.wait(30)


def _until_open(port: int) -> None:
    end = time.perf_counter() + PATIENCE_S
    while time.perf_counter() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError("the simulator did not open its port")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _peak_mib(process_id: int) -> float:
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    (peak,) = (line for line in lines if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024
