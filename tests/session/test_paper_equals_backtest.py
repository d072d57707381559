"""A paper session over recorded bars is the backtest: same orders, fills, refusals, decisions and history."""

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
from crypto_kedro.session.backtest import run_backtest
from crypto_kedro.session.journal import Journal
from crypto_kedro.session.journal.records import Answered, Decided, Intended, Outcome
from crypto_kedro.session.plan import BacktestPlan
from crypto_kedro.trading.signal import SignalFacts

Replay = tuple[BarFeed, SignalFacts[FloatArray], float, BacktestPlan]


def part_of(replay: Replay, decisions: int) -> Replay:
    """The first bars of a market, since a session writes down each of its decisions."""
    feed, facts, kelly, plan = replay
    *numbers, models = facts
    first = slice(0, decisions)
    shorter = SignalFacts._make(
        [*(column[first] for column in numbers), tuple(tuple(column[first] for column in own) for own in models)]
    )
    end = int((feed.bars.close_time <= shorter.bar_close_ms[-1]).sum())
    return BarFeed(feed.bars[:end]), shorter, kelly, plan


def assert_paper_is_the_backtest(replay: Replay, decisions: int) -> None:
    feed, facts, kelly, plan = part_of(replay, decisions)
    # Whoever reads its orders back has to wait for them to arrive, as a live session does.
    plan = replace(plan, engine=replace(plan.engine, latency_ms=0))
    expected = run_backtest(feed, facts, kelly, plan, wake="every_bar")
    with tempfile.TemporaryDirectory() as folder:
        account, reports, path = paper_session(Path(folder), feed, facts, kelly, plan)
        with Journal.open(path, read_only=True) as journal:
            decided = [entry.record.record for entry in journal.entries(Decided)]
            ledger = journal.ledger()
            purposes = {entry.record.intent_id: entry.record for entry in journal.entries(Intended)}
            sent = {
                entry.record.order.order_id: (
                    purposes[entry.record.intent_id].purpose,
                    purposes[entry.record.intent_id].reason,
                )
                for entry in journal.entries(Answered)
                if entry.record.outcome is Outcome.PLACED and entry.record.order is not None
            }
    assert [report.error for report in reports if report.error] == []
    assert tuple(account.engine.orders()) == expected.orders
    assert tuple(account.engine.fills) == expected.fills
    assert account.engine.account() == expected.account
    assert decided == [decision.as_dict() for decision in expected.decisions]
    assert sent == {order_id: (s.purpose, s.reason) for order_id, s in expected.sendings.items()}
    assert ledger == expected.ledger


@given(replays())
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_given_any_market_when_traded_on_paper_then_nothing_differs_from_the_backtest(replay: Replay) -> None:
    assert_paper_is_the_backtest(replay, 80)


@pytest.mark.slow
@given(replays())
@settings(max_examples=many(40), deadline=None, suppress_health_check=list(HealthCheck))
def test_given_many_markets_when_traded_on_paper_then_nothing_differs_from_the_backtest(
    replay: Replay,
) -> None:
    assert_paper_is_the_backtest(replay, 400)
