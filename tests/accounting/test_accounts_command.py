"""Specifies ``kedro accounts`` on a journal as a session leaves it."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from written_fills import BUY, CLOSE_LONG, OPEN_LONG, ROUND_TRIPS, SELL, fill

from crypto_kedro.accounts import accounts
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.journal import Journal, Writer
from crypto_kedro.session.journal.records import FillSeen, Lineage, SessionStarted
from crypto_kedro.trading.money import Jpy
from crypto_kedro.trading.orders import Fill
from crypto_kedro.trading.settings import TradingSettings

LINEAGE = Lineage("d" * 64, "btc-jpy-ensemble version 3", "r" * 32, "a" * 40, "b" * 64, "file", "c" * 64, "e" * 40)


def journal_of(path: Path, fills: Sequence[Fill], environment: str = "live", session: str = "s-1") -> Path:
    began = SessionStarted(environment, LINEAGE, TradingSettings(), Jpy.of(1_000_000), 1)
    with Journal.open(path) as journal:
        writer = Writer(session, 1)
        journal.append(writer, fills[0].executed_at_ms - 1, began)
        for one in fills:
            journal.append(writer, one.executed_at_ms, FillSeen(one))
    return path


def kept(project: Path, name: str, fills: Sequence[Fill]) -> None:
    """Leave the journal of a folder."""
    folder = SessionFolder.of(project, name)
    folder.root.mkdir(parents=True)
    journal_of(folder.journal, fills)


def run(*arguments: str | Path, project: Path | None = None) -> Result:
    metadata = SimpleNamespace(project_path=project)
    return CliRunner().invoke(accounts, [str(argument) for argument in arguments], obj=metadata)


def test_given_a_live_journal_when_accounted_then_the_income_is_told_and_the_files_are_named(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "journal.db", ROUND_TRIPS)

    told = run("--journal", journal, "--out", tmp_path / "books", "--method", "total-average")

    assert told.exit_code == 0, told.output
    assert told.output.splitlines() == [
        "2026 total-average: income -4,085 JPY (revenue 639, expenses 4,724, 2 margin closings)",
        "All 2 margin results follow from the prices of the fills.",
        *(
            f"  {tmp_path / 'books' / name}"
            for name in ("fills.csv", "days.csv", "months.csv", "tax-2026-total-average.csv")
        ),
    ]
    assert (tmp_path / "books" / "tax-2026-total-average.csv").is_file()


def test_given_a_paper_journal_when_accounted_then_it_is_said_to_be_practice(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "journal.db", ROUND_TRIPS, "paper")

    told = run("--journal", journal, "--out", tmp_path / "books")

    assert told.output.startswith("PAPER money: these books are practice, not for a tax return.\n")


@pytest.mark.parametrize("named", [(), ("--env", "paper"), ("--env", "simulator")])
def test_given_the_journal_of_one_folder_when_accounted_then_it_is_found(
    tmp_path: Path, named: tuple[str, ...]
) -> None:
    kept(tmp_path, "simulator", ROUND_TRIPS)

    told = run(*named, "--out", tmp_path / "books", project=tmp_path)

    assert told.exit_code == 0, told.output
    assert "income -4,085 JPY" in told.output


def test_given_a_rehearsal_beside_it_when_live_is_accounted_then_real_money_alone_is_read(tmp_path: Path) -> None:
    kept(tmp_path, "live-rehearsal", ROUND_TRIPS)
    kept(tmp_path, "live", ROUND_TRIPS[:2])

    told = run("--env", "live", "--out", tmp_path / "books", "--method", "total-average", project=tmp_path)

    assert "income 639 JPY (revenue 639, expenses 0, 1 margin closings)" in told.output


@pytest.mark.parametrize(
    ("folders", "sentence"),
    [
        (("live", "simulator"), "there are journals of live, simulator; name one of them with --env"),
        ((), "no session has left a journal here; run one, or name a file with --journal"),
    ],
)
def test_given_no_or_several_journals_when_none_is_named_then_one_sentence_tells(
    tmp_path: Path, folders: tuple[str, ...], sentence: str
) -> None:
    for folder in folders:
        kept(tmp_path, folder, ROUND_TRIPS)

    told = run(project=tmp_path)

    assert told.exit_code == 1
    assert sentence in told.output


def test_given_one_session_of_two_when_accounted_then_the_other_is_left_out(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "journal.db", ROUND_TRIPS[:2])
    journal_of(journal, ROUND_TRIPS[2:], session="s-2")

    told = run("--journal", journal, "--session", "s-1", "--out", tmp_path / "books", "--method", "total-average")

    assert "income 639 JPY (revenue 639, expenses 0, 1 margin closings)" in told.output


def test_given_coins_from_before_and_elsewhere_when_accounted_then_they_count(tmp_path: Path) -> None:
    sale = fill(9, "2026-09-25T10:00", SELL, None, "1.5", 4_000_000)
    journal = journal_of(tmp_path / "journal.db", (OPEN_LONG, CLOSE_LONG, sale))
    elsewhere = tmp_path / "elsewhere.csv"
    elsewhere.write_text("at,side,amount_btc,product_jpy,fee_jpy\n2026-01-05,buy,1,3000000,0\n")

    told = run(
        "--journal", journal, "--opening-btc", "0.5", "--opening-cost", "900000", "--elsewhere", elsewhere,
        "--method", "moving-average", "--out", tmp_path / "books",
    )  # fmt: skip

    # 6,000,000 - 3,900,000 + 639
    assert "2026 moving-average: income 2,100,639 JPY" in told.output


def test_given_a_result_that_does_not_follow_from_the_prices_then_its_trade_is_named(tmp_path: Path) -> None:
    odd = fill(2, "2026-09-21T12:00", SELL, OPEN_LONG.position_side, "0.01", 15_100_000, net="2000")
    journal = journal_of(tmp_path / "journal.db", (OPEN_LONG, odd))

    told = run("--journal", journal, "--out", tmp_path / "books")

    assert "Look at trade 2: its result is 1000 JPY away" in told.output


def test_given_a_history_that_begins_with_a_position_then_an_earlier_one_is_asked_for(tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "journal.db", ROUND_TRIPS[1:])

    told = run("--journal", journal, "--out", tmp_path / "books")

    assert "1 results belong to positions opened before the history" in told.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--journal", "nowhere.db", "--bitbank"), "not both"),
        (("--journal", "nowhere.db"), "no such file"),
        (("--bitbank",), "--bitbank needs --year or --since"),
    ],
)
def test_given_a_wrong_call_then_one_sentence_tells(arguments: tuple[str, ...], sentence: str) -> None:
    told = CliRunner().invoke(accounts, list(arguments), obj=None)

    assert told.exit_code != 0
    assert sentence in told.output
    assert "Traceback" not in told.output


def test_given_no_api_key_when_bitbank_is_to_be_asked_then_the_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("BITBANK_API_KEY", "BITBANK_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    project = SimpleNamespace(project_path=Path(__file__).parents[2])

    told = CliRunner().invoke(accounts, ["--bitbank", "--year", "2026", "--env", "base"], obj=project)

    assert told.exit_code == 1
    assert "set BITBANK_API_KEY" in told.output


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--opening-btc", "half", "'half' is no amount of BTC"),
        ("--opening-cost", "much", "--opening-cost: sum in JPY: 'much'"),
        ("--opening-cost", "5", "a holding of 0 satoshi"),
        ("--year", "2020", "the history holds 2026"),
    ],
)
def test_given_a_wrong_option_then_one_sentence_tells(tmp_path: Path, option: str, value: str, sentence: str) -> None:
    journal = journal_of(tmp_path / "journal.db", ROUND_TRIPS)

    told = run("--journal", journal, "--out", tmp_path / "books", option, value)

    assert told.exit_code == 1
    assert sentence in told.output
    assert not (tmp_path / "books").exists()


def test_given_a_sale_of_coins_nobody_knows_of_then_the_options_that_name_them_are_told(tmp_path: Path) -> None:
    trades = (
        fill(8, "2026-09-24T10:00", BUY, None, "0.5", 4_000_000),
        fill(9, "2026-09-25T10:00", SELL, None, "1", 4_000_000),
    )
    journal = journal_of(tmp_path / "journal.db", trades)

    told = run("--journal", journal, "--out", tmp_path / "books")

    assert "1.00000000 BTC were sold but only 0.50000000 were held" in told.output
    assert "--opening" in told.output
