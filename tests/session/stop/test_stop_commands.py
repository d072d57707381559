"""``kedro stop`` and ``kedro resume`` as a person in a hurry uses them."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from kedro.framework.startup import ProjectMetadata

from crypto_kedro.parameters.session import SessionParameters
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.journal import Journal
from crypto_kedro.session.journal.records import Halted, Resumed
from crypto_kedro.session.lease import LeaseTerms, SqliteLease
from crypto_kedro.session.stop import StopOrder, standing_halt
from crypto_kedro.session.stop_commands import resume, stop

Kedro = Callable[..., Result]

CONF = Path(__file__).resolve().parents[3] / "conf"
PAPER, LIVE = ["paper", "paper-rehearsal", "simulator"], ["live", "live-rehearsal"]


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


def shipped(project: Path, environment: str) -> SessionFolder:
    """The folder of the session that `kedro run --env` of an environment starts as it ships."""
    session = yaml.safe_load((CONF / environment / "parameters_session.yml").read_text())["session"]
    return SessionFolder.of(project, SessionParameters(**session).folder_name)


def halted(project: Path) -> list[str]:
    return [folder.name for folder in SessionFolder.all(project) if standing_halt(folder)]


def test_given_a_session_when_stopped_and_resumed_then_the_journal_knows_who_and_why(
    kedro: Kedro, paper: SessionFolder
) -> None:
    stopped = kedro("stop", "--reason", "news at nine", "--flatten")
    assert stopped.exit_code == 0
    assert stopped.output.splitlines() == [
        "paper: halted. No trader holds its lease on this machine.",
        "A lease in a bucket was not asked; a trader that holds one obeys if it keeps its files in these folders.",
    ]
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
    told = kedro("stop").output
    assert told.startswith("paper: halted. The trader, process ")
    assert "bucket" not in told


def test_given_nothing_ran_yet_when_stopped_then_neither_paper_nor_live_can_open_anything(
    kedro: Kedro, tmp_path: Path
) -> None:
    assert kedro("stop").exit_code == 0
    assert halted(tmp_path) == [*LIVE, *PAPER]


@pytest.mark.parametrize(("environment", "folders"), [("paper", PAPER), ("live", LIVE)])
def test_given_an_environment_as_it_ships_when_stopped_then_its_session_is_halted_until_it_is_resumed(
    kedro: Kedro, tmp_path: Path, environment: str, folders: list[str]
) -> None:
    assert kedro("stop", "--env", environment).exit_code == 0
    assert standing_halt(shipped(tmp_path, environment)) is not None
    assert halted(tmp_path) == folders
    assert kedro("resume", "--env", environment, "--reason", "back").exit_code == 0
    assert halted(tmp_path) == []


def test_given_the_name_of_a_folder_when_stopped_and_resumed_then_it_alone_is(kedro: Kedro, tmp_path: Path) -> None:
    kedro("stop", "--env", "simulator")
    assert halted(tmp_path) == ["simulator"]
    kedro("stop", "--env", "paper")
    kedro("resume", "--env", "simulator", "--reason", "back")
    assert halted(tmp_path) == ["paper", "paper-rehearsal"]


def test_given_a_halt_in_one_of_its_folders_when_an_environment_is_resumed_then_that_is(
    kedro: Kedro, paper: SessionFolder, tmp_path: Path
) -> None:
    kedro("stop", "--env", "simulator")
    resumed = kedro("resume", "--env", "paper", "--reason", "back")
    assert resumed.exit_code == 0
    assert "paper: " not in resumed.output
    assert halted(tmp_path) == []


def test_given_a_journal_that_cannot_be_read_when_its_environment_is_resumed_then_the_others_are_and_it_is_named(
    kedro: Kedro, tmp_path: Path
) -> None:
    simulator = SessionFolder.of(tmp_path, "simulator")
    kedro("stop", "--env", "paper")
    simulator.journal.write_text("no journal")
    resumed = kedro("resume", "--env", "paper", "--reason", "back")
    assert resumed.exit_code == 1
    assert f"journal {simulator.journal}: " in resumed.output
    assert standing_halt(SessionFolder.of(tmp_path, "paper")) is None


def test_given_a_misspelt_environment_when_stopped_then_it_says_that_nothing_was(
    kedro: Kedro, paper: SessionFolder, tmp_path: Path
) -> None:
    result = kedro("stop", "--reason", "now", "--env", "peper")
    assert result.exit_code == 1
    assert "NOT halted: no session ever ran in environment 'peper'; sessions ran in: paper" in result.output
    assert not SessionFolder.of(tmp_path, "peper").root.exists()


@pytest.mark.parametrize("arguments", [(), ("--flatten",), ("--reason", " ")])
def test_given_no_reason_when_stopped_then_it_is_by_hand_and_to_resume_one_is_needed(
    kedro: Kedro, paper: SessionFolder, arguments: tuple[str, ...]
) -> None:
    assert kedro("stop", *arguments).exit_code == 0
    assert standing_halt(paper) == StopOrder("hanako", "stopped by hand", "--flatten" in arguments)
    assert kedro("resume").exit_code == 2
    assert kedro("resume", "--reason", " ").exit_code == 2
    assert standing_halt(paper) is not None


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
    kedro("stop", "--env", "simulator")
    kedro("stop", "--env", "live-rehearsal")
    result = kedro("resume", "--reason", "back")
    assert result.exit_code == 1
    assert "trading is halted in live-rehearsal, simulator; name one of them with --env" in result.output
    assert halted(tmp_path) == ["live-rehearsal", "simulator"]


@pytest.mark.parametrize("named", [(), ("--env", "paper")])
def test_given_no_halt_when_resumed_then_there_is_nothing_to_do(
    kedro: Kedro, paper: SessionFolder, named: tuple[str, ...]
) -> None:
    result = kedro("resume", "--reason", "back", *named)
    assert result.exit_code == 1
    assert "nothing to resume" in result.output
