"""Paper money on a public feed, as processes: killed amid an open position, and begun again."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Self, TypeVar

import mlflow
import pytest
from live_project import (
    KEDRO,
    PAPER,
    copy_project,
    live_parameters,
    make_champion,
    sanguine_bundle,
    standing_in_for_bitbank,
)

from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.exchange.paper.account import PaperAccount
from crypto_kedro.exchange.paper.account_file import AccountFile
from crypto_kedro.exchange.settings import EngineSettings
from crypto_kedro.pipelines.trading.exchanges import PAPER_ACCOUNT
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.journal import Journal
from crypto_kedro.session.journal.records import Answered, CycleEnded, FillSeen, SessionEnded, SessionStarted
from crypto_kedro.tracking.run import connect
from crypto_kedro.tracking.target import TrackingTarget
from crypto_kedro.trading.orders import Order, OrderType

T = TypeVar("T")
PATIENCE_S = 300.0
STOPS = (OrderType.STOP, OrderType.STOP_LOSS)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A project whose champion buys whenever it may."""
    folder = copy_project(tmp_path / "project")
    (folder / "data").mkdir()
    before = mlflow.get_tracking_uri()
    connect(TrackingTarget("sqlite:///data/mlflow.db", "data/mlartifacts", "crypto-kedro"), folder)
    make_champion(sanguine_bundle(tmp_path / "bundle"))
    yield folder
    mlflow.set_tracking_uri(before)


class PaperProcess:
    """``kedro run --env paper`` with the one line that switches to bitbank, at an exchange that stands in for it."""

    def __init__(self, project: Path, address: str) -> None:
        self._said = project / f"said-{time.monotonic_ns()}.txt"
        with self._said.open("w") as said:
            self._process = subprocess.Popen(
                [KEDRO, "run", "--env", "paper", "--params", _parameters(address)],
                cwd=project,
                env={**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{project / 'data' / 'mlflow.db'}"},
                stdout=said,
                stderr=subprocess.STDOUT,
            )

    def until(self, look: Callable[[], T | None]) -> T:
        """Look again and again until there is something to see."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            assert self._process.poll() is None, self._said.read_text()
            try:
                seen = look()
            except CryptoKedroError:
                seen = None
            if seen is not None:
                return seen
            time.sleep(0.2)
        raise AssertionError(self._said.read_text())

    def end(self, how: signal.Signals) -> None:
        self._process.send_signal(how)
        self._process.wait(PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def _parameters(address: str) -> str:
    return live_parameters(address, **{"session.exchange": "bitbank"}).replace("session.armed=true,", "")


@pytest.mark.slow
def test_given_an_open_paper_position_when_the_session_is_killed_then_the_next_one_goes_on_with_it(
    project: Path, tmp_path: Path
) -> None:
    folder = SessionFolder.of(project, PAPER)
    with standing_in_for_bitbank(tmp_path) as address:
        with PaperProcess(project, address) as killed:
            stop = killed.until(lambda: _resting_stop(folder))
            killed.end(signal.SIGKILL)

        with PaperProcess(project, address) as going_on:
            going_on.until(lambda: _cycle_of_the_second_session(folder))
            going_on.end(signal.SIGTERM)

    with Journal.open(folder.journal, read_only=True) as journal, closing(_account_file(folder)) as file:
        journal.verify()
        engine = PaperAccount(file, EngineSettings()).engine
        seen = [row.record.fill for row in journal.entries(FillSeen)]
        ledger = journal.ledger()
        sessions = [row.session_id for row in journal.entries(SessionStarted)]
        (ended,) = journal.entries(SessionEnded)
    account = engine.account()
    replayed = subprocess.run(
        [KEDRO, "replay", "--env", PAPER], cwd=project, capture_output=True, text=True, check=False
    )
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert ended.session_id == sessions[1]
    assert seen == engine.fills
    assert [fill.order_id for fill in seen if fill.is_opening] == [seen[0].order_id]
    assert ledger is not None
    assert ledger.balance == account.cash
    # A position that is still open has the same stop; one that has ended since has left no order behind.
    assert (stop.order_id in {order.order_id for order in account.open_orders}) is bool(account.long.amount)
    assert account.long.amount or not account.open_orders
    assert [order.order_id for order in engine.orders()].count(stop.order_id) == 1


def _resting_stop(folder: SessionFolder) -> Order | None:
    """The stop of a position, once both are written down."""
    with Journal.open(folder.journal, read_only=True) as journal:
        orders = [row.record.order for row in journal.entries(Answered)]
    return next((order for order in orders if order is not None and order.request.type in STOPS), None)


def _cycle_of_the_second_session(folder: SessionFolder) -> bool | None:
    """Whether the second session has looked at the account and found the position or its end."""
    with Journal.open(folder.journal, read_only=True) as journal:
        sessions = [row.session_id for row in journal.entries(SessionStarted)]
        return (len(sessions) == 2 and bool(list(journal.entries(CycleEnded, session_id=sessions[1])))) or None


def _account_file(folder: SessionFolder) -> AccountFile:
    return AccountFile(folder.root / PAPER_ACCOUNT)
