"""What the comparison with other engines rests on: a ledger that is ours by default and theirs rule by rule."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from backtest import random_bars
from rivals.effects import STEPS, UnexplainedDifferenceError, explain, require_ours
from rivals.engines import ENGINES, ours
from rivals.ledger import OURS, Rulebook, keep_books
from rivals.question import SIDES, Answer, Question, Side, ask

from crypto_kedro.market.bars import MINUTE_MS, Bars

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def jumping_bars(count: int, seed: int) -> Bars:
    """Return bars that often open away from the close before them, some of them far beyond any stop."""
    bars, random = random_bars(count, seed), np.random.default_rng(seed)
    jumps = random.standard_t(2, count) * 0.0008 * (random.random(count) < 0.5)
    opened = np.rint(bars.open * np.exp(np.clip(jumps, -0.02, 0.02)))
    reach = np.rint(bars.close * 0.006 * (random.random(count) < 0.05))
    close = np.rint(bars.close + reach * random.choice((-1, 1), count))
    high, low = (edge(edge(opened, close), side) for edge, side in ((np.maximum, bars.high), (np.minimum, bars.low)))
    return replace(bars, open=opened, high=high, low=low, close=close)


def tiny_question(*prices: tuple[float, float, float, float], signals: dict[int, int]) -> Question:
    """Return a question over (open, high, low, close) bars: stop 100, target 300, no fee, and lots that cost 1 JPY."""
    opened, high, low, close = np.array(prices).T
    count = len(prices)
    time = np.arange(count, dtype=np.int64) * MINUTE_MS
    signal = np.zeros(count)
    signal[list(signals)] = list(signals.values())
    return Question(
        bars=Bars(MINUTE_MS, time, opened, high, low, close, np.ones(count), np.zeros(count, dtype=np.int64)),
        side="long_short",
        signal=signal,
        stop_jpy=np.full(count, 100.0),
        target_jpy=np.full(count, 300.0),
        cash_jpy=10_000.0,
        fee=0.0,
        risk=0.01,
    )


def round_trips(question: Question, rules: Rulebook) -> list[tuple[float, ...]]:
    """Return (side, entry bar, exit bar, exit price) of each trade."""
    trades = keep_books(question, rules).trades
    return list(trades[["side", "entry_bar", "exit_bar", "exit_jpy"]].itertuples(index=False, name=None))


ENTRY_BAR_FALLS = tiny_question(
    (1000, 1000, 1000, 1000), (1000, 1010, 850, 950), (950, 960, 940, 950), signals={0: 1}
)  # fmt: skip
TURN = tiny_question(
    (1000, 1000, 1000, 1000), (1000, 1010, 990, 1000), (1000, 1010, 990, 1000), (1010, 1020, 850, 900),
    (900, 910, 890, 900), (900, 910, 890, 900),
    signals={0: 1, 2: -1, 3: -1},
)  # fmt: skip


def test_given_our_rules_when_the_entry_bar_falls_through_the_stop_and_recovers_then_the_trade_lives() -> None:
    assert round_trips(ENTRY_BAR_FALLS, OURS) == []


def test_given_guarded_entry_bars_when_the_entry_bar_falls_through_the_stop_then_it_ends_there() -> None:
    assert round_trips(ENTRY_BAR_FALLS, replace(OURS, guards_entry_bar=True)) == [(1, 1, 1, 900.0)]


def test_given_our_rules_when_a_signal_turns_then_the_position_closes_at_the_open_and_turns_a_bar_later() -> None:
    assert round_trips(TURN, OURS) == [(1, 1, 3, 1010.0)]


def test_given_turns_at_once_when_a_signal_turns_then_the_short_opens_at_the_same_open() -> None:
    question = replace(TURN, target_jpy=np.full(6, 105.0))
    assert round_trips(question, replace(OURS, turns_at_once=True)) == [(1, 1, 3, 1010.0), (-1, 3, 4, 900.0)]


def test_given_a_stop_that_outranks_the_open_when_both_fall_in_a_bar_then_the_trade_ends_at_the_stop() -> None:
    assert round_trips(TURN, replace(OURS, stop_outranks_open=True)) == [(1, 1, 3, 900.0)]


def test_given_a_stopped_trade_when_its_amount_was_sized_then_it_costs_the_share_of_capital_at_risk() -> None:
    assert keep_books(TURN, replace(OURS, stop_outranks_open=True)).equity_jpy[3] == 10_000 - 0.01 * 10_000


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("market", [random_bars, jumping_bars])
def test_given_a_market_when_our_engine_trades_it_then_the_ledger_has_the_same_trades_and_equity(
    side: Side, market: Callable[[int, int], Bars]
) -> None:
    question = ask(market(20_000, 3), side)
    require_ours(question, ours(question).answer)


def test_given_one_changed_exit_when_held_against_the_ledger_then_it_is_refused() -> None:
    question = ask(random_bars(5_000, 3), "long_short")
    answer = keep_books(question, OURS)
    trades = answer.trades.copy()
    trades.loc[0, "exit_jpy"] += 1
    with pytest.raises(UnexplainedDifferenceError, match="first trade"):
        require_ours(question, Answer(trades, answer.equity_jpy))


@pytest.mark.parametrize("rival", STEPS)
def test_given_a_rival_a_yen_away_from_the_ledger_when_explained_then_it_is_refused(rival: str) -> None:
    question = ask(random_bars(5_000, 3), "long_short")
    answer = keep_books(question, OURS)
    with pytest.raises(UnexplainedDifferenceError, match="is missing"):
        explain(question, rival, answer, Answer(answer.trades, answer.equity_jpy + 1e4))


@pytest.mark.slow
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("rival", STEPS)
def test_given_bars_that_jump_when_a_rival_is_explained_then_no_yen_is_left_at_any_close(
    rival: str, side: Side
) -> None:
    for package in ("backtesting", "vectorbt"):
        pytest.importorskip(package, reason=f"{package} is not installed; the extra `bench` brings it")
    question = ask(jumping_bars(30_000, 5), side)
    explanation = explain(question, rival, ours(question).answer, ENGINES[rival](question).answer)
    assert explanation.worst_jpy < 0.001
    assert (explanation.table["jpy"] != 0).sum() >= 5


@pytest.mark.slow
def test_given_a_short_run_when_the_command_ends_then_tables_and_pictures_are_there(tmp_path: Path) -> None:
    for package in ("backtesting", "vectorbt"):
        pytest.importorskip(package, reason=f"{package} is not installed; the extra `bench` brings it")
    command = [sys.executable, "-m", "rivals", "--bars", "20000", "--repeats", "1", "--side", "long_short"]
    subprocess.run([*command, "--out", str(tmp_path)], cwd=BENCHMARKS, check=True, capture_output=True)
    assert set(pd.read_csv(tmp_path / "figures.csv")["engine"]) == set(ENGINES)
    assert set(pd.read_csv(tmp_path / "effects.csv")["rival"]) == set(STEPS)
    assert (tmp_path / "long_short.png").stat().st_size > 10_000
