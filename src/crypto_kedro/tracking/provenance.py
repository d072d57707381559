"""Which code and which libraries are running."""

import os
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from crypto_kedro.tracking.environment import git_environment

_LIBRARIES = (
    "crypto-kedro",
    "kedro",
    "mlflow",
    "lightgbm",
    "xgboost-cpu",
    "scikit-learn",
    "treelite",
    "pandas",
    "numpy",
)


@dataclass(frozen=True, slots=True)
class CodeVersion:
    """The commit that is checked out.

    Args:
        git_sha: full commit hash, or None outside a git repository or before its first commit.
        dirty: whether tracked or untracked files differ from that commit, None if there is no commit.
    """

    git_sha: str | None
    dirty: bool | None

    def as_tags(self) -> dict[str, str]:
        """Return the tags ``git_sha`` and ``git_dirty``; a missing commit is named as such."""
        if self.git_sha is None:
            return {"git_sha": "none: not a git commit", "git_dirty": "unknown"}
        return {"git_sha": self.git_sha, "git_dirty": str(self.dirty).lower()}


def code_version(project_path: Path) -> CodeVersion:
    """Read the commit checked out at ``project_path`` and whether the tree differs from it.

    Only the repository that contains ``project_path`` counts: ``GIT_DIR`` and its like have no effect.
    """
    # A copy that lies inside somebody else's repository is not a commit of this project.
    if _git(project_path, "ls-files", "--error-unmatch", "pyproject.toml") is None:
        return CodeVersion(git_sha=None, dirty=None)
    sha = _git(project_path, "rev-parse", "--verify", "HEAD")
    status = _git(project_path, "status", "--porcelain", "--untracked-files=normal", "--ignore-submodules=none")
    if sha is None or status is None:
        return CodeVersion(git_sha=None, dirty=None)
    return CodeVersion(git_sha=sha, dirty=bool(status))


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that decide a model's bytes, by distribution name."""
    return {f"version.{name}": metadata.version(name) for name in _LIBRARIES}


def _git(directory: Path, *arguments: str) -> str | None:
    """Return what git prints, or None where there is no git, no repository or no commit."""
    # A mounted project belongs to another user; its code runs already, so reading its commit adds no risk.
    command = ["git", "-C", str(directory), "-c", "safe.directory=*", "--no-optional-locks", *arguments]
    try:
        answer = subprocess.run(
            command, capture_output=True, check=False, env=git_environment(os.environ), encoding="utf-8",
            errors="replace",
        )  # fmt: skip
    except (FileNotFoundError, PermissionError):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None
