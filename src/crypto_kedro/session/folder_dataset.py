"""Where sessions keep what outlives them, as the catalog names it."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.session.folder import SESSIONS


class SessionsDataset(AbstractDataset[None, Path]):
    """Loading gives the root of the project whose sessions lie in the folder.

    Args:
        filepath: the folder of all sessions, ``data/09_sessions``.
        metadata: for kedro viz.
    """

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Path:
        """Return the root of the project."""
        return self._filepath.parents[len(SESSIONS.parts) - 1]

    def save(self, data: None) -> None:  # noqa: ARG002  (Kedro prescribes the signature)
        """Refuse: sessions write there themselves."""
        raise ConfigurationError("sessions: a session writes its journal itself; save nothing here")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
