"""The engine on nine months of real minutes: every bar or only the events, the account is the same."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from random_markets import SENT_BY_TRADERS, Wish, new_engine

from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.exchange.settings import EngineSettings
from crypto_kedro.market.frame import candles_from_frame
from crypto_kedro.market.gaps import fill_halts
from crypto_kedro.trading.money import Rate
from crypto_kedro.trading.orders import OrderType, PositionSide, Side

LONGEST_HALT_MINUTES = 120


@pytest.mark.slow
def test_skipping_to_the_next_event_changes_nothing_on_real_candles(real_candles_path: Path) -> None:
    candles = candles_from_frame(pd.read_parquet(real_candles_path))
    feed = BarFeed(fill_halts(candles, LONGEST_HALT_MINUTES, "real candles"))
    random = np.random.default_rng(11)
    moments = np.unique(random.integers(0, len(feed), 4_000)).tolist()
    how = EngineSettings(slippage=Rate(300), volume_share=Rate.of("0.2"))
    patient, hasty = new_engine(how), new_engine(how)
    done = 0
    for moment in moments:
        for index in range(done, moment + 1):
            patient.advance(feed.row(index))
        while (done := hasty.next_event(feed, done, moment)) < moment:
            hasty.advance(feed.row(done))
            done += 1
        hasty.advance(feed.row(moment))
        done = moment + 1
        assert hasty.account() == patient.account()
        wish = random_wish(random, moment)
        wish.act_on(patient)
        wish.act_on(hasty)

    assert hasty.fills == patient.fills
    assert hasty.orders() == patient.orders()
    assert len(hasty.fills) > 1_000


def random_wish(random: np.random.Generator, at_bar: int) -> Wish:
    """A wish with its triggers and limits within a few percent of the price."""
    return Wish(
        at_bar=at_bar,
        side=list(Side)[random.integers(2)],
        kind=[OrderType.MARKET, *SENT_BY_TRADERS][random.integers(1 + len(SENT_BY_TRADERS))],
        position_side=[*PositionSide, *PositionSide, None][random.integers(5)],
        lots=int(random.integers(1, 300)),
        price_offset=int(random.normal(0, 8_000)),
        trigger_offset=int(random.normal(0, 8_000)),
        post_only=bool(random.integers(2)),
        sensible=bool(random.integers(4)),
        cancels=bool(random.integers(4) == 0),
    )
