"""The same numbers wherever work is done, also if a worker is killed in the middle of it."""

import os
import signal
import sys
from functools import partial
from pathlib import Path

import pytest
from distributed import LocalCluster

from crypto_kedro.compute import Backend, Compute, run_all
from crypto_kedro.errors import ConfigurationError

ITEMS = [7, 3, 11, 5, 2, 13]


def collatz_steps(number: int) -> int:
    steps = 0
    while number != 1:
        number = number // 2 if number % 2 == 0 else 3 * number + 1
        steps += 1
    return steps


STEPS = [16, 7, 14, 5, 1, 9]


def die_once(folder: Path, fatal: int, number: int) -> tuple[int, int]:
    """Kill the own process at the first call with the fatal number; say who answered."""
    if number == fatal:
        try:
            (folder / "killed").touch(exist_ok=False)
        except FileExistsError:
            return os.getpid(), collatz_steps(number)
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid(), collatz_steps(number)


@pytest.mark.parametrize("backend", list(Backend))
def test_given_any_backend_when_run_then_results_are_in_the_order_of_the_items(backend: Backend) -> None:
    heard: list[int] = []
    assert run_all(collatz_steps, ITEMS, Compute(backend, workers=2), heard.append) == STEPS
    assert sorted(heard) == sorted(STEPS)


@pytest.mark.parametrize("backend", [Backend.SEQUENTIAL, Backend.JOBLIB])
def test_given_nothing_to_do_when_run_then_nothing_comes(backend: Backend) -> None:
    assert run_all(collatz_steps, [], Compute(backend), print) == []


def test_given_two_dask_workers_when_one_is_killed_midway_then_the_numbers_are_the_same(tmp_path: Path) -> None:
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        workers = {worker.pid for worker in cluster.workers.values()}
        compute = Compute(Backend.DASK, dask_address=cluster.scheduler_address)
        answers = run_all(partial(die_once, tmp_path, ITEMS[3]), ITEMS, compute, lambda _: None)
    assert (tmp_path / "killed").exists()
    assert len(workers) == 2
    assert os.getpid() not in {pid for pid, _ in answers}
    assert [steps for _, steps in answers] == STEPS


def test_given_an_error_in_an_item_when_run_then_the_caller_gets_it() -> None:
    with pytest.raises(TypeError, match="NoneType"):
        run_all(collatz_steps, [4, None], Compute(Backend.JOBLIB, workers=2), lambda _: None)  # type: ignore[list-item]


def test_given_no_scheduler_at_the_address_when_run_then_the_address_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"tcp://127\.0\.0\.1:9, where no scheduler answers"):
        run_all(collatz_steps, ITEMS, Compute(Backend.DASK, dask_address="tcp://127.0.0.1:9"), print)


def test_given_no_distributed_when_dask_is_asked_for_then_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigurationError, match="pip install distributed"):
        run_all(collatz_steps, ITEMS, Compute(Backend.DASK), print)
