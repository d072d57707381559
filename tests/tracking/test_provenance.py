"""The code version is read from a real git repository, and its absence is said."""

import subprocess
from pathlib import Path

import pytest

from crypto_kedro.tracking.provenance import code_version, library_versions


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with one commit of a project."""
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    for command in (
        ["init", "-q"],
        ["config", "user.email", "someone@example.org"],
        ["config", "user.name", "Someone"],
        ["add", "pyproject.toml"],
        ["commit", "-q", "-m", "first"],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    return tmp_path


def test_given_a_clean_commit_then_its_sha_is_named_and_it_is_not_dirty(repository: Path) -> None:
    sha = subprocess.run(
        ["git", "-C", str(repository), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()

    assert code_version(repository).as_tags() == {"git_sha": sha, "git_dirty": "false"}


def test_given_an_untracked_file_then_the_tree_is_dirty(repository: Path) -> None:
    (repository / "new.py").write_text("x = 1\n")

    assert code_version(repository).dirty is True


def test_given_no_repository_then_the_tags_say_so(tmp_path: Path) -> None:
    assert code_version(tmp_path).as_tags() == {"git_sha": "none: not a git commit", "git_dirty": "unknown"}


def test_given_a_copy_inside_another_repository_then_that_repositorys_commit_is_not_taken(repository: Path) -> None:
    copy = repository / "unpacked"
    copy.mkdir()
    (copy / "pyproject.toml").write_text("[project]\n")

    assert code_version(copy).git_sha is None


def test_given_no_git_program_then_the_code_version_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert code_version(tmp_path).git_sha is None


def test_library_versions_name_what_decides_a_models_bytes() -> None:
    versions = library_versions()

    assert {"version.lightgbm", "version.xgboost-cpu", "version.scikit-learn", "version.treelite"} <= set(versions)
    assert all(value[0].isdigit() for value in versions.values())
