"""``kedro replay`` and ``kedro lineage`` as somebody at a terminal meets them."""

import json
import shutil
from pathlib import Path

import mlflow
import pytest
from click.testing import CliRunner, Result
from journals import FIRST, NOON_MS, begun, cycle, entry_request, intent, observation, order
from kedro.framework.startup import ProjectMetadata, bootstrap_project
from mlflow import MlflowClient

from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.journal import Journal
from crypto_kedro.session.journal.commands import lineage, replay
from crypto_kedro.session.journal.lineage import OrderLineage, trace_order
from crypto_kedro.session.journal.records import Answered, Decided, Outcome

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture
def project(tmp_path: Path) -> ProjectMetadata:
    return bootstrap_project(PROJECT)._replace(project_path=tmp_path)


def traded(project: ProjectMetadata, environment: str, *, spoilt: bool = False) -> None:
    """Leave the journal of an environment in which order 17 was sent; a spoilt one holds what the core never said."""
    folder = SessionFolder.of(project.project_path, environment)
    folder.root.mkdir(parents=True)
    seen, said = cycle("1", observation())
    if spoilt:
        said = Decided("1", {**said.record, "reason": "hunch"})
    with begun(folder.journal) as journal:
        journal.append(FIRST, NOON_MS, seen, said, intent("first/1"))
        journal.append(FIRST, NOON_MS, Answered("first/1", Outcome.PLACED, order(17, entry_request())))


def run(command: str, project: ProjectMetadata, *arguments: str) -> Result:
    return CliRunner().invoke({"replay": replay, "lineage": lineage}[command], arguments, obj=project)


def test_given_one_environment_when_replayed_without_options_then_its_sessions_and_the_head_are_told(
    project: ProjectMetadata,
) -> None:
    traded(project, "paper")
    result = run("replay", project)
    assert result.exit_code == 0
    first, second = result.output.splitlines()
    assert first.startswith("5 entries, the chain holds; the last hash is ")
    assert second == "Session first: 1 decisions taken again, all of them the same."


def test_given_a_decision_that_the_core_never_took_when_replayed_then_it_is_shown_and_the_exit_code_is_1(
    project: ProjectMetadata,
) -> None:
    traded(project, "paper", spoilt=True)
    result = run("replay", project, "--session", "first")
    assert result.exit_code == 1
    assert "1 of them NOT the same" in result.output
    assert "cycle 1, entry 3: reason was 'hunch' and is 'signal'" in result.output


def test_given_two_environments_when_none_is_named_then_they_are_asked_for(project: ProjectMetadata) -> None:
    traded(project, "paper")
    traded(project, "live")
    result = run("lineage", project, "--order", "17")
    assert result.exit_code == 1
    assert result.output == "Error: there are journals of live, paper; name one of them with --env\n"
    assert run("lineage", project, "--order", "17", "--env", "live").exit_code == 0


def test_given_a_journal_of_the_simulator_alone_when_paper_is_named_then_it_is_meant(project: ProjectMetadata) -> None:
    traded(project, "simulator")
    traded(project, "live")
    assert run("replay", project, "--env", "paper").exit_code == 0
    assert run("lineage", project, "--order", "17", "--env", "simulator").exit_code == 0


def test_given_several_journals_of_an_environment_when_it_is_named_then_the_one_of_its_name_goes_first(
    project: ProjectMetadata,
) -> None:
    traded(project, "simulator", spoilt=True)
    traded(project, "paper-rehearsal", spoilt=True)
    refused = run("replay", project, "--env", "paper")
    assert refused.output == "Error: there are journals of paper-rehearsal, simulator; name one of them with --env\n"
    traded(project, "paper")
    assert run("replay", project, "--env", "paper").exit_code == 0


def test_given_an_order_when_traced_then_one_link_stands_on_each_line_and_json_ends_the_output(
    project: ProjectMetadata,
) -> None:
    traded(project, "paper")
    lines = run("lineage", project, "--order", "17").output.splitlines()
    assert lines[0] == "order      17: market buy 0.0100 BTC, long, FULLY_FILLED"
    assert "model      btc-jpy-ensemble version 3" in lines
    told = json.loads(run("lineage", project, "--order", "17", "--json").output.splitlines()[-1])
    assert told["lineage"]["model_version"] == "btc-jpy-ensemble version 3"
    assert told["order"]["order_id"] == 17
    assert told["decision"]["record"]["action"] == "open"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("lineage", "--order", "99"), "order 99: "),
        (("replay", "--session", "none"), "there is no session none; there are first"),
        (("replay", "--env", "live"), "no session of live has left a journal here; there are journals of paper"),
        (("replay", "--journal", "absent.db"), "absent.db: there is no such file"),
    ],
)
def test_given_what_is_not_there_when_asked_for_then_one_sentence_says_so(
    project: ProjectMetadata, arguments: tuple[str, ...], sentence: str
) -> None:
    traded(project, "paper")
    result = run(arguments[0], project, *arguments[1:])
    assert result.exit_code == 1
    assert sentence in result.output
    assert result.output.count("\n") == 1


def test_given_no_session_ever_when_replayed_then_it_says_what_to_do(project: ProjectMetadata) -> None:
    assert "run one, or name a file" in run("replay", project).output


def test_given_a_copy_of_a_journal_when_its_file_is_named_then_that_is_read(project: ProjectMetadata) -> None:
    traded(project, "paper")
    original = SessionFolder.of(project.project_path, "paper").journal
    copy = project.project_path / "copy.db"
    copy.write_bytes(original.read_bytes())
    assert run("replay", project, "--journal", str(copy)).exit_code == 0


@pytest.mark.slow
def test_given_a_registry_when_it_is_asked_too_then_it_must_say_the_same_as_the_journal(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "conf" / "base", tmp_path / "conf" / "base")
    (tmp_path / "conf" / "paper").mkdir()
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    shutil.copytree(PROJECT / "src" / "crypto_kedro", tmp_path / "src" / "crypto_kedro")
    metadata = bootstrap_project(PROJECT)._replace(project_path=tmp_path)
    asked = ("--order", "17", "--env", "simulator", "--registry")
    traded(metadata, "simulator")
    before = mlflow.get_tracking_uri()
    try:
        refused = run("lineage", metadata, *asked)
        assert refused.exit_code == 1
        assert "btc-jpy-ensemble version 3: the registry" in refused.output
        registered(**trace_of(metadata).claims)
        assert run("lineage", metadata, *asked).exit_code == 0
    finally:
        mlflow.set_tracking_uri(before)


def trace_of(project: ProjectMetadata) -> OrderLineage:
    """Return the lineage of order 17 at the simulator."""
    with Journal.open(SessionFolder.of(project.project_path, "simulator").journal, read_only=True) as journal:
        return trace_order(journal, 17)


def registered(run_id: str, **tags: str) -> None:
    """Register version 3 of the model in the store that is connected."""
    client = MlflowClient()
    client.create_registered_model("btc-jpy-ensemble")
    for number in (1, 2, 3):
        client.create_model_version("btc-jpy-ensemble", "somewhere", run_id, tags=tags if number == 3 else {})
