"""Where MLflow keeps its runs; read without MLflow."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

SQLITE = "sqlite:///"
_SQLITE = re.compile(r"sqlite(\+\w+)?:///")


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

    def database(self, project_path: Path) -> Path | None:
        """Return the absolute path of a SQLite store, None for a server."""
        found = _SQLITE.match(self.uri)
        if found is None:
            return None
        path, _, _ = self.uri[found.end() :].partition("?")
        return project_path.absolute() / unquote(path)

    def resolved_uri(self, project_path: Path) -> str:
        """Return the URI that MLflow takes, with a relative SQLite path made absolute and quoted.

        SQLAlchemy unquotes the path. MLflow creates the folder of ``sqlite:///`` without unquoting it, so that a path
        with ``%`` or ``?`` would appear in a second place; it leaves a URI that names the driver alone.
        """
        database = self.database(project_path)
        if database is None:
            return self.uri
        path = str(database).replace("%", "%25").replace("?", "%3F")
        _, separator, query = self.uri.partition("?")
        prefix = SQLITE if path == str(database) else "sqlite+pysqlite:///"
        return f"{prefix}{path}{separator}{query}"

    def artifact_folder(self, project_path: Path) -> Path:
        """Return the absolute folder for artifacts of a SQLite store."""
        return project_path.absolute() / self.artifact_root

    def printable_uri(self) -> str:
        """Return the URI without user name and password."""
        return without_credentials(self.uri)


def without_credentials(text: str) -> str:
    """Return a text with user names and passwords taken out of every URI in it."""
    return re.sub(r"://[^/@\s]+@", "://", text)
