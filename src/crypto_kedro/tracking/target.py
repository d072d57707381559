"""Where MLflow keeps its runs; read without MLflow."""

import re
from dataclasses import dataclass
from pathlib import Path

SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class TrackingTarget:
    """Where runs are kept.

    Args:
        uri: MLflow tracking URI; a relative SQLite path starts at the project's root.
        artifact_root: folder for artifacts beside a SQLite store, relative to the project's root.
        experiment: name of the MLflow experiment.
    """

    uri: str
    artifact_root: str
    experiment: str

    def resolved_uri(self, project_path: Path) -> str:
        """Return the URI with a relative SQLite path made absolute."""
        if not self.uri.startswith(SQLITE):
            return self.uri
        return f"{SQLITE}{project_path / self.uri.removeprefix(SQLITE)}"

    def printable_uri(self) -> str:
        """Return the URI without user name and password."""
        return without_credentials(self.uri)


def without_credentials(text: str) -> str:
    """Return a text with user names and passwords taken out of every URI in it."""
    return re.sub(r"://[^/@\s]+@", "://", text)
