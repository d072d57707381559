"""A paper session over recorded bars does not differ from the backtest of its days in anything."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from paper_sessions import paper_session
from replays import replays
from sample_size import many

from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.market.bars import FloatArray
from crypto_kedro.session.journal import Journal
from crypto_kedro.session.parity import compare, read_period, replay_period
from crypto_kedro.session.plan import BacktestPlan
from crypto_kedro.trading.signal import SignalFacts

Replay = tuple[BarFeed, SignalFacts[FloatArray], float, BacktestPlan]


def assert_nothing_differs(replay: Replay, decisions: int) -> None:
    feed, facts, kelly, plan = replay
    *numbers, models = facts
    first = slice(0, decisions)
    facts = SignalFacts._make(
        [*(column[first] for column in numbers), tuple(tuple(column[first] for column in own) for own in models)]
    )
    feed = BarFeed(feed.bars[: int((feed.bars.close_time <= facts.bar_close_ms[-1]).sum())])
    # Whoever reads its orders back has to wait for them to arrive, as a live session does.
    plan = replace(plan, engine=replace(plan.engine, latency_ms=0))
    with tempfile.TemporaryDirectory() as folder:
        _, _, path = paper_session(Path(folder), feed, facts, kelly, plan)
        with Journal.open(path, read_only=True) as journal:
            live = read_period(journal)
    expected = replay_period(feed, facts, kelly, plan)
    parity = compare(live, expected)
    assert parity.differences == ()
    assert parity.compared.bars == (decisions, decisions)
    assert parity.compared.orders == (len(expected.result.orders),) * 2
    assert parity.compared.round_trips == (len(expected.result.trades),) * 2
    assert parity.curves.live == parity.curves.backtest
    assert parity.verdict.startswith("The session equals its backtest")


@given(replays())
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_given_a_paper_session_on_recorded_bars_when_compared_then_nothing_differs(replay: Replay) -> None:
    assert_nothing_differs(replay, 80)


@pytest.mark.slow
@given(replays())
@settings(max_examples=many(30), deadline=None, suppress_health_check=list(HealthCheck))
def test_given_many_markets_when_compared_then_nothing_differs(replay: Replay) -> None:
    assert_nothing_differs(replay, 400)
