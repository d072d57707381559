"""A real MLflow store on SQLite for each test."""

from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from crypto_kedro.tracking.run import TrackingTarget, connect, finish


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with its own SQLite store, made once a module: its first migration takes seconds."""
    project = tmp_path_factory.mktemp("project")
    connect(TrackingTarget("sqlite:///data/mlflow.db", "data/mlartifacts", "tests"), project)
    return project


@pytest.fixture(autouse=True)
def closed_run(store: Path) -> Iterator[None]:
    """Point MLflow at the store, and leave no run open behind a test."""
    connect(TrackingTarget("sqlite:///data/mlflow.db", "data/mlartifacts", "tests"), store)
    yield
    while mlflow.active_run() is not None:
        finish("KILLED")
