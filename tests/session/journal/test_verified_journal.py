"""A journal is verified before it is traded on or counts as evidence, and its file is watched meanwhile."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from journals import FIRST, NOON_MS, STARTED, begun, intent
from test_journal_survives import kill_after, start

from crypto_kedro.accounts import journal_history
from crypto_kedro.session.journal import AlteredJournalError, Journal, JournalError, Writer
from crypto_kedro.session.journal.chain import Link, link_hash
from crypto_kedro.session.journal.halt import halt_trading
from crypto_kedro.session.journal.records import CycleEnded, CycleStarted, Trigger

Change = Callable[[Path], object]
HEAD = "journal.db-head"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of 21 entries that was closed in good order."""
    file = tmp_path / "journal.db"
    with Journal.open_to_trade(file) as journal:
        journal.append(FIRST, NOON_MS, STARTED)
        for number in range(10):
            journal.append(FIRST, NOON_MS, CycleStarted(str(number), Trigger.BAR), CycleEnded(str(number), 0))
    return file


def sql(statement: str) -> Change:
    """Return a change of the file, as somebody makes it who takes its guards away first."""

    def change(path: Path) -> None:
        with closing(sqlite3.connect(path)) as stranger, stranger:
            for (name,) in stranger.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                stranger.execute(f"DROP TRIGGER {name}")
            stranger.execute(statement)

    return change


def forge(path: Path) -> None:
    """Change an entry and make the chain hold again."""
    sql("UPDATE entries SET body = replace(body, 'bar', 'tick') WHERE seq = 4")(path)
    with closing(sqlite3.connect(path)) as stranger, stranger:
        previous = stranger.execute("SELECT hash FROM entries WHERE seq = 3").fetchone()[0]
        for row in stranger.execute("SELECT * FROM entries WHERE seq >= 4 ORDER BY seq").fetchall():
            previous = link_hash(previous, Link(*row[:-1]))
            stranger.execute("UPDATE entries SET hash = ? WHERE seq = ?", (previous, row[0]))


def another(path: Path) -> None:
    """Put the whole journal of another trader in its place."""
    with begun(path.with_name("other.db")) as other:
        for number in range(15):
            other.append(FIRST, NOON_MS + 7, CycleStarted(str(number), Trigger.BAR), CycleEnded(str(number), 0))
    path.with_name("other.db").replace(path)


