"""The pipelines by name; ``kedro run`` runs ``__default__``."""

import warnings

from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline

DEFAULT = ("data", "features", "training", "evaluation")


def register_pipelines() -> dict[str, Pipeline]:
    """Return the pipelines by the name that ``kedro run --pipelines`` takes: those that a run names, otherwise all.

    What a session trades with starts in seconds because nothing of the training is imported for it.

    Raises:
        ImportError: a pipeline cannot be imported.
    """
    try:
        found = find_pipelines(raise_errors=True)
    except ImportError as error:
        if error.__cause__ is not None:
            raise
        # A name that no pipeline has: Kedro names the nearest one itself if it finds the others.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = find_pipelines()
    if "__default__" in found:
        found["__default__"] = sum((found[name] for name in DEFAULT), Pipeline([]))
    return found
