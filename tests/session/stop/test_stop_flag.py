"""A halt by flag and journal: whoever finds either of them opens nothing, over every restart, until it is resumed."""

import asyncio
from pathlib import Path

import pytest

from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.journal import Journal, JournalError, Writer
from crypto_kedro.session.journal.records import Halted, Incident
from crypto_kedro.session.notice import Severity
from crypto_kedro.session.stop import (
    StopError,
    StopFlag,
    StopOrder,
    halt_in_force,
    resume_session,
    standing_halt,
    stop_session,
)

NOW_MS = 1_790_000_000_000
NEWS = StopOrder("hanako", "news at nine")
LEAVING = StopOrder("hanako", "leaving the market", flatten=True)
TRADER = Writer("session", 1)


@pytest.fixture
def folder(tmp_path: Path) -> SessionFolder:
    return SessionFolder.of(tmp_path, "paper")


@pytest.fixture
def flag(folder: SessionFolder) -> StopFlag:
    folder.root.mkdir(parents=True)
    return StopFlag(folder.stop_flag)


@pytest.fixture
def traded(folder: SessionFolder) -> SessionFolder:
    """The folder of an environment in which a session has run."""
    folder.root.mkdir(parents=True, exist_ok=True)
    with Journal.open(folder.journal) as journal:
        journal.append(TRADER, NOW_MS, Incident(Severity.INFO, "began", "The session began."))
    return folder


def halts(folder: SessionFolder) -> list[Halted]:
    with Journal.open(folder.journal, read_only=True) as journal:
        return [entry.record for entry in journal.entries(Halted)]


def test_given_a_flag_when_it_is_read_then_it_says_who_why_and_how(flag: StopFlag) -> None:
    assert flag.standing() is None
    flag.put_up(LEAVING)
    assert flag.standing() == LEAVING
    assert flag.take_down()
    assert flag.standing() is None
    assert not flag.take_down()


@pytest.mark.parametrize(("content", "flatten"), [("", False), ("flatten\n", True), ("FLATTEN", True), ("{bad", False)])
def test_given_a_file_made_by_hand_then_it_halts(
    flag: StopFlag, folder: SessionFolder, content: str, flatten: bool
) -> None:
    folder.stop_flag.write_text(content)
    order = flag.standing()
    assert order is not None
    assert order.flatten == flatten


def test_given_a_flag_that_cannot_be_read_then_it_halts(flag: StopFlag, folder: SessionFolder) -> None:
    folder.stop_flag.mkdir()
    assert flag.standing() is not None


def test_given_an_order_to_flatten_when_a_milder_one_follows_then_it_still_flattens(flag: StopFlag) -> None:
    flag.put_up(LEAVING)
    flag.put_up(NEWS)
    assert flag.standing() == StopOrder("hanako", "news at nine", flatten=True)


def test_given_a_watch_when_the_flag_goes_up_then_it_ends_with_the_order(flag: StopFlag) -> None:
    naps = 0

    async def nap(seconds: float) -> None:
        nonlocal naps
        naps += 1
        if naps == 4:
            flag.put_up(NEWS)

    assert asyncio.run(flag.wait(sleep=nap)) == NEWS
    assert naps == 4


def test_given_a_flag_when_the_trader_looks_then_it_is_written_into_the_journal_once(
    flag: StopFlag, traded: SessionFolder
) -> None:
    with Journal.open(traded.journal) as journal:
        assert halt_in_force(flag, journal, NOW_MS) is None
        flag.put_up(NEWS)
        for _ in range(3):
            halt = halt_in_force(flag, journal, NOW_MS)
            assert halt is not None
            assert (halt.by, halt.reason, halt.flatten) == ("hanako", "news at nine", False)
    assert halts(traded) == [Halted("hanako", "news at nine", flatten=False)]


