"""The Kedro project as the commands beside ``kedro run`` read it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project


@contextmanager
def project_context(
    project_path: Path, env: str | None = None, runtime_params: dict[str, Any] | None = None
) -> Iterator[KedroContext]:
    """Open the project's context.

    Args:
        project_path: root of the Kedro project.
        env: configuration environment.
        runtime_params: parameters beside the configuration.

    Raises:
        ConfigurationError: a parameter is wrong.
    """
    bootstrap_project(project_path)
    with KedroSession.create(project_path=project_path, env=env, runtime_params=runtime_params) as session:
        assert isinstance(session, KedroSession)
        yield session.load_context()
