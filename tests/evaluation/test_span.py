"""A span lays the model's word over the bars, and refuses tables that do not belong together."""

import numpy as np
import pandas as pd
import pytest
from judged import known, market
from known_predictions import BAR_MS, signals_of

from crypto_kedro.errors import LearningError
from crypto_kedro.evaluation.span import build_span, model_names
from crypto_kedro.market.frame import frame_from_bars

MINUTES, BARS = (frame_from_bars(bars) for bars in market()[:2])


def signals() -> pd.DataFrame:
    return signals_of(known(0.75))


def test_given_signals_then_the_span_runs_from_the_first_of_them_to_the_last_bar() -> None:
    span = build_span(MINUTES, BARS, signals())
    assert span.opened_ms[0] == signals()["timestamp"].iloc[0].timestamp() * 1000
    assert span.decision_bars.close_time[-1] == span.feed.bars.close_time[-1]
    assert len(span.feed) == 15 * span.window.size
    assert list(span.window_starts) == ["fold-1", "fold-2", "fold-3", "final"]


def test_given_a_bar_without_a_signal_then_its_word_is_unknown_and_its_window_the_one_before() -> None:
    whole = signals()
    missing = 100
    span = build_span(MINUTES, BARS, whole.drop(index=missing))
    assert np.all(np.isnan(span.word.calibrated[missing]))
    assert all(np.all(np.isnan(model[missing])) for model in span.word.models)
    assert span.window[missing] == whole["window"].iloc[missing - 1]
    assert span.word.calibrated[missing + 1].tolist() == (
        whole.loc[missing + 1, ["p_short", "p_flat", "p_long"]].to_list()
    )


def test_the_models_are_those_that_the_signals_name_in_their_order() -> None:
    assert model_names(signals()) == ["lightgbm", "xgboost", "random_forest"]


def test_a_moment_inside_a_bar_belongs_to_its_row() -> None:
    span = build_span(MINUTES, BARS, signals())
    opened = span.opened_ms[[0, 7]]
    assert span.rows_at(opened + BAR_MS - 1).tolist() == [0, 7]


@pytest.mark.parametrize(
    ("minutes", "bars", "said", "message"),
    [
        (MINUTES, BARS, signals().iloc[:0], "there are none"),
        (MINUTES, BARS, signals().iloc[::-1], "out of order"),
        (MINUTES, BARS.iloc[:-200], signals(), "do not hold all"),
        (MINUTES.iloc[:-60], BARS, signals(), "one minute do not cover"),
    ],
)
def test_tables_that_do_not_belong_together_are_refused(
    minutes: pd.DataFrame, bars: pd.DataFrame, said: pd.DataFrame, message: str
) -> None:
    with pytest.raises(LearningError, match=message):
        build_span(minutes, bars, said)
