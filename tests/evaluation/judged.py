"""A market of 40 days with predictions of known worth, traded as the evaluation pipeline trades them."""

from functools import cache

import numpy as np
import pandas as pd
from known_predictions import BAR_MS, minute_walk, predict, signals_of

from crypto_kedro.evaluation.conditions import Conditions
from crypto_kedro.evaluation.out_of_sample import Comparison, OutOfSample, trade_out_of_sample
from crypto_kedro.evaluation.span import Span, build_span
from crypto_kedro.evaluation.validation import TrialRecord, ValidationRule
from crypto_kedro.exchange.settings import EngineSettings
from crypto_kedro.learning.intervals import Resampling
from crypto_kedro.learning.labels import BarrierRule, label_bars
from crypto_kedro.learning.opportunities import Opportunities, find_opportunities
from crypto_kedro.market.bars import Bars
from crypto_kedro.market.costs import CostSchedule, FeeRates
from crypto_kedro.market.frame import frame_from_bars
from crypto_kedro.market.resample import resample
from crypto_kedro.trading.money import Jpy
from crypto_kedro.trading.settings import TradingSettings

COSTS = CostSchedule((FeeRates(0, -0.0002, 0.0012, 0.0004),), half_spread=0.0001, slippage=0.0001)
RESAMPLING = Resampling(replications=200, seed=3)
VALIDATION = ValidationRule(thresholds=(0.55, 0.7), overfitting_blocks=8, resampling=RESAMPLING)
COMPARISON = Comparison(40, (0.0, 1.0, 1.5, 2.0), VALIDATION, TrialRecord())
CONDITIONS = Conditions(
    settings=TradingSettings(),
    costs=COSTS,
    engine=EngineSettings(),
    capital=Jpy.of(10_000),
    unproven_kelly=1.0,
)


@cache
def market(days: int = 40) -> tuple[Bars, Bars, pd.DataFrame]:
    """Bars of one and of 15 minutes, and their labels."""
    minutes = minute_walk(days, seed=1)
    bars = resample(minutes, BAR_MS)
    return minutes, bars, label_bars(bars, BarrierRule(), COSTS, max_gap_minutes=60).frame


@cache
def known(knowledge: float) -> pd.DataFrame:
    """Predictions of every labelled bar."""
    return predict(market()[2], knowledge, seed=2)


@cache
def span(knowledge: float) -> Span:
    minutes, bars, _ = market()
    return build_span(frame_from_bars(minutes), frame_from_bars(bars), signals_of(known(knowledge)))


@cache
def opportunities(knowledge: float) -> Opportunities:
    return find_opportunities(known(knowledge), market()[2], BAR_MS, COSTS)


@cache
def run(knowledge: float) -> OutOfSample:
    label = known(knowledge)["label"].to_numpy(dtype=np.int64)
    return trade_out_of_sample(span(knowledge), opportunities(knowledge), label, CONDITIONS, COMPARISON)