def flip(offset: int) -> Change:
    def change(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[offset] ^= 0x55
        path.write_bytes(content)

    return change


def last_body(path: Path) -> int:
    """Return where the text of the oldest cycle's end stands in the file."""
    return path.read_bytes().index(b'"cycle_id":"0"')


CHANGES: dict[str, tuple[Change, str]] = {
    "edited": (sql("UPDATE entries SET body = replace(body, 'bar', 'tick') WHERE seq = 4"), "entry 4 was altered"),
    "edited last": (sql("UPDATE entries SET at_ms = 0 WHERE seq = 21"), "entry 21 was altered"),
    "edited in place": (lambda path: flip(last_body(path) + 12)(path), "entry [23] was altered"),
    "deleted": (sql("DELETE FROM entries WHERE seq = 9"), "entry 9 is missing"),
    "cut off": (sql("DELETE FROM entries WHERE seq > 18"), "ends at entry 18 and once had 21"),
    "all deleted": (sql("DELETE FROM entries"), "ends at entry 0 and once had 21"),
    "added": (
        sql("INSERT INTO entries SELECT 22, at_ms, session_id, fence, kind, body, hash FROM entries WHERE seq = 21"),
        "entry 22 was altered",
    ),
    "added before": (
        sql("INSERT INTO entries SELECT -1, at_ms, session_id, fence, kind, body, hash FROM entries WHERE seq = 21"),
        "an entry was added before the first",
    ),
    "chained again": (forge, "entry 21 is not the one that was there before"),
    "another journal": (another, "entry 21 is not the one that was there before"),
    "table dropped": (sql("DROP TABLE entries"), "cannot be read"),
    "emptied": (lambda path: path.write_bytes(b""), "it is empty and once had 21 entries"),
    "deleted whole": (Path.unlink, "it is gone and once had 21 entries"),
    "halved": (lambda path: os.truncate(path, path.stat().st_size // 2 // 4096 * 4096), "journal.db: "),
    "other bytes": (lambda path: path.write_bytes(b"no database " * 1000), "file is not a database"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "cannot be opened"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_given_an_altered_journal_when_opened_to_trade_then_one_sentence_refuses_it_again_and_again(
    path: Path, name: str
) -> None:
    change, complaint = CHANGES[name]
    change(path)
    for _ in range(2):
        with pytest.raises(JournalError, match=complaint) as refusal:
            Journal.open_to_trade(path)
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", [name for name in CHANGES if name not in {"emptied", "deleted whole", "a folder"}])
def test_given_an_altered_journal_when_it_should_count_as_evidence_then_it_is_refused(path: Path, name: str) -> None:
    change, complaint = CHANGES[name]
    change(path)
    with pytest.raises(JournalError, match=complaint):
        journal_history(path)


def test_given_an_edit_that_resets_the_files_time_when_opened_to_trade_then_it_is_noticed(path: Path) -> None:
    before = path.stat()
    CHANGES["edited"][0](path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(AlteredJournalError, match="entry 4 was altered"):
        Journal.open_to_trade(path)


@pytest.mark.parametrize(
    "spoil",
    [
        Path.unlink,
        lambda head: head.write_bytes(b""),
        lambda head: head.write_bytes(b"\x00" * 512),
        lambda head: head.write_bytes(head.read_bytes().replace(b"[21,", b"[99,")),
        lambda head: (head.unlink(), head.mkdir()),
    ],
)
def test_given_a_head_that_is_gone_or_garbled_when_opened_then_the_whole_chain_is_verified(
    path: Path, spoil: Change
) -> None:
    spoil(path.with_name(HEAD))
    with Journal.open_to_trade(path) as journal:
        assert journal.verify().seq == 21
    spoil_again = path.with_name(HEAD)
    if spoil_again.is_file():
        spoil(spoil_again)
    CHANGES["edited"][0](path)
    with pytest.raises(AlteredJournalError, match="entry 4 was altered"):
        Journal.open_to_trade(path)


def test_given_an_older_copy_when_the_head_is_deleted_knowingly_then_trading_goes_on_from_there(path: Path) -> None:
    shutil.copy(path, path.with_name("copy.db"))
    with Journal.open_to_trade(path) as journal:
        journal.append(FIRST, NOON_MS, intent("1"))
    path.with_name("copy.db").replace(path)
    with pytest.raises(AlteredJournalError, match=f"older copy; put the right file back, or delete {HEAD} to go on"):
        Journal.open_to_trade(path)
    path.with_name(HEAD).unlink()
    with Journal.open_to_trade(path) as journal:
        journal.append(FIRST, NOON_MS, intent("2"))
        assert journal.verify().seq == 22


def test_given_a_killed_writer_when_its_journal_is_opened_then_it_holds_up_to_the_last_entry(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    last = kill_after(start(path, 1), 5)
    with Journal.open_to_trade(path) as journal:
        assert journal.verify().seq >= last


def test_given_a_killed_writer_when_its_log_is_deleted_then_the_lost_entries_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    kill_after(start(path, 1), 5)
    path.with_name("journal.db-wal").unlink()
    with pytest.raises(JournalError):
        Journal.open_to_trade(path)


def test_given_a_halt_by_another_hand_when_the_trader_looks_then_the_journal_is_whole(path: Path) -> None:
    with Journal.open_to_trade(path) as journal:
        with Journal.open(path) as hand:
            halt_trading(hand, NOON_MS, by="maria", reason="lunch")
        assert journal.damage() is None
        assert journal.halt() is not None
        journal.append(FIRST, NOON_MS, CycleEnded("9", 0))
    with Journal.open_to_trade(path) as journal:
        assert journal.head.seq == 23


def copied_over(path: Path) -> None:
    """Overwrite the bytes of the open file by those of another journal."""
    with begun(path.with_name("other.db")) as other:
        other.append(FIRST, NOON_MS, *[CycleEnded("1", 0)] * 200)
    shutil.copyfile(path.with_name("other.db"), path)


RUNNING: dict[str, tuple[Change, str]] = {
    "deleted": (Path.unlink, "was deleted while it was in use"),
    "replaced": (another, "another file was put in its place"),
    "emptied": (lambda path: os.truncate(path, 0), "was cut off while it was in use"),
    "cut short": (lambda path: os.truncate(path, path.stat().st_size - 4096), "was cut off while it was in use"),
    "copied over": (copied_over, "journal.db: "),
    "other bytes": (lambda path: path.open("r+b").write(os.urandom(path.stat().st_size)), "journal.db: "),
    "log deleted": (lambda path: path.with_name("journal.db-wal").unlink(), "its file -wal was deleted"),
    "edited": CHANGES["edited"],
    "end deleted": (sql("DELETE FROM entries WHERE seq > 18"), "ends at entry 18 and once had 22"),
    "chained again": (forge, "entry 22 is not the one"),
}


@pytest.mark.parametrize("name", RUNNING)
def test_given_a_trader_when_its_file_is_changed_then_it_is_halted_at_once_and_never_signs_that(
    path: Path, name: str
) -> None:
    change, complaint = RUNNING[name]
    journal = Journal.open_to_trade(path)
    journal.append(FIRST, NOON_MS, CycleEnded("9", 0))
    assert journal.damage() is None
    assert journal.halt() is None
    signed = path.with_name(HEAD).read_bytes()
    change(path)
    assert complaint in (journal.damage() or "")
    halt = journal.halt()
    assert halt is not None
    assert complaint in halt.reason
    journal.close()
    assert path.with_name(HEAD).read_bytes() == signed
    try:
        with Journal.open_to_trade(path) as mended:
            # SQLite has put the pages back that were still in its log.
            assert mended.verify().seq == 22
    except JournalError:
        return
    assert name in {"cut short", "emptied", "log deleted"}


@pytest.mark.parametrize("name", ["deleted", "replaced", "edited", "end deleted", "chained again"])
def test_given_a_damaged_journal_when_the_trader_protects_then_its_intents_are_still_written(
    path: Path, name: str
) -> None:
    with Journal.open_to_trade(path) as journal:
        journal.append(FIRST, NOON_MS, CycleEnded("9", 0))
        RUNNING[name][0](path)
        journal.append(FIRST, NOON_MS, intent("1"))
        assert [one.intent.intent_id for one in journal.unanswered()] == ["1"]
        assert journal.damage() is not None


def test_given_entries_cut_off_when_the_trader_appends_before_it_looks_then_it_is_noticed_all_the_same(
    path: Path,
) -> None:
    with Journal.open_to_trade(path) as journal:
        journal.append(FIRST, NOON_MS, CycleEnded("9", 0))
        RUNNING["end deleted"][0](path)
        journal.append(FIRST, NOON_MS, *[CycleEnded("9", 0)] * 9)
        assert "ends at entry 18" in (journal.damage() or "")
    with pytest.raises(AlteredJournalError, match="entry 22 is not the one"):
        Journal.open_to_trade(path)


def test_given_a_start_after_good_order_when_timed_by_what_it_reads_then_only_the_remainder_is_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[int] = []

    def counting(previous: str, link: Link) -> str:
        hashed.append(link.seq)
        return link_hash(previous, link)

    monkeypatch.setattr("crypto_kedro.session.journal.verification.link_hash", counting)
    Journal.open_to_trade(path).close()
    assert hashed == []
    with Journal.open(path) as hand:
        hand.append(Writer("human", None), NOON_MS, CycleEnded("9", 0))
    Journal.open_to_trade(path).close()
    assert hashed == list(range(1, 23))
