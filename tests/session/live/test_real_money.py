"""`kedro run --env live` as a person uses it, with the simulator as a process in bitbank's place."""

import dataclasses
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import mlflow
import pytest
from live_process import live_process, run_live, told_within, webhook
from live_project import (
    KEYS,
    MODEL,
    PAPER,
    copy_project,
    live_parameters,
    make_champion,
    sanguine_bundle,
    standing_in_for_bitbank,
    write_credentials,
    write_paper_journal,
)
from mlflow import MlflowClient

from crypto_kedro.exchange.simulator.server import loopback_socket
from crypto_kedro.session.folder import SESSIONS, SessionFolder
from crypto_kedro.session.journal import Journal
from crypto_kedro.session.journal.records import Answered, Intended, Outcome, SessionEnded, SessionStarted
from crypto_kedro.session.records import Purpose
from crypto_kedro.tracking.run import connect
from crypto_kedro.tracking.target import TrackingTarget

pytestmark = pytest.mark.slow
NOBODY = "http://127.0.0.1:9"
ENDS_WITHIN_MS = 10_000
STARTS_WITHIN_S, STOPS_WITHIN_S = 60.0, 4.0


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project in which everything allows real money."""
    folder = tmp_path_factory.mktemp("live")
    project = copy_project(folder / "project")
    before = mlflow.get_tracking_uri()
    connect(TrackingTarget("sqlite:///data/mlflow.db", "data/mlartifacts", "crypto-kedro"), project)
    bundle = sanguine_bundle(folder / "bundle")
    make_champion(bundle)
    write_credentials(project)
    write_paper_journal(project, bundle.digest, time.time_ns() // 1_000_000)
    yield project
    mlflow.set_tracking_uri(before)


def test_given_all_conditions_when_run_then_it_trades_until_sigterm_and_shows_no_secret(
    project: Path, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        address = stack.enter_context(standing_in_for_bitbank(tmp_path))
        messages = stack.enter_context(webhook("/recognisable/webhook"))
        keys = dataclasses.replace(KEYS, webhook=messages.url)
        write_credentials(project, keys)
        stack.enter_context(chatty(project))
        parameters = live_parameters(
            address, **{"session.messages.channels.discord.least": "info", "session.minutes": "600"}
        )
        session = stack.enter_context(live_process(project, parameters))
        assert session.ask("/tick", "x" * 40, post=True)[0] == 401
        told_within(session, keys.token, sent=2)
        signalled_at_ms = time.time_ns() // 1_000_000
        code = session.terminate()

    assert code == 0, session.said[-20_000:]
    assert "/recognisable/webhook" in messages.paths
    with Journal.open(SessionFolder.of(project, "live-rehearsal").journal, read_only=True) as journal:
        (started,) = journal.entries(SessionStarted)
        (ended,) = journal.entries(SessionEnded)
        purposes = {entry.record.intent_id: entry.record.purpose for entry in journal.entries(Intended)}
        placed = {purposes[entry.record.intent_id] for entry in journal.entries(Answered) if is_placed(entry.record)}
    assert started.record.environment == "live"
    assert started.record.lineage.model_version == f"{MODEL} version 1"
    assert {Purpose.ENTRY, Purpose.STOP} <= placed
    assert ended.at_ms - signalled_at_ms < ENDS_WITHIN_MS
    # Long lines are broken and padded where they are printed.
    said = "".join(session.said.split())
    assert [secret for secret in keys.everything() if secret in said] == []
    assert traces(project, keys.everything()) == []
    assert not (project / SESSIONS / "live").exists()


def test_given_nobody_at_the_exchange_when_run_then_it_waits_alive_and_begins_by_itself(
    project: Path, tmp_path: Path
) -> None:
    with loopback_socket(0) as free:
        port = free.getsockname()[1]
    with ExitStack() as stack:
        messages = stack.enter_context(webhook("/recognisable/webhook"))
        write_credentials(project, dataclasses.replace(KEYS, webhook=messages.url))
        session = stack.enter_context(live_process(project, live_parameters(f"http://127.0.0.1:{port}")))
        while not messages.bodies:
            assert session.ask("/health")[0] == 200
            assert session.ask("/ready")[0] == 503
        stack.enter_context(standing_in_for_bitbank(tmp_path, port=port))
        deadline = time.monotonic() + STARTS_WITHIN_S
        while session.ask("/status")[1]["counts"]["cycles"] == 0:
            assert time.monotonic() < deadline, session.said
        assert session.terminate() == 0, session.said

    write_credentials(project)
    assert ["begins by itself" in message for message in messages.bodies].count(True) == 1, messages.bodies
    with Journal.open(SessionFolder.of(project, "live-rehearsal").journal, read_only=True) as journal:
        assert len(list(journal.entries(SessionStarted))) == len(list(journal.entries(SessionEnded)))


def test_given_nobody_at_the_exchange_when_asked_to_end_then_it_does_in_time(project: Path) -> None:
    with webhook("/recognisable/webhook") as messages:
        # A message that cannot be delivered would hold the end up.
        write_credentials(project, dataclasses.replace(KEYS, webhook=messages.url))
        with live_process(project, live_parameters(NOBODY)) as session:
            assert session.ask("/ready")[0] == 503
            began = time.monotonic()
            assert session.terminate() == 0, session.said
            assert time.monotonic() - began < STOPS_WITHIN_S, session.said
        with live_process(project, live_parameters(NOBODY, **{"session.minutes": "0.05"})) as session:
            assert session.wait() == 0, session.said
    write_credentials(project)


def is_placed(answered: Answered) -> bool:
    return answered.outcome is Outcome.PLACED


@contextmanager
def chatty(project: Path) -> Iterator[None]:
    """Let every library log all that it has to say."""
    logging = project / "conf" / "logging.yml"
    usual = logging.read_text()
    logging.write_text(re.sub(r"level: \w+", "level: DEBUG", usual))
    try:
        yield
    finally:
        logging.write_text(usual)


def traces(project: Path, secrets: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the files that hold a secret, but for the one that it was written into."""
    own = project / "conf" / "local" / "credentials.yml"
    files = [path for path in project.rglob("*") if path.is_file() and path != own]
    return [(str(file), secret) for file in files for secret in secrets if secret.encode() in file.read_bytes()]


