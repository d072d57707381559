"""Which code and which libraries are running."""

import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

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
    """Read the commit checked out at ``project_path`` and whether the tree differs from it."""
    # A copy that lies inside somebody else's repository is not a commit of this project.
    if _git(project_path, "ls-files", "--error-unmatch", "pyproject.toml") is None:
        return CodeVersion(git_sha=None, dirty=None)
    sha = _git(project_path, "rev-parse", "--verify", "HEAD")
    status = _git(project_path, "status", "--porcelain")
    if sha is None or status is None:
        return CodeVersion(git_sha=None, dirty=None)
    return CodeVersion(git_sha=sha, dirty=bool(status))


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that decide a model's bytes, by distribution name."""
    return {f"version.{name}": metadata.version(name) for name in _LIBRARIES}


def _git(directory: Path, *arguments: str) -> str | None:
    """Return what git prints, or None where there is no git, no repository or no commit."""
    try:
        answer = subprocess.run(["git", "-C", str(directory), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None
