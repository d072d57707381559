"""Nothing that is decided up to a moment hangs on what the market does after it, and the same inputs decide the same.

The bars of one minute after a moment are shuffled, and all is computed anew from them: longer bars, features, labels,
the model's word, its leverage and the backtest. The model has been trained on what lies before all of these moments.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from judged import COMPARISON, CONDITIONS, COSTS, RESAMPLING, known, market, opportunities
from known_predictions import signals_of
from taught_market import feature_manager, fit_small

from crypto_kedro.evaluation.conditions import Conditions
from crypto_kedro.evaluation.model_trader import model_trader, trade
from crypto_kedro.evaluation.out_of_sample import trade_out_of_sample
from crypto_kedro.evaluation.record import score_predictions
from crypto_kedro.evaluation.span import build_span
from crypto_kedro.features import compute_features
from crypto_kedro.features.frame import feature_frame
from crypto_kedro.learning.ensemble import ProductionEnsemble
from crypto_kedro.learning.labels import BarrierRule, label_bars
from crypto_kedro.learning.opportunities import find_opportunities
from crypto_kedro.learning.walk_forward import Examples, say
from crypto_kedro.market.bars import DAY_MS, MINUTE_MS, Bars
from crypto_kedro.market.frame import candles_from_frame, frame_from_bars, open_times
from crypto_kedro.market.gaps import fill_halts
from crypto_kedro.market.resample import CONTEXT_MS, DECISION_MS, resample
from crypto_kedro.market.synthetic import synthetic_candles
from crypto_kedro.session.records import BacktestResult

MAX_GAP_MINUTES = 60
EAGER: Conditions = replace(
    CONDITIONS,
    settings=replace(
        CONDITIONS.settings,
        signal=replace(CONDITIONS.settings.signal, confidence_threshold=0.45, min_expected_value=-1.0),
        guards=replace(CONDITIONS.settings.guards, max_drawdown=0.99),
    ),
)
"""A trader that enters often, so that there is much to be changed by the future."""


@dataclass(frozen=True, slots=True)
class TaughtMarket:
    """A market and a model that has learnt from the days before ``tested_from_ms``."""

    minutes: Bars
    model: ProductionEnsemble
    tested_from_ms: int
    windows: int


def features_and_labels(minutes: Bars) -> tuple[pd.DataFrame, pd.DataFrame]:
    bars = resample(minutes, DECISION_MS)
    matrix = compute_features(
        feature_manager().feature_set, bars, resample(minutes, CONTEXT_MS), max_gap_minutes=MAX_GAP_MINUTES
    )
    return feature_frame(matrix), label_bars(bars, BarrierRule(), COSTS, MAX_GAP_MINUTES).frame


def teach(minutes: Bars, days: int, windows: int) -> TaughtMarket:
    """Train on the first days."""
    tested_from_ms = int(minutes.open_time[0]) + days * DAY_MS
    seen = minutes[: int(np.searchsorted(minutes.open_time, tested_from_ms))]
    return TaughtMarket(minutes, fit_small(Examples.join(*features_and_labels(seen))), tested_from_ms, windows)


def said(taught: TaughtMarket, features: pd.DataFrame) -> pd.DataFrame:
    """What the model says at every bar of the test windows."""
    heard = features[open_times(features) >= taught.tested_from_ms].reset_index(drop=True)
    length = int(taught.minutes.open_time[-1]) - taught.tested_from_ms + MINUTE_MS
    window = (open_times(heard) - taught.tested_from_ms) * taught.windows // length
    return say(taught.model, heard, "").assign(window=[f"fold-{at}" for at in window])


def decide_all(taught: TaughtMarket, minutes: Bars) -> BacktestResult:
    """Let everything from the longer bars to the backtest follow from the bars of one minute."""
    features, labels = features_and_labels(minutes)
    signals = said(taught, features)
    span = build_span(frame_from_bars(minutes), frame_from_bars(resample(minutes, DECISION_MS)), signals)
    judged = signals[signals["timestamp"].isin(labels["timestamp"])].reset_index(drop=True)
    trader = model_trader(span, find_opportunities(judged, labels, DECISION_MS, COSTS), EAGER)
    event, every = trade(span, trader, EAGER), trade(span, trader, EAGER, "every_bar")
    assert np.array_equal(event.reason_codes, every.reason_codes)
    return every


def shuffled_after(minutes: Bars, moment_ms: int, seed: int) -> Bars:
    """Permute the bars that open at or after a moment; their open times stay."""
    first = int(np.searchsorted(minutes.open_time, moment_ms))
    order = np.arange(len(minutes))
    np.random.default_rng(seed).shuffle(order[first:])
    columns = ("open", "high", "low", "close", "volume", "gap_minutes")
    return replace(minutes, **{name: getattr(minutes, name)[order] for name in columns})


def known_by(result: BacktestResult, moment_ms: int) -> dict[str, bytes]:
    """All that was decided, done and owned up to a moment, as bytes."""
    rows = result.decided_at_ms <= moment_ms
    return {
        "reasons": result.reason_codes[rows].tobytes(),
        "records": json.dumps([each.as_dict() for each in result.decisions if each.at_ms <= moment_ms]).encode(),
        "equity": result.equity_units[result.bar_close_ms <= moment_ms].tobytes(),
        "fills": repr([fill for fill in result.fills if fill.executed_at_ms < moment_ms]).encode(),
    }


def assert_blind_to_the_future(taught: TaughtMarket, shares: tuple[float, ...]) -> None:
    decided = decide_all(taught, taught.minutes)
    last = int(decided.decided_at_ms[-1])
    for seed, share in enumerate(shares):
        moment = taught.tested_from_ms + int((last - taught.tested_from_ms) * share) // DECISION_MS * DECISION_MS
        otherwise = decide_all(taught, shuffled_after(taught.minutes, moment, seed))
        before = known_by(decided, moment)
        assert len(before["reasons"]) == (moment - taught.tested_from_ms) // DECISION_MS
        assert len([each for each in decided.trades if each.closed_at_ms < moment]) > 10
        assert known_by(otherwise, moment) == before
        assert known_by(otherwise, last) != known_by(decided, last)


def test_given_other_bars_after_a_moment_when_all_is_computed_again_then_what_was_decided_before_stays() -> None:
    candles = candles_from_frame(synthetic_candles(50, seed=4, signal_strength=0.6))
    minutes = fill_halts(candles, DAY_MS // MINUTE_MS, "synthetic")

    assert_blind_to_the_future(teach(minutes, days=25, windows=2), shares=(0.4, 0.75))


@pytest.mark.slow
def test_given_real_candles_shuffled_after_a_moment_then_what_was_decided_before_stays(real_candles_path: Path) -> None:
    candles = candles_from_frame(pd.read_parquet(real_candles_path))
    minutes = fill_halts(candles, DAY_MS // MINUTE_MS, str(real_candles_path))

    assert_blind_to_the_future(teach(minutes, days=65, windows=3), shares=(0.1, 0.25, 0.5, 0.8))


def evaluate() -> dict[str, bytes]:
    """Every frame and figure of an evaluation, as bytes."""
    minutes, bars, _ = market()
    predictions = known(0.75)
    span = build_span(frame_from_bars(minutes), frame_from_bars(bars), signals_of(predictions))
    label = predictions["label"].to_numpy(dtype=np.int64)
    comparison = replace(COMPARISON, random_traders=5, cost_scales=(0.0, 1.0))
    run = trade_out_of_sample(span, opportunities(0.75), label, CONDITIONS, comparison)
    figures = {"trading": run.figures, "scores": score_predictions(predictions, RESAMPLING)}
    return {
        **{name: frame.to_parquet() for name, frame in run.frames.items()},
        **{name: json.dumps(record).encode() for name, record in figures.items()},
    }


def test_given_the_same_inputs_when_evaluated_twice_then_every_frame_and_figure_has_the_same_bytes() -> None:
    assert evaluate() == evaluate()
