"""The same function on many items: one after the other, in processes of this machine, or on a Dask cluster.

The parameters name the backends, so whoever reads parameters imports this: the libraries come when work begins.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import Any, TypeVar

from crypto_kedro.errors import ConfigurationError

Item = TypeVar("Item")
Result = TypeVar("Result")

_PATIENCE_S = 5


class Backend(StrEnum):
    """Where work is done."""

    SEQUENTIAL = "sequential"
    JOBLIB = "joblib"
    DASK = "dask"


@dataclass(frozen=True, slots=True)
class Compute:
    """Where, and on how many processes.

    Args:
        backend: ``dask`` needs the package ``distributed``.
        workers: processes; of no meaning where ``dask_address`` is given.
        dask_address: of a running scheduler, such as ``tcp://host:8786``; None starts a cluster on this machine.
    """

    backend: Backend = Backend.JOBLIB
    workers: int = 2
    dask_address: str | None = None


def run_all(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    compute: Compute,
    on_result: Callable[[Result], None],
) -> list[Result]:
    """Return the function's results in the order of the items.

    Args:
        function: picklable, and a function of its item alone; a Dask cluster calls it again if a worker dies under it.
        items: picklable.
        compute: where to run.
        on_result: called here with each result as it comes, in any order.

    Raises:
        ConfigurationError: the package ``distributed`` is absent or no scheduler answers.
    """
    found: dict[int, Result] = {}
    for place, result in _RUNNERS[compute.backend](_Placed(function), list(enumerate(items)), compute):
        found[place] = result
        on_result(result)
    return [found[place] for place in range(len(items))]


@dataclass(frozen=True, slots=True)
class WithProgress:
    """`run_all` with a progress bar.

    Args:
        compute: where to run.
        description: beside the bar.
    """

    compute: Compute
    description: str

    def __call__(self, function: Callable[[Any], Result], items: Sequence[Any]) -> list[Result]:
        """Return the function's results in the order of the items."""
        from rich.progress import Progress

        with Progress() as progress:
            task = progress.add_task(self.description, total=len(items))
            return run_all(function, items, self.compute, lambda _: progress.advance(task))


@dataclass(frozen=True, slots=True)
class _Placed:
    """The function, with the place of its item beside its result."""

    function: Callable[[Any], Any]

    def __call__(self, placed: tuple[int, Any]) -> tuple[int, Any]:
        place, item = placed
        return place, self.function(item)


_Run = Callable[[_Placed, list[tuple[int, Any]], Compute], Iterator[tuple[int, Any]]]


def _sequential(call: _Placed, items: list[tuple[int, Any]], _: Compute) -> Iterator[tuple[int, Any]]:
    return map(call, items)


def _joblib(call: _Placed, items: list[tuple[int, Any]], compute: Compute) -> Iterator[tuple[int, Any]]:
    from joblib import Parallel, delayed

    # Items take minutes: handing out one at a time keeps all workers busy to the end.
    parallel = Parallel(n_jobs=compute.workers, batch_size=1, return_as="generator_unordered")
    results: Iterator[tuple[int, Any]] = parallel(delayed(call)(item) for item in items)
    return results


def _dask(call: _Placed, items: list[tuple[int, Any]], compute: Compute) -> Iterator[tuple[int, Any]]:
    distributed = _distributed()
    with _client(distributed, compute) as client:
        # Pure tasks of the same arguments would be merged into one.
        for done in distributed.as_completed(client.map(call, items, pure=False)):
            yield done.result()


@contextmanager
def _client(distributed: Any, compute: Compute) -> Iterator[Any]:
    """Connect to the scheduler that is named, or to a cluster that lives as long as the connection."""
    if compute.dask_address is None:
        # One thread a process, since libraries that count on a process of their own share the work.
        cluster = distributed.LocalCluster(n_workers=compute.workers, threads_per_worker=1, dashboard_address=None)
        with cluster, distributed.Client(cluster) as client:
            yield client
        return
    try:
        client = distributed.Client(compute.dask_address, timeout=_PATIENCE_S)
    except OSError as error:
        raise ConfigurationError(
            f"compute.dask_address is {compute.dask_address}, where no scheduler answers ({error}); "
            "start one with `dask scheduler` or set it to null"
        ) from error
    with client:
        yield client


def _distributed() -> Any:
    try:
        return import_module("distributed")
    except ModuleNotFoundError:
        raise ConfigurationError(
            "compute.backend is dask, but the package distributed is not installed; "
            "run `pip install distributed` or choose joblib"
        ) from None


_RUNNERS: dict[Backend, _Run] = {Backend.SEQUENTIAL: _sequential, Backend.JOBLIB: _joblib, Backend.DASK: _dask}
