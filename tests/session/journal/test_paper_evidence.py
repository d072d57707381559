"""What a model has shown on paper: only what it did itself, hour by hour and trade by trade."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from journals import CAPITAL, LINEAGE, NOON_MS, SETTINGS, fill, round_trip
from msgspec.structs import replace

from crypto_kedro.market.bars import DAY_MS, HOUR_MS, MINUTE_MS
from crypto_kedro.session.journal import Journal, Writer
from crypto_kedro.session.journal.records import (
    CycleStarted,
    DrawdownCleared,
    EquityMarked,
    FillSeen,
    SessionStarted,
    Trigger,
)
from crypto_kedro.session.paper_evidence import PaperEvidence, Traded
from crypto_kedro.trading.ledger import EquityPoint
from crypto_kedro.trading.money import Jpy, Rate
from crypto_kedro.trading.orders import Side
from crypto_kedro.trading.settings import TradingSettings

OURS, OTHERS = "a" * 64, "c" * 64


class PaperAccount:
    """A paper account whose journal is written hour by hour."""

    def __init__(self, path: Path) -> None:
        self.journal = Journal.open(path)
        self._sessions = 0
        self._writer = Writer("none", 1)

    def begin(self, digest: str, at_ms: int, settings: TradingSettings = SETTINGS) -> None:
        self._sessions += 1
        self._writer = Writer(f"paper-{self._sessions}", self._sessions)
        lineage = replace(LINEAGE, bundle_digest=digest)
        self.journal.append(self._writer, at_ms, SessionStarted("paper", lineage, settings, CAPITAL, 1))

    def decide(self, at_ms: int) -> None:
        self.journal.append(self._writer, at_ms, CycleStarted(f"{self._writer.session_id}-{at_ms}", Trigger.BAR))

    def trade(self, first_id: int, at_ms: int, net: str) -> None:
        fills = round_trip(first_id, at_ms, net)
        self.journal.append(self._writer, at_ms + MINUTE_MS, *map(FillSeen, fills))

    def fill(self, trade_id: int, at_ms: int, side: Side, net: str = "0") -> None:
        self.journal.append(self._writer, at_ms, FillSeen(fill(trade_id, at_ms, side, net)))

    def shown(self, digest: str = OURS) -> PaperEvidence | None:
        return PaperEvidence.of(self.journal, Traded(digest, SETTINGS, limit_target=False))


@pytest.fixture
def account(tmp_path: Path) -> Iterator[PaperAccount]:
    opened = PaperAccount(tmp_path / "journal.db")
    yield opened
    opened.journal.close()


def test_given_no_session_of_the_model_then_there_is_no_evidence(account: PaperAccount) -> None:
    assert account.shown() is None
    account.begin(OTHERS, NOON_MS)
    account.trade(1, NOON_MS, "100")
    assert account.shown() is None


def test_given_trades_and_hours_then_both_are_counted_and_idle_days_are_not(account: PaperAccount) -> None:
    account.begin(OURS, NOON_MS)
    for hour in range(12):
        account.decide(NOON_MS + hour * HOUR_MS)
        account.decide(NOON_MS + hour * HOUR_MS + 15 * MINUTE_MS)
    account.trade(1, NOON_MS + HOUR_MS, "-1000")
    account.trade(3, NOON_MS + 2 * HOUR_MS, "500")
    account.begin(OURS, NOON_MS + 30 * DAY_MS)
    for hour in range(12):
        account.decide(NOON_MS + 30 * DAY_MS + hour * HOUR_MS)

    assert account.shown() == PaperEvidence(days=1.0, closed_trades=2, deepest_drawdown=0.01)


def test_given_another_model_in_between_then_only_the_last_unbroken_time_counts(account: PaperAccount) -> None:
    account.begin(OURS, NOON_MS)
    account.decide(NOON_MS)
    account.trade(1, NOON_MS, "-20000")
    account.begin(OTHERS, NOON_MS + HOUR_MS)
    account.decide(NOON_MS + HOUR_MS)
    account.trade(3, NOON_MS + HOUR_MS, "-30000")
    account.begin(OURS, NOON_MS + 2 * HOUR_MS)
    account.decide(NOON_MS + 2 * HOUR_MS)
    account.trade(5, NOON_MS + 2 * HOUR_MS, "-500")

    ours, others = account.shown(), account.shown(OTHERS)

    assert ours == PaperEvidence(days=1 / 24, closed_trades=1, deepest_drawdown=0.01)
    assert others == PaperEvidence(days=1 / 24, closed_trades=1, deepest_drawdown=0.375)


def test_given_a_position_of_another_model_when_it_closes_then_it_is_no_trade_of_this_one(
    account: PaperAccount,
) -> None:
    account.begin(OTHERS, NOON_MS)
    account.fill(1, NOON_MS, Side.BUY)
    account.begin(OURS, NOON_MS + HOUR_MS)
    account.fill(2, NOON_MS + HOUR_MS, Side.SELL, "-100")
    account.trade(3, NOON_MS + 2 * HOUR_MS, "100")

    shown = account.shown()

    assert shown is not None
    assert shown.closed_trades == 1


def test_given_a_drawdown_that_a_human_cleared_then_it_is_still_told(account: PaperAccount) -> None:
    account.begin(OURS, NOON_MS)
    account.trade(1, NOON_MS, "-15000")
    account.journal.append(Writer("human", None), NOON_MS + HOUR_MS, DrawdownCleared("hanako", "looked at it"))
    account.trade(3, NOON_MS + 2 * HOUR_MS, "10")

    shown = account.shown()

    assert shown is not None
    assert shown.deepest_drawdown == 0.15


def test_given_an_open_position_under_water_at_midnight_then_the_drawdown_counts_it(account: PaperAccount) -> None:
    account.begin(OURS, NOON_MS)
    account.fill(1, NOON_MS, Side.BUY)
    point = EquityPoint(NOON_MS + 12 * HOUR_MS, Jpy.of("88000"))
    account.journal.append(Writer("paper-1", 1), point.at_ms, EquityMarked(point))

    shown = account.shown()

    assert shown is not None
    assert (shown.deepest_drawdown, shown.closed_trades) == (0.12, 0)


def test_given_fills_that_were_learnt_late_then_they_are_counted_in_their_own_order(account: PaperAccount) -> None:
    account.begin(OURS, NOON_MS)
    account.fill(2, NOON_MS + HOUR_MS, Side.SELL, "-100")
    account.fill(1, NOON_MS - 5, Side.BUY)

    shown = account.shown()

    assert shown is not None
    assert (shown.closed_trades, shown.deepest_drawdown) == (1, 0.001)


def test_given_other_settings_then_their_days_are_no_evidence(account: PaperAccount) -> None:
    sizing = dataclasses.replace(SETTINGS.sizing, risk_fraction=Rate.of("0.0001"))
    cautious = dataclasses.replace(SETTINGS, sizing=sizing)
    account.begin(OURS, NOON_MS, cautious)
    account.decide(NOON_MS)
    assert account.shown() is None

    account.begin(OURS, NOON_MS + HOUR_MS)
    account.decide(NOON_MS + HOUR_MS)
    shown = account.shown()
    assert shown is not None
    assert shown.days == pytest.approx(1 / 24)
