"""Visiting only the bars at which something can happen is the same trader as visiting every bar."""

import pytest
from hypothesis import HealthCheck, given, settings
from replays import replays
from sample_size import many

from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.market.bars import FloatArray
from crypto_kedro.session.backtest import run_backtest
from crypto_kedro.session.plan import BacktestPlan
from crypto_kedro.trading.signal import SignalFacts

Replay = tuple[BarFeed, SignalFacts[FloatArray], float, BacktestPlan]


def assert_waking_is_the_same(replay: Replay) -> None:
    every = run_backtest(*replay, wake="every_bar")
    event = run_backtest(*replay, wake="event")
    assert event.reasons.tolist() == every.reasons.tolist()
    assert event.fills == every.fills
    assert event.orders == every.orders
    assert event.sendings == every.sendings
    assert event.refused == every.refused
    assert event.trades == every.trades
    assert event.equity_units.tobytes() == every.equity_units.tobytes()
    assert event.reason_codes.tobytes() == every.reason_codes.tobytes()
    assert event.account == every.account
    assert event.ledger == every.ledger
    woken = {decision.at_ms: decision.as_dict() for decision in every.decisions}
    assert all(decision.as_dict() == woken[decision.at_ms] for decision in event.decisions)


@given(replays())
@settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_given_any_market_when_woken_by_events_then_nothing_differs_from_every_bar(replay: Replay) -> None:
    assert_waking_is_the_same(replay)


@pytest.mark.slow
@given(replays())
@settings(max_examples=many(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_given_many_markets_when_woken_by_events_then_nothing_differs_from_every_bar(replay: Replay) -> None:
    assert_waking_is_the_same(replay)
