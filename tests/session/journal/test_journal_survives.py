"""What is acknowledged is on the disk: killed writers, a full disk, several processes at one file."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from journals import FIRST, NOON_MS, begun, intent

from crypto_kedro.session.journal import Journal, JournalError, OutdatedFenceError
from crypto_kedro.session.journal.records import CycleEnded, CycleStarted, Decided, Observed, Trigger

WRITING = Path(__file__).with_name("journal_writing.py")


def start(path: Path, fence: int, *limits: int) -> subprocess.Popen[str]:
    """Start a process that appends until it is killed."""
    return subprocess.Popen(
        [sys.executable, str(WRITING), str(path), str(fence), *map(str, limits)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_after(writing: subprocess.Popen[str], acknowledged: int) -> int:
    """Kill a writer that has acknowledged so many appends, and return the last number that it told."""
    assert writing.stdout is not None
    waited_for = [writing.stdout.readline() for _ in range(acknowledged)]
    writing.kill()
    told, complaint = writing.communicate()
    assert complaint == ""
    return int([*waited_for, *told.splitlines()][-1])


def all_whole(path: Path) -> int:
    """Return the number of entries of a verified journal in which no decision stands without its observation."""
    with Journal.open(path) as journal:
        seen = [entry.record.cycle_id for entry in journal.entries(Observed)]
        decided = [entry.record.cycle_id for entry in journal.entries(Decided)]
        assert seen == decided
        return journal.verify().seq


@pytest.mark.parametrize("kills", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_given_writers_killed_at_any_moment_when_opened_again_then_all_that_was_acknowledged_is_there(
    tmp_path: Path, kills: int
) -> None:
    path, moments = tmp_path / "journal.db", random.Random(7)
    for fence in range(1, kills + 1):
        last = kill_after(start(path, fence), moments.randrange(1, 12))
        assert all_whole(path) >= last > 0


def test_given_a_full_disk_when_appending_then_one_sentence_says_so_and_the_journal_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with begun(path) as journal:
        written = journal.head
    writing = start(path, 2, 150_000)
    told, complaint = writing.communicate(timeout=300)
    assert writing.returncode == 3
    assert complaint.count("\n") == 1
    assert "nothing was written" in complaint
    assert "disk" in complaint
    assert all_whole(path) >= int(told.split()[-1]) > written.seq
    with Journal.open(path) as journal:
        journal.append(FIRST._replace(fence=2), NOON_MS, CycleEnded("after", 0))


def test_given_an_append_that_failed_when_asked_then_the_journal_remembers_only_what_is_on_the_disk(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.db"
    with begun(path) as journal:
        journal.append(FIRST, NOON_MS, intent("first/1"))
        with pytest.raises(JournalError, match="first/1 is written down already"):
            journal.append(FIRST, NOON_MS, intent("first/2"), intent("first/1"))
        assert [one.intent.intent_id for one in journal.unanswered()] == ["first/1"]
        journal.append(FIRST, NOON_MS, intent("first/2"))
        assert [one.intent.intent_id for one in journal.unanswered()] == ["first/1", "first/2"]


def test_given_a_disk_that_does_not_stand_by_what_it_synced_when_appending_then_the_writer_is_told(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.db"
    with begun(path) as journal:
        journal.append(FIRST, NOON_MS, intent("first/1"))
        probe = journal._probe
        assert probe is not None
        with path.with_name("journal.db-probe").open("rb") as unwritable:
            os.dup2(unwritable.fileno(), probe._descriptor)
        with pytest.raises(JournalError, match=r"journal\.db: what was just written may be lost .* failing"):
            journal.append(FIRST, NOON_MS, intent("first/2"))
        # The disk of this test has kept it all the same, and the journal says what is in the file.
        assert [one.intent.intent_id for one in journal.unanswered()] == ["first/1", "first/2"]


def test_given_a_reader_when_another_process_appends_then_the_reader_sees_it_at_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with begun(path) as journal, Journal.open(path, read_only=True) as reader:
        assert reader.unanswered() == ()
        journal.append(FIRST, NOON_MS, CycleStarted("1", Trigger.BAR), intent("first/1"))
        assert [one.intent.intent_id for one in reader.unanswered()] == ["first/1"]
        with pytest.raises(JournalError, match="readonly"):
            reader.append(FIRST, NOON_MS, CycleEnded("1", 0))


@pytest.mark.slow
def test_given_traders_with_rising_tokens_at_one_file_when_all_write_then_only_the_last_goes_on_and_the_chain_holds(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.db"
    first = start(path, 1)
    assert first.stdout is not None
    first.stdout.readline()
    second = start(path, 2)
    _, complaint = first.communicate(timeout=300)
    assert first.returncode == 3
    assert "it took over" in complaint
    kill_after(second, 5)
    assert all_whole(path) > 5
    with Journal.open(path) as journal, pytest.raises(OutdatedFenceError):
        journal.append(FIRST, NOON_MS, CycleEnded("late", 0))
