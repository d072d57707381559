"""Where a session keeps what must outlive it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

SESSIONS = Path("data", "09_sessions")


@dataclass(frozen=True, slots=True)
class SessionFolder:
    """The files of one environment's sessions, on a local disk.

    Args:
        root: the folder; a session makes it.
    """

    root: Path

    @classmethod
    def of(cls, project_path: Path, environment: str) -> Self:
        """Return the folder of an environment such as ``paper``."""
        return cls(project_path / SESSIONS / environment)

    @classmethod
    def all(cls, project_path: Path) -> tuple[Self, ...]:
        """Return the folders of all environments that ever had a session, by name."""
        return tuple(cls(path) for path in sorted((project_path / SESSIONS).glob("*/")))

    @property
    def environment(self) -> str:
        """Name of the environment."""
        return self.root.name

    @property
    def journal(self) -> Path:
        """The journal."""
        return self.root / "journal.db"

    @property
    def lease(self) -> Path:
        """The lease of the one trader."""
        return self.root / "lease.db"

    @property
    def stop_flag(self) -> Path:
        """The file that halts trading as long as it is there."""
        return self.root / "STOP"
