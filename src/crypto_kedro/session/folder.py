"""Where a session keeps what must outlive it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from crypto_kedro.errors import ConfigurationError

SESSIONS = Path("data", "09_sessions")
ENVIRONMENT_FOLDERS = {
    "live": ("live", "live-rehearsal"),
    "paper": ("paper", "paper-rehearsal", "simulator"),
}
"""Names of the folders of an environment's sessions, as `SessionParameters.folder_name` gives them."""


@dataclass(frozen=True, slots=True)
class SessionFolder:
    """The files of sessions that share an account, on a local disk.

    Args:
        root: the folder; a session makes it.
    """

    root: Path

    @classmethod
    def of(cls, project_path: Path, name: str) -> Self:
        """Return the folder of one name, such as ``simulator``."""
        return cls(project_path / SESSIONS / name)

    @classmethod
    def named(cls, project_path: Path, name: str) -> tuple[Self, ...]:
        """Return what a name means, whether or not it exists: all folders of ``paper`` or ``live``, or one folder."""
        return tuple(cls.of(project_path, folder) for folder in ENVIRONMENT_FOLDERS.get(name, (name,)))

    @classmethod
    def all(cls, project_path: Path) -> tuple[Self, ...]:
        """Return all folders that exist, by name."""
        return tuple(cls(path) for path in sorted((project_path / SESSIONS).glob("*/")))

    @property
    def name(self) -> str:
        """The folder's name, such as ``paper-rehearsal``."""
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


def chosen_journal(project_path: Path, env: str | None) -> Path:
    """Return the only journal that a name can mean.

    Args:
        project_path: root of the project.
        env: an environment or a folder; a folder of just this name goes before the environment's others. None means
            any.

    Raises:
        ConfigurationError: there is none, or there are several.
    """
    everywhere = [folder for folder in SessionFolder.all(project_path) if folder.journal.is_file()]
    meant = everywhere if env is None else [one for one in everywhere if one in SessionFolder.named(project_path, env)]
    chosen = [folder for folder in meant if folder.name == env] or meant
    if len(chosen) == 1:
        return chosen[0].journal
    if chosen:
        raise ConfigurationError(f"there are journals of {_names(chosen)}; name one of them with --env")
    if everywhere:
        raise ConfigurationError(
            f"no session of {env} has left a journal here; there are journals of {_names(everywhere)}"
        )
    raise ConfigurationError("no session has left a journal here; run one, or name a file with --journal")


def _names(folders: list[SessionFolder]) -> str:
    return ", ".join(folder.name for folder in folders)
