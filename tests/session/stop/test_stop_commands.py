"""``kedro stop`` and ``kedro resume`` as a person in a hurry uses them."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from kedro.framework.startup import ProjectMetadata

from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.journal import Journal
from crypto_kedro.session.journal.records import Halted, Resumed
from crypto_kedro.session.lease import LeaseTerms, SqliteLease
from crypto_kedro.session.stop import standing_halt
from crypto_kedro.session.stop_commands import resume, stop

Kedro = Callable[..., Result]


@pytest.fixture
def kedro(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kedro:
    monkeypatch.setenv("LOGNAME", "hanako")
    project = ProjectMetadata(tmp_path / "pyproject.toml", "crypto_kedro", "trial", tmp_path, tmp_path, "1", [], "")

    def run(command: str, *arguments: str) -> Result:
        return CliRunner().invoke({"stop": stop, "resume": resume}[command], arguments, obj=project)

    return run


@pytest.fixture
def paper(tmp_path: Path) -> SessionFolder:
    folder = SessionFolder.of(tmp_path, "paper")
    folder.root.mkdir(parents=True)
    Journal.open(folder.journal).close()
    return folder


def test_given_a_session_when_stopped_and_resumed_then_the_journal_knows_who_and_why(
    kedro: Kedro, paper: SessionFolder
) -> None:
    stopped = kedro("stop", "--reason", "news at nine", "--flatten")
    assert stopped.exit_code == 0
    assert stopped.output == "paper: halted. No trader runs; it holds for the next one.\n"
    resumed = kedro("resume", "--reason", "the news is out")
    assert resumed.exit_code == 0
    assert resumed.output.splitlines() == [
        "paper: had been halted by hanako: news at nine",
        "paper: trading is allowed again.",
    ]
    with Journal.open(paper.journal) as journal:
        assert [entry.record for entry in journal.entries(Halted, Resumed)] == [
            Halted("hanako", "news at nine", flatten=True),
            Resumed("hanako", "the news is out"),
        ]


def test_given_a_running_trader_when_stopped_then_it_is_named(kedro: Kedro, paper: SessionFolder) -> None:
    lease = SqliteLease(paper.lease, LeaseTerms())
    asyncio.run(lease.acquire())
    assert "The trader, process " in kedro("stop", "--reason", "now").output


def test_given_nothing_ran_yet_when_stopped_then_neither_paper_nor_live_can_open_anything(
    kedro: Kedro, tmp_path: Path
) -> None:
    assert kedro("stop", "--reason", "holiday").exit_code == 0
    assert [folder.environment for folder in SessionFolder.all(tmp_path) if standing_halt(folder)] == ["live", "paper"]


def test_given_a_misspelt_environment_when_stopped_then_it_says_that_nothing_was(
    kedro: Kedro, paper: SessionFolder, tmp_path: Path
) -> None:
    result = kedro("stop", "--reason", "now", "--env", "peper")
    assert result.exit_code == 1
    assert "NOT halted: no session ever ran in environment 'peper'; sessions ran in: paper" in result.output
    assert not SessionFolder.of(tmp_path, "peper").root.exists()


def test_given_no_reason_then_it_is_asked_for(kedro: Kedro, paper: SessionFolder) -> None:
    assert kedro("stop", "--reason", " ").exit_code == 2
    assert kedro("resume").exit_code == 2
    assert standing_halt(paper) is None


def test_given_a_folder_that_cannot_be_written_when_stopped_then_it_says_so_and_stops_the_others(
    kedro: Kedro, paper: SessionFolder, tmp_path: Path
) -> None:
    live = SessionFolder.of(tmp_path, "live")
    live.stop_flag.with_name("STOP.new").mkdir(parents=True)
    result = kedro("stop", "--reason", "now")
    assert result.exit_code == 1
    assert "paper: halted" in result.output
    assert "NOT halted: " in result.output
    assert standing_halt(paper) is not None


def test_given_two_halts_when_resumed_without_a_name_then_it_asks_for_one(kedro: Kedro, tmp_path: Path) -> None:
    kedro("stop", "--reason", "holiday")
    result = kedro("resume", "--reason", "back")
    assert result.exit_code == 1
    assert "trading is halted in live, paper; name one of them with --env" in result.output
    assert kedro("resume", "--reason", "back", "--env", "live").exit_code == 0
    assert standing_halt(SessionFolder.of(tmp_path, "paper")) is not None


def test_given_no_halt_when_resumed_then_there_is_nothing_to_do(kedro: Kedro, paper: SessionFolder) -> None:
    result = kedro("resume", "--reason", "back")
    assert result.exit_code == 1
    assert "nothing to resume" in result.output
