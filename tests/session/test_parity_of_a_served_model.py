"""From minutes to verdict: a session on a served model and the batch over the same minutes agree bit for bit."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from paper_sessions import WRITER, begin
from planted_sessions import usual_plan
from taught_market import CATALOGUE, small_ensemble

from crypto_kedro.errors import DataError
from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.features import load_feature_set
from crypto_kedro.learning.export import BundleContent, write_bundle
from crypto_kedro.market.bars import HOUR_MS, Bars
from crypto_kedro.market.frame import candles_from_frame
from crypto_kedro.market.gaps import fill_halts
from crypto_kedro.market.synthetic import synthetic_candles
from crypto_kedro.serving.bundle import load_bundle
from crypto_kedro.session.cycle import CycleTerms
from crypto_kedro.session.journal import Journal
from crypto_kedro.session.live_window import LiveFacts, LiveModel
from crypto_kedro.session.paper import RecordedAccount, trade_recorded
from crypto_kedro.session.parity import Cause, Kind, Parity, compare, expected_of, read_period, stretch_of
from crypto_kedro.session.parity.expected import published_minutes
from crypto_kedro.trading.money import Price
from crypto_kedro.trading.settings import SignalRule

WARM_UP_MINUTES = 16 * 24 * 60 - 1
"""The next minute completes a decision bar."""
TRADED_HOURS = 5
KELLY = 1.0
PLAN = usual_plan()
SETTINGS = replace(
    PLAN.settings, signal=SignalRule(confidence_threshold=0.35, min_agreement=0.0, min_expected_value=-1.0)
)


class Traded(NamedTuple):
    """An account whose market has ended, and the journal of its session."""

    account: RecordedAccount
    journal: Path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LiveModel:
    path = tmp_path_factory.mktemp("model") / "bundle"
    write_bundle(path, BundleContent(small_ensemble(), 0.35, "synthetic", "2024-01-01", "2024-01-30", {}))
    return LiveModel(load_bundle(path), load_feature_set(CATALOGUE, "stationary12"), 60, 14)


@pytest.fixture(scope="module")
def minutes() -> Bars:
    bars = fill_halts(candles_from_frame(synthetic_candles(17, 7, start="2024-03-01")), 10_000, "synthetic")
    return bars[: WARM_UP_MINUTES + 1 + TRADED_HOURS * 60]


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory, model: LiveModel, minutes: Bars) -> Traded:
    """The last hours, traded."""
    account = RecordedAccount(BarFeed(minutes), replace(PLAN, settings=SETTINGS), Price(0))
    for _ in range(WARM_UP_MINUTES):
        account.next_bar()
    path = tmp_path_factory.mktemp("session") / "journal.db"
    with Journal.open(path) as journal:
        begin(journal, account.now_ms(), SETTINGS, PLAN.cash)
        facts = LiveFacts(account.market, model, account.now_ms)
        terms = CycleTerms(settings=SETTINGS, funding_stage=1, kelly=KELLY)
        asyncio.run(trade_recorded(account, facts, journal, WRITER, terms))
    return Traded(account, path)


def compared(path: Path, model: LiveModel, market: RecordedAccount) -> Parity:
    with Journal.open(path, read_only=True) as journal:
        live = read_period(journal)
    stretch = stretch_of(live)
    published = asyncio.run(published_minutes(market.market, model, stretch))
    plan = replace(PLAN, settings=SETTINGS)
    return compare(live, expected_of(published, model, stretch, KELLY, plan, 0.0, None))


def test_given_a_served_model_when_its_session_is_compared_then_signals_decisions_and_money_are_the_same(
    traded: Traded, model: LiveModel
) -> None:
    parity = compared(traded.journal, model, traded.account)
    assert parity.differences == ()
    assert parity.compared.bars == (TRADED_HOURS * 4 + 1,) * 2
    assert parity.compared.executions[0] == parity.compared.executions[1] > 0
    assert parity.curves.live == parity.curves.backtest


def test_given_a_minute_that_was_corrected_later_when_compared_then_the_bars_since_then_saw_other_candles(
    traded: Traded, model: LiveModel, minutes: Bars
) -> None:
    row = WARM_UP_MINUTES + 75
    high, close = minutes.high.copy(), minutes.close.copy()
    close[row] = high[row] = high[row] + 20_000.0
    corrected = RecordedAccount(BarFeed(replace(minutes, high=high, close=close)), PLAN, Price(0))
    while corrected.next_bar():
        pass
    parity = compared(traded.journal, model, corrected)
    signals = [one for one in parity.differences if one.kind is Kind.SIGNAL]
    assert signals[0].at_ms == int(minutes.close_time[row])
    assert {one.why.cause for one in signals} == {Cause.CANDLES}
    assert parity.unexplained == ()


def test_given_candles_that_are_not_published_yet_when_asked_then_the_error_says_from_when_to_when(
    traded: Traded, model: LiveModel, minutes: Bars
) -> None:
    with Journal.open(traded.journal, read_only=True) as journal:
        stretch = stretch_of(read_period(journal))
    assert stretch.last_close_ms - stretch.first_close_ms == TRADED_HOURS * HOUR_MS
    behind = RecordedAccount(BarFeed(minutes), replace(PLAN, settings=SETTINGS), Price(0))
    for _ in range(WARM_UP_MINUTES + 60):
        behind.next_bar()
    with pytest.raises(DataError, match=r"the exchange has candles from .* wait until the exchange has published"):
        asyncio.run(published_minutes(behind.market, model, stretch))