def refused(project: Path, parameters: str) -> list[str]:
    """Run a session that must be refused, and return the reasons."""
    run = run_live(project, parameters)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "Traceback" not in run.stderr
    heading, *reasons = run.stderr[run.stderr.rindex("Error: ") :].strip().splitlines()
    assert heading == "Error: live: no real money is traded:"
    return [reason.removeprefix("  - ") for reason in reasons]


def sessions(project: Path) -> set[str]:
    return {path.name for path in (project / SESSIONS).iterdir()}


def test_given_nothing_at_all_when_run_then_every_reason_is_named_and_nothing_is_made(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")

    reasons = refused(project, "session.face.port=0")

    assert [reason.split(";")[0] for reason in reasons] == [
        "the arming switch is off",
        "there is no API key",
        "there is no champion",
        "stage 1 needs 14 days and 20 trades of the champion on paper, on bitbank's prices, and there are none",
    ]
    assert not (project / SESSIONS).exists()
    assert not (project / "data" / "08_reporting").exists()


def test_given_the_switch_off_and_a_stage_too_high_then_both_are_named_and_told(project: Path) -> None:
    before = sessions(project)

    with webhook("/recognisable/webhook") as messages:
        write_credentials(project, dataclasses.replace(KEYS, webhook=messages.url))
        reasons = refused(project, live_parameters(NOBODY, **{"session.armed": "false", "session.funding_stage": "3"}))
    write_credentials(project)

    assert [reason.split(";")[0] for reason in reasons] == [
        "the arming switch is off",
        "stage 3 needs 90 days on paper, there are 15.0",
        "stage 3 needs 200 paper trades, there are 25",
    ]
    (message,) = messages.bodies
    assert all(reason in message for reason in reasons)
    assert sessions(project) == before


def test_given_barriers_that_the_champion_was_not_judged_under_then_they_are_named(project: Path) -> None:
    reason, paper = refused(project, live_parameters(NOBODY, **{"labels.stop_loss_atr": "2.5"}))

    assert "labels.stop_loss_atr is 2.5, judged under 2.0" in reason
    assert "by these settings" in paper


def test_given_no_credentials_then_they_are_asked_for(project: Path) -> None:
    file = project / "conf" / "local" / "credentials.yml"
    kept = file.read_text()
    file.unlink()
    try:
        (reason,) = refused(project, live_parameters(NOBODY))
    finally:
        file.write_text(kept)

    assert reason.startswith("there is no API key; set BITBANK_API_KEY and BITBANK_API_SECRET, or bitbank.key")


def test_given_a_gate_that_failed_since_and_a_foreign_address_then_both_are_named(project: Path) -> None:
    client = MlflowClient()
    client.set_model_version_tag(MODEL, "1", "gate.profitable", "fail")
    try:
        parameters = live_parameters(NOBODY, **{"session.bitbank.private": "https://bitbank.cc.example"})
        reasons = refused(project, parameters)
    finally:
        client.set_model_version_tag(MODEL, "1", "gate.profitable", "pass")

    assert len(reasons) == 2
    assert reasons[0].startswith("bitbank: private_url (session.bitbank.private) leads neither to bitbank over https")
    assert reasons[1].startswith(f"{MODEL} version 1 failed the gates profitable")


def test_given_a_champion_that_was_demoted_or_never_traded_on_paper_then_that_is_named(project: Path) -> None:
    client = MlflowClient()
    client.delete_registered_model_alias(MODEL, "champion")
    paper = SessionFolder.of(project, PAPER).root
    paper.rename(paper.with_name("elsewhere"))
    try:
        reasons = refused(project, live_parameters(NOBODY))
    finally:
        paper.with_name("elsewhere").rename(paper)
        client.set_registered_model_alias(MODEL, "champion", "1")

    assert [reason.split(";")[0] for reason in reasons] == [
        "there is no champion",
        "stage 1 needs 14 days and 20 trades of the champion on paper, on bitbank's prices, and there are none",
    ]


def test_given_a_paper_journal_that_was_edited_then_it_is_no_evidence(project: Path) -> None:
    journal = SessionFolder.of(project, PAPER).journal
    kept = journal.read_bytes()
    with closing(sqlite3.connect(journal)) as stranger, stranger:
        stranger.execute("DROP TRIGGER entries_stay")
        stranger.execute("UPDATE entries SET at_ms = at_ms - 1 WHERE seq = 7")
    try:
        (reason,) = refused(project, live_parameters(NOBODY))
    finally:
        journal.write_bytes(kept)

    assert reason.startswith(f"journal {journal}: entry 7 was altered; restore the file from a copy")


def test_given_a_damaged_credentials_file_then_its_line_is_named_and_nothing_of_it_shown(project: Path) -> None:
    file = project / "conf" / "local" / "credentials.yml"
    kept = file.read_text()
    file.write_text(f"bitbank:\n  key: [{KEYS.key}\n  secret: {KEYS.secret}\n")
    try:
        run = run_live(project, live_parameters(NOBODY))
    finally:
        file.write_text(kept)

    assert run.returncode == 1
    assert "conf/local/credentials.yml cannot be read at line" in run.stderr
    assert KEYS.secret not in run.stdout + run.stderr
    assert KEYS.key not in run.stdout + run.stderr