def test_given_a_halt_when_the_flag_asks_for_more_then_it_flattens_too(flag: StopFlag, traded: SessionFolder) -> None:
    with Journal.open(traded.journal) as journal:
        flag.put_up(NEWS)
        halt_in_force(flag, journal, NOW_MS)
        flag.put_up(LEAVING)
        halt = halt_in_force(flag, journal, NOW_MS + 1)
        assert halt is not None
        assert halt.flatten
    assert len(halts(traded)) == 2


def test_given_a_flag_without_words_then_it_can_be_written_down_all_the_same(
    flag: StopFlag, traded: SessionFolder
) -> None:
    traded.stop_flag.write_text('{"by": "", "reason": " "}')
    with Journal.open(traded.journal) as journal:
        assert halt_in_force(flag, journal, NOW_MS) is not None


def test_given_a_halt_when_the_flag_is_removed_by_hand_then_it_stays_halted(
    flag: StopFlag, traded: SessionFolder
) -> None:
    flag.put_up(NEWS)
    with Journal.open(traded.journal) as journal:
        halt_in_force(flag, journal, NOW_MS)
    traded.stop_flag.unlink()
    with Journal.open(traded.journal) as journal:
        assert halt_in_force(flag, journal, NOW_MS) is not None


def test_given_no_session_yet_when_stopped_then_the_first_one_finds_the_halt(folder: SessionFolder) -> None:
    assert stop_session(folder, NEWS, NOW_MS) == ()
    assert standing_halt(folder) == NEWS
    with Journal.open(folder.journal) as journal:
        assert halt_in_force(StopFlag(folder.stop_flag), journal, NOW_MS) is not None


def test_given_a_running_trader_when_stopped_and_resumed_then_its_journal_says_so_at_once(
    traded: SessionFolder,
) -> None:
    with Journal.open(traded.journal) as journal:
        stop_session(traded, LEAVING, NOW_MS)
        halt = journal.halt()
        assert halt is not None
        assert halt.flatten
        assert standing_halt(traded) == LEAVING
        resume_session(traded, "hanako", "all is well", NOW_MS)
        assert journal.halt() is None
        assert halt_in_force(StopFlag(traded.stop_flag), journal, NOW_MS) is None
        assert standing_halt(traded) is None


def test_given_a_journal_that_cannot_be_written_when_stopped_then_the_flag_halts(folder: SessionFolder) -> None:
    folder.root.mkdir(parents=True)
    folder.journal.write_text("no database at all, though long enough to look like one at the first glance " * 9)
    troubles = stop_session(folder, NEWS, NOW_MS)
    assert [isinstance(trouble, JournalError) for trouble in troubles] == [True]
    assert StopFlag(folder.stop_flag).standing() == NEWS


def test_given_a_flag_that_cannot_be_written_when_stopped_then_the_journal_halts(traded: SessionFolder) -> None:
    traded.stop_flag.with_name("STOP.new").mkdir()
    troubles = stop_session(traded, NEWS, NOW_MS)
    assert [type(trouble) for trouble in troubles] == [StopError]
    assert standing_halt(traded) == NEWS


def test_given_neither_can_be_written_when_stopped_then_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(StopError, match="STOP: cannot be written"):
        stop_session(SessionFolder.of(tmp_path, "paper"), NEWS, NOW_MS)


def test_given_a_halt_by_the_trader_itself_when_resumed_then_it_may_trade(traded: SessionFolder) -> None:
    with Journal.open(traded.journal) as journal:
        journal.append(TRADER, NOW_MS, Halted("trader", "the account is restricted", flatten=False))
    resume_session(traded, "hanako", "bitbank lifted it", NOW_MS)
    assert standing_halt(traded) is None


def test_given_no_halt_when_resumed_then_it_is_refused(traded: SessionFolder) -> None:
    with pytest.raises(StopError, match="paper: trading is not halted"):
        resume_session(traded, "hanako", "why not", NOW_MS)


def test_given_a_flag_and_a_journal_without_a_halt_when_resumed_then_the_flag_is_gone(traded: SessionFolder) -> None:
    traded.stop_flag.touch()
    resume_session(traded, "hanako", "a mistake", NOW_MS)
    assert standing_halt(traded) is None
    assert halts(traded) == []
